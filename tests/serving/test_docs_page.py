import re

from tests.serving.client import Client


def test_the_docs_page_names_every_path_and_loads_nothing(client: Client) -> None:
    """`/docs` works on a machine without the internet: no script, no style and no picture from elsewhere."""
    html = client.get("/docs").text
    paths = client.get("/openapi.json").json()["paths"]
    assert paths
    assert all(path in html for path in paths)
    assert not re.search(r"https?://|<script|<link|src=", html)
