"""Every kind is documented, and every kind's examples run."""

import doctest
import importlib
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from likewise.transforms.kinds import KINDS
from likewise.transforms.testing import KindCase
from tests.conformance.kind_cases import CASES

PAGES = Path(__file__).parents[2] / "docs" / "kinds"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_kind_has_a_section(kind: type) -> None:
    """The docs have a section named after the kind, with its id."""
    text = "".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))
    assert f"## {kind.__name__} (`{kind.id}`)" in text  # type: ignore[attr-defined]


def reference() -> dict[str, list[str]]:
    """Return the cells of the page that lists every kind, by kind."""
    lines = (PAGES / "reference.md").read_text(encoding="utf-8").splitlines()
    rows = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[1:]}


def test_the_reference_lists_every_kind_in_order() -> None:
    """The page at a glance has one row a kind, in the order of the table of kinds."""
    assert list(reference()) == [kind.__name__ for kind in KINDS.values()]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_reference_names_settings_and_defaults(kind: type) -> None:
    """The row of a kind names all of its settings with the defaults of the code, its policies and its source."""
    settings, missing, unusual, _, _, source = reference()[kind.__name__]
    told = re.findall(r"`([^`]+)`", settings.replace("\\|", "|"))
    known = fields(kind)  # type: ignore[arg-type]
    assert told == [f.name if f.default is MISSING else f"{f.name}={f.default!r}" for f in known]
    assert all((missing, unusual, source))


PLACEHOLDERS = {"NAME": r"c\d", "CATEGORY": ".*", "TERM": ".*", "PART": ".*"}


@pytest.mark.parametrize("case", [c for c in CASES if not c.then], ids=lambda case: repr(case.kind))
def test_reference_names_columns_and_dtypes(case: KindCase) -> None:
    """Output columns are named as the row of the kind says, and have a dtype it names."""
    cells = reference()[type(case.kind).__name__]
    output = case.fitted(60).outputs[0]
    assert output.dtype in cells[4].split(", ")
    if type(case.kind).__name__ == "PolynomialFeatures":  # named by products of several columns
        return
    patterns = [re.escape(told) for told in re.findall(r"`([^`]+)`", cells[3])]
    for word, pattern in PLACEHOLDERS.items():
        patterns = [told.replace(word, pattern) for told in patterns]
    numbered = "|".join(re.sub(r"(?<!\\)0$", r"\\d+", told) for told in patterns)
    assert [name for name in output.columns if not re.fullmatch(numbered, name, re.DOTALL)] == []


MODULES = [
    *sorted({kind.__module__ for kind in KINDS.values()}),
    "likewise.transforms.counters",
    "likewise.transforms.exact_sums",
    "likewise.transforms.murmur",
    "likewise.transforms.order_statistics",
    "likewise.transforms.overflow",
    "likewise.transforms.stability",
    "likewise.transforms.steps",
    "likewise.transforms.testing",
    "likewise.transforms.transform",
    "likewise.transforms.vocabulary",
]


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(module: str) -> None:
    """The examples in docstrings give what they show."""
    tested = doctest.testmod(importlib.import_module(module))
    assert tested.attempted > 0
    assert tested.failed == 0
