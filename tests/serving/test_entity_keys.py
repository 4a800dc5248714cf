"""Keys as clients write them: what stands for one entity only."""

import orjson
import pytest

from likewise.serving.entity_rows import RowRules, check_rows
from likewise.serving.errors import WrongTypeError
from likewise.serving.plan import FeaturePlan, Field
from likewise.transforms.columns import LogicalType

USER = Field("user_id", LogicalType.NUMBER, "INT64")
PLAN = FeaturePlan(service=None, join_keys=(USER,), request_fields=(), stored=(), computed=(), served=())
RULES = RowRules("entities", 10, ignore_unknown=False)


@pytest.mark.parametrize("text", ["-9223372036854775809", "9007199254740993.0", "1e18", "9223372036854775808"])
def test_a_number_that_may_stand_for_a_neighbour_is_no_key(text: str) -> None:
    """JSON's parser rounds what it can't hold: such a key would be answered with another entity's features."""
    value = orjson.loads(text)
    for values in ([value], [value, 1], [1, value]):
        with pytest.raises(WrongTypeError, match="user_id"):
            check_rows(PLAN, {"user_id": values}, RULES)


@pytest.mark.parametrize(
    "text", ["-9223372036854775808", "9223372036854775807", "9007199254740991.0", "-3.0", "9007199254740993"]
)
def test_a_whole_number_is_a_key(text: str) -> None:
    """Integers of 64 bits are keys to their last digit, and so are floats that can be only one."""
    value = orjson.loads(text)
    rows = check_rows(PLAN, {"user_id": [value, 1]}, RULES)
    assert [int(key) for key in rows.keys["user_id"]] == [int(text.removesuffix(".0")), 1]
