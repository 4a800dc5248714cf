"""The dashboard, the alert rules and the scrape configuration, held against what a server prints."""

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from likewise.serving.app import OTHER, build_app
from likewise.serving.online import STATUS_NAMES
from likewise.serving.route_metrics import BUCKETS
from tests.serving.client import serving
from tests.serving.conftest import SETTINGS
from tests.serving.fakes import World
from tests.serving.test_app import FEATURES, FOUR, ONE

ROOT = Path(__file__).parents[2]
FILES = ROOT / "docs" / "operations"
DASHBOARD = FILES / "grafana" / "dashboards" / "likewise.json"
# Prometheus itself adds these.
SCRAPED = {"up": {"job", "instance"}}
SCRAPE_LABELS = {"job", "instance"}
FUNCTIONS = {"sum", "rate", "increase", "max", "count", "count_values", "topk", "histogram_quantile", "time", "on"}
KEYWORDS = {"by", "and", "or", "offset", "group_left", "on"}
_SELECTOR = re.compile(r"\b([a-z_:][a-z0-9_:]*)\s*(?:\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\})?(?=\s*(\[[^\]]+\])?)")
_MATCHER = re.compile(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"\s*')
_GROUPING = re.compile(r"\b(?:by|on|group_left)\s*\(([^()]*)\)")


@pytest.fixture(scope="module")
def printed() -> dict[str, set[str]]:
    """Return what `/metrics` of a server that was used prints: series name -> names of its labels."""
    world = World()
    with serving(build_app(SETTINGS, world.parts())) as client:
        client.post("/v1/predict/flight_delay", json=FOUR)
        client.post("/get-online-features", json=FEATURES)
        world.store.is_down = True
        client.post("/v1/predict/flight_delay", json=ONE)
        text = client.get("/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found: dict[str, set[str]] = {}
    for sample in samples:
        found.setdefault(sample.name, set()).update(sample.labels)
    return found


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FILES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (item["expr"] for item in dashboard()["annotations"]["list"])


EXPRESSIONS = list(expressions())


def used(expression: str) -> list[tuple[str, list[tuple[str, str, str]], bool]]:
    """Return the selectors of an expression: metric, matchers (label, operator, value), whether it has a range."""
    rest = _GROUPING.sub(" ", re.sub(r'\(\s*"version",', "(", expression)).replace("$__rate_interval", "1m")
    strings = [match for match in _SELECTOR.finditer(rest) if match[1] not in FUNCTIONS | KEYWORDS]
    outside = [match for match in strings if not _is_inside_braces(rest, match.start()) and not match[1].isdigit()]
    return [
        (match[1], _matchers(match[2] or ""), match[3] is not None)
        for match in outside
        if not re.fullmatch(r"\d*[smhd]", match[1])
    ]


def _is_inside_braces(text: str, at: int) -> bool:
    before = re.sub(r'"(?:[^"\\]|\\.)*"', lambda string: "_" * len(string[0]), text)[:at]
    return before.count("{") > before.count("}") or before.count("[") > before.count("]")


def _matchers(text: str) -> list[tuple[str, str, str]]:
    found, at = [], 0
    while at < len(text):
        match = _MATCHER.match(text, at)
        assert match, f"no matcher: {text[at:]!r}"
        found.append((match[1], match[2], match[3]))
        at = match.end()
        if at < len(text):
            assert text[at] == ",", text[at:]
            at += 1
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_exists(expression: str, printed: dict[str, set[str]]) -> None:
    """What rules and panels ask for is printed by a server, with the labels that they match and group by."""
    known = printed | SCRAPED
    selectors = used(expression)
    assert selectors
    for name, matchers, _ in selectors:
        assert name in known, name
        assert {label for label, _, _ in matchers} <= known[name] | SCRAPE_LABELS
    labels = {label.strip() for inner in _GROUPING.findall(expression) for label in inner.split(",") if label.strip()}
    assert labels <= set().union(*(known[name] for name, _, _ in selectors)) | SCRAPE_LABELS


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions_are_well_formed(expression: str, printed: dict[str, set[str]]) -> None:
    """Brackets close, functions are known, counters stand in `rate` or `increase` only, and only they have ranges."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    for opening, closing in ("()", "{}", "[]"):
        assert bare.count(opening) == bare.count(closing)
    called = set(re.findall(r"\b([a-z_]+)\s*\(", bare)) - KEYWORDS
    assert called <= FUNCTIONS, called - FUNCTIONS
    for name, _, has_range in used(expression):
        assert has_range == name.endswith(("_total", "_bucket")), name
    assert len(re.findall(r"\b(?:rate|increase)\s*\(", bare)) == bare.count("[")


def test_statuses_and_routes_that_rules_name_exist(printed: dict[str, set[str]]) -> None:
    """A label's value that is matched exactly is one that the server can print."""
    routes = {route.path for route in build_app(SETTINGS, World().parts()).routes}  # type: ignore[attr-defined]
    known = {"status": set(STATUS_NAMES), "event": {"missing", "unseen", "out_of_range"}, "job": {"likewise"}}
    for expression in EXPRESSIONS:
        for _, matchers, _ in used(expression):
            for label, operator, value in matchers:
                if operator == "=":
                    assert value in known[label], (label, value)
                if label == "route" and value != "$route":
                    assert set(value.split("|")) <= routes | {OTHER}


def test_requests_that_no_route_takes_do_not_thin_out_errors() -> None:
    """Who asks for many wrong paths can't bring the share of errors below its alert."""
    shares = [one for one in EXPRESSIONS if "5.." in one and "/" in one]
    assert len(shares) == 2
    for name, matchers, _ in (selector for one in shares for selector in used(one)):
        assert name == "likewise_requests_total"
        assert ("route", "!=", OTHER) in matchers


def test_every_metric_of_ours_is_shown_or_watched(printed: dict[str, set[str]]) -> None:
    """A metric that nobody looks at would be dead weight."""
    asked = {name for expression in EXPRESSIONS for name, _, _ in used(expression)}
    ours = {name for name in printed if name.startswith("likewise_") and not name.endswith(("_created", "_sum"))}
    assert ours - asked - {"likewise_request_seconds_count"} == set()


def test_every_alert_says_what_to_do() -> None:
    """Each alert has a time, a severity, a summary, and a section in the page of operations by its name."""
    page = (ROOT / "docs" / "operations.md").read_text()
    sections = {line.lstrip("# ").strip().lower() for line in page.splitlines() if line.startswith("#")}
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) >= 12
    for rule in alerts():
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["labels"]["severity"] in ("page", "ticket", "info")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["alert"].lower() in sections


def test_panels_do_not_overlap_and_have_a_source() -> None:
    """The dashboard is drawn as meant: ids are its own, places are free, the data source is the provisioned one."""
    board = dashboard()
    source = yaml.safe_load((FILES / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"][0]["uid"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        mine = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not mine & cells, panel["title"]
        assert all(x < 24 for x, _ in mine)
        cells |= mine
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == source
        assert len({target["refId"] for target in panel.get("targets", ())}) == len(panel.get("targets", ()))


def test_buckets_resolve_a_tenth_of_a_millisecond() -> None:
    """Up to 1 ms no two neighbouring buckets are further apart than 0.1 ms; above, at most by a factor of 2.5."""
    fine = [edge for edge in BUCKETS if edge <= 0.001]
    assert len(fine) == 10
    assert all(right - left <= 0.000_100_001 for left, right in pairwise([0.0, *fine]))
    assert all(1 < right / left <= 2.5 for left, right in pairwise(BUCKETS[9:]))


def test_compose_wires_what_the_files_name() -> None:
    """Prometheus and Grafana start with `--profile observe`, on loopback, with these files, and find each other."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]
    scrape = yaml.safe_load((FILES / "prometheus.yml").read_text())
    targets = {job["job_name"]: job["static_configs"][0]["targets"] for job in scrape["scrape_configs"]}
    assert targets["likewise"] == ["server:8000"]
    assert "server" in services
    for name, port in (("prometheus", 9090), ("grafana", 3000)):
        service = services[name]
        assert service["profiles"] == ["observe"]
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
        for volume in service["volumes"]:
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert rest.endswith(":ro")
            else:
                assert source in compose["volumes"]
    rules = scrape["rule_files"][0]
    assert any(volume.endswith(f"alerts.yml:{rules}:ro") for volume in services["prometheus"]["volumes"])
    source = yaml.safe_load((FILES / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
