"""`likewise show` tells the fitted statistics of every kind, by column, and says them in JSON."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from likewise.cli.main import main
from likewise.cli.transform_view import describe
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812
from likewise.transforms.testing import KindCase
from tests.conformance.kind_cases import CASES


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case.kind))
def test_every_kind_is_described(case: KindCase) -> None:
    """What a kind learned is told, by column, as sound JSON; what learns nothing tells nothing."""
    fitted = case.fitted(60)
    told = describe(fitted)["outputs"][0]["steps"][0]["kinds"][0]
    json.dumps(told, allow_nan=False)
    assert told["settings"] == case.kind.settings()
    learned = fitted.steps["out"][0].kinds[0].arrays()
    assert bool(told["state"]) == bool(learned)
    assert set(told["state"]) <= set(case.names)


def state_of(kind: Any, **columns: Any) -> dict[str, Any]:
    table = pa.table(columns)
    fitted = Transform("t", {"o": [Steps(list(columns), [kind])]}).fit(table)
    state: dict[str, Any] = describe(fitted)["outputs"][0]["steps"][0]["kinds"][0]["state"]
    return state


def test_columns_held_end_to_end_are_told_apart() -> None:
    """Edges and quantiles, kept end to end, are told column by column."""
    state = state_of(K.KBinsDiscretizer(2, strategy="uniform"), a=[0.0, 10.0], b=[5.0, 5.0])
    assert state == {
        "a": {"edges": {"count": 3, "first": [0.0, 5.0, 10.0]}},
        "b": {"edges": {"count": 1, "first": [5.0]}},
    }


def test_keys_come_before_their_numbers() -> None:
    """A group scaler's keys stand at the key's column, its means at the numbers'."""
    state = state_of(K.GroupScaler(min_count=1), k=["b", "a", "a"], x=[9.0, 1.0, 3.0])
    assert state["k"] == {"categories": {"count": 2, "first": ["a", "b"]}}
    assert state["x"]["mean"]["first"][:2] == [2.0, 9.0]


def test_masks_fills_and_weights_are_told() -> None:
    """How many categories are infrequent, what fills text, and the weights of terms."""
    rare = state_of(K.OneHotEncoder(min_frequency=2), c=["a", "a", "b", "c"])
    assert rare["c"] == {"categories": {"count": 3, "first": ["a", "b", "c"]}, "infrequent": 2}
    filled = Transform("t", {"o": [Steps(["c"], [K.SimpleImputer("most_frequent"), K.OrdinalEncoder()])]})
    told = describe(filled.fit(pa.table({"c": ["a", None, "a"]})))["outputs"][0]["steps"][0]["kinds"][0]["state"]
    assert told["c"] == {"had_missing": True, "fill": "a"}
    assert state_of(K.TfidfVectorizer(), c=["red car", "red"])["c"]["idf"]["count"] == 2


def test_show_prints_all_of_a_file(tmp_path: Path, capsys: Any) -> None:
    """`likewise show FILE` prints schema, policies, statistics and provenance with the number of passes."""
    steps = [Steps(["x"], [K.SimpleImputer("median"), K.QuantileTransformer(3)])]
    fitted = Transform("delay", {"dense": steps}).fit(pa.table({"x": [1.0, 2.0, 9.0]}), provenance={"recipe": "r"})
    path = fitted.save(tmp_path / "delay.safetensors")
    with pytest.raises(SystemExit):
        main(["show", str(path)])
    printed = " ".join(capsys.readouterr().out.split())
    for words in ("artifact of delay", "x number", "dense float32 (n, 1)", "missing='keep'", "fill 2"):
        assert words in printed
    for words in ("quantiles (3): 1, 2, 9", "recipe r", "passes 1", fitted.digest):
        assert words in printed
