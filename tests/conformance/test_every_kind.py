"""Every promise over every kind."""

from collections.abc import Callable

import pytest

from likewise.transforms.kinds import KINDS
from likewise.transforms.testing import CHECKS, KindCase
from tests.conformance.kind_cases import CASES


def test_every_kind_has_a_case() -> None:
    """The cases cover exactly the kinds of the table, so none escapes the checks."""
    assert {case.kind.id for case in CASES} == set(KINDS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.kind))
def test_kind_keeps_promise(case: KindCase, check: Callable[[KindCase], None]) -> None:
    """Every kind keeps every promise of `likewise.transforms.testing`."""
    check(case)
