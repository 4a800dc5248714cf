import numpy as np
import pyarrow as pa
import pytest

from likewise.models.exports.errors import ExportBoundError
from likewise.models.exports.proof import BOUND, Measured, prove
from likewise.models.exports.proof_rows import ProofRows, proof_rows
from likewise.transforms import FittedTransform, Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812


def fit() -> FittedTransform:
    data = pa.table({"x": [1.0, 2.0, None, 9.0], "s": ["a", "b", None, "a"], "l": [[1.0], None, [2.0, 3.0], []]})
    outputs = {
        "dense": [Steps(["x"], [K.StandardScaler()])],
        "code": [Steps(["s"], [K.OrdinalEncoder(unseen="error")])],
        "hot": [Steps(["l"], [K.MultiHotEncoder()])],
    }
    return Transform("t", outputs).fit(data)


FITTED = fit()
PROOF = proof_rows(FITTED)


def measured(**changed: np.ndarray) -> tuple[Measured, ...]:
    return prove("SQL", FITTED.outputs, PROOF, {**PROOF.expected, **changed})


def test_rows_are_the_artifacts_own() -> None:
    """The same artifact is proved on the same rows, here and after a reload; golden rows come first."""
    again = proof_rows(FittedTransform.from_bytes(FITTED.to_bytes()))
    assert again.rows == PROOF.rows > 500
    for name, column in PROOF.columns.items():
        assert repr(again.columns[name].objects()) == repr(column.objects())
    assert 0 < PROOF.golden <= len(FITTED.golden.columns["x"])


def test_rows_hold_what_breaks_naive_code() -> None:
    """Missing, infinite, huge, tiny and neighbouring numbers are among them; rows that a policy refuses are not."""
    x = PROOF.columns["x"].values
    for value in (np.inf, -np.inf, 1e300, 1e-300, 9.0, np.nextafter(9.0, np.inf)):
        assert (x == value).any(), value
    assert np.isnan(x).any()
    assert set(PROOF.columns["s"].objects()) == {"a", "b", None}
    assert {None, ()} <= {None if v is None else tuple(v) for v in PROOF.columns["l"].objects()}


def test_columns_that_refuse_leave_the_random_rows() -> None:
    """However many columns refuse missing and unseen values, all random rows are compared, over all known values."""
    kind = K.OrdinalEncoder(unseen="error", missing="error")
    outputs = {f"o{at}": [Steps([f"s{at}"], [kind])] for at in range(12)}
    fitted = Transform("t", outputs).fit(pa.table({f"s{at}": ["a", "b", "c"] for at in range(12)}))
    proof = proof_rows(fitted)
    assert proof.rows - proof.golden == 2000
    assert all(set(column.objects()) == {"a", "b", "c"} for column in proof.columns.values())


def test_equal_outputs_measure_zero() -> None:
    """The transform against itself differs nowhere."""
    assert [(m.rows, m.values_that_differ, m.largest_relative) for m in measured()] == [(PROOF.rows, 0, 0.0)] * 3


@pytest.mark.parametrize(("factor", "passes"), [(1 + BOUND / 2, True), (1 + 3 * BOUND, False)])
def test_numbers_are_held_to_the_bound(factor: float, passes: bool) -> None:
    """A number within the bound is measured, one beyond it is refused."""
    dense = (PROOF.expected["dense"].astype(np.float64) * factor).astype(np.float32)
    if passes:
        assert 0.0 < measured(dense=dense)[0].largest_relative <= BOUND
    else:
        with pytest.raises(ExportBoundError, match="output 'dense' column 'x' differs in"):
            measured(dense=dense)


def _with(name: str, value: float) -> np.ndarray:
    changed = PROOF.expected[name].copy()
    changed.reshape(-1)[int(np.argmax(np.isfinite(changed.reshape(-1))))] = value
    return changed


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("code", _with("code", 7)),
        ("dense", _with("dense", np.nan)),
        ("dense", _with("dense", np.inf)),
        ("dense", np.where(np.isnan(PROOF.expected["dense"]), np.float32(0), PROOF.expected["dense"])),
        ("dense", PROOF.expected["dense"].astype(np.float64)),
        ("dense", PROOF.expected["dense"][:-1]),
    ],
    ids=["a code", "NaN for a number", "infinite for a number", "a number for NaN", "another dtype", "a row less"],
)
def test_what_is_not_a_matter_of_rounding_is_refused(name: str, changed: np.ndarray) -> None:
    """Another code, a missing value more or less, an infinity, a dtype or a shape: each is refused by output."""
    with pytest.raises(ExportBoundError, match=f"output '{name}'"):
        measured(**{name: changed})


def test_huge_rows_do_not_hide_small_differences() -> None:
    """The usual size of a column comes from its usual rows, so 1e300 beside them loosens no bound."""
    assert isinstance(PROOF, ProofRows)
    sizes = np.abs(PROOF.expected["dense"][np.isfinite(PROOF.expected["dense"])])
    assert sizes.max() > 1e10
    with pytest.raises(ExportBoundError):
        measured(dense=PROOF.expected["dense"] + np.float32(1e-4))
