"""`/docs`: what the server answers, on one page of its own that loads nothing from elsewhere."""

import re
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
p { margin: .2rem 0 } ul { margin: .2rem 0; padding-left: 1.3rem } .statuses { color: #667; font-size: .85rem }
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
    by_tag: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            tag = operation.get("tags", ["Others"])[0]
            by_tag.setdefault(tag, []).append(_section(path, method, operation))
    sections = [f"<h1>{escape(tag)}</h1>{''.join(parts)}" for tag, parts in by_tag.items()]
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
        f"<p>{_text(told)}</p>{_takes(operation)}"
        f'<p class="statuses">{" ".join(map(escape, operation["responses"]))}</p>'
    )


def _takes(operation: dict[str, Any]) -> str:
    """Return a list of parameters and of the body's members, those that must be there in bold."""
    items = [
        _item(one["name"], f"in the {one['in']}", one.get("description", ""), is_required=one.get("required", False))
        for one in operation.get("parameters", ())
    ]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        for name, member in schema.get("properties", {}).items():
            is_required = name in schema.get("required", ())
            items.append(_item(name, _kind(member), member.get("description", ""), is_required=is_required))
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _item(name: str, kind: str, told: str, *, is_required: bool) -> str:
    shown = f"<code>{escape(name)}</code>"
    return f"<li>{f'<b>{shown}</b>' if is_required else shown} {escape(kind)}{f': {_text(told)}' if told else ''}</li>"


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(str(choice) for choice in schema["enum"] if choice is not None)
    kinds = schema.get("type", "anything")
    kind = kinds if isinstance(kinds, str) else next(one for one in kinds if one != "null")
    return "object of lists, one value a row" if "additionalProperties" in schema else kind


def _text(told: str) -> str:
    """Return a sentence as HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(told))
