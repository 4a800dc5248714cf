"""`/docs`: what the server answers, on one page of its own that loads nothing from elsewhere."""

from html import escape
from typing import Any

from fastapi import FastAPI
from starlette.responses import HTMLResponse

from likewise.serving.openapi import completed

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1b1f24 }
h2 { margin: 2rem 0 .3rem; font-size: 1.05rem }
h2 code { background: #eef2f6; padding: .15rem .4rem; border-radius: 4px }
.method { display: inline-block; min-width: 3.2rem; font-weight: 700; color: #0a5 } .post { color: #06c }
p { margin: .2rem 0 }
"""


def add_docs_page(app: FastAPI) -> None:
    """Give the app its page at `/docs`, made from its OpenAPI document, which is completed here."""
    described, ready = app.openapi, dict[str, Any]()

    def openapi() -> dict[str, Any]:
        if not ready:
            ready.update(completed(described()))
        return ready

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(page(app.openapi()))


def page(document: dict[str, Any]) -> str:
    """Return an OpenAPI document as HTML."""
    sections = [
        _section(path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    title = escape(document["info"]["title"])
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><style>{_STYLE}</style>"
        f"<h1>{title}</h1><p>{escape(document['info'].get('summary', ''))}. "
        "The whole description, for machines: <a href=/openapi.json>/openapi.json</a>. What one release takes and "
        "gives, with examples to copy: <code>/v1/predict/RELEASE/contract</code>.</p>"
        f"{''.join(sections)}</html>"
    )


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    told = operation.get("description") or operation.get("summary") or ""
    return (
        f'<h2><span class="method {method}">{method.upper()}</span> <code>{escape(path)}</code></h2>'
        f"<p>{escape(told)}</p>"
    )
