"""Every kind is documented, and every kind's examples run."""

import doctest
import importlib
from pathlib import Path

import pytest

from likewise.transforms.kinds import KINDS

PAGES = Path(__file__).parents[2] / "docs" / "kinds"


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.id)
def test_kind_has_a_section(kind: type) -> None:
    """The docs have a section named after the kind, with its id."""
    text = "".join(page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md")))
    assert f"## {kind.__name__} (`{kind.id}`)" in text  # type: ignore[attr-defined]


MODULES = [
    *sorted({kind.__module__ for kind in KINDS.values()}),
    "likewise.transforms.counters",
    "likewise.transforms.exact_sums",
    "likewise.transforms.murmur",
    "likewise.transforms.order_statistics",
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
