from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, Map, String

from likewise.stores.definitions import Definitions, describe_definitions
from likewise.stores.errors import FeatureServiceUnknownError, FeatureTypeError
from likewise.transforms.logical_types import LogicalType
from tests.stores.feast_repository import ViewOf, apply, make_store

WEATHER = pa.table({"city": ["a"], "event_timestamp": pa.array([0], pa.timestamp("us", "UTC")), "wind": [1.0]})
REQUEST = RequestSource(name="asked", schema=[Field(name="hour", dtype=Int64)])


def weather(**changes: object) -> ViewOf:
    settings: dict[str, object] = {"keys": {"city": ValueType.STRING}, "features": {"wind": Float64}}
    return ViewOf("weather", WEATHER, **{**settings, "ttl": timedelta(hours=3), **changes})  # type: ignore[arg-type]


def describe(folder: Path, view: ViewOf, *, hours: int = 24, decorate: str = "") -> Definitions:
    """Apply a view, an on-demand view over it and a service; return the service's definitions."""
    folder.mkdir(exist_ok=True)
    store = make_store(folder)
    declared = view.declare(folder)
    declared.description = decorate
    declared.tags = {"seen": decorate}
    daily = daily_view(declared, hours)
    twice = declared.with_name("weather_dest").with_join_key_map({"city": "dest"})
    service = FeatureService(name="served", features=[declared[["wind"]], daily, twice], description=decorate)
    city = Entity(name="city", join_keys=["city"], value_type=ValueType.STRING, description=decorate)
    apply(store, [city, declared, daily, service])
    return describe_definitions(store, "served")


def daily_view(source: FeatureView, hours: int) -> object:
    if hours == 24:

        @on_demand_feature_view(sources=[source, REQUEST], schema=[Field(name="share", dtype=Float64)], mode="pandas")
        def daily(frame: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"share": frame["hour"] / 24.0 + 0.0 * frame["wind"]})

        return daily

    @on_demand_feature_view(sources=[source, REQUEST], schema=[Field(name="share", dtype=Float64)], mode="pandas")
    def daily(frame: pd.DataFrame) -> pd.DataFrame:  # type: ignore[no-redef]
        return pd.DataFrame({"share": frame["hour"] / 12.0 + 0.0 * frame["wind"]})

    return daily


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    return describe(tmp_path_factory.mktemp("reference") / "repo", weather())


def test_says_what_a_service_needs_and_gives(reference: Definitions) -> None:
    """References keep their declared order; keys, request data and features are named and typed."""
    assert reference.feature_refs == ("weather:wind", "daily:share", "weather_dest:wind")
    assert reference.join_keys == ("city", "dest")
    assert reference.request_fields == {"hour": LogicalType.NUMBER}
    assert list(reference.features) == ["weather__wind", "daily__share", "weather_dest__wind"]
    assert set(reference.parts) == {"service:served", "view:weather", "on_demand:daily"}
    assert reference.fingerprint.startswith("sha256:")


def test_decoration_changes_nothing(tmp_path: Path, reference: Definitions) -> None:
    """Descriptions, tags, another folder and a later day leave the fingerprint as it is."""
    again = describe(tmp_path / "elsewhere", weather(), decorate="another text")
    assert again == reference


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"ttl": timedelta(hours=4)}, "view:weather"),
        ({"features": {"wind": Int64}}, "view:weather"),
        ({"created": True}, "view:weather"),
        ({"path": "other.parquet"}, "view:weather"),
        ({"field_mapping": {"wind_kn": "wind"}}, "view:weather"),
    ],
    ids=["ttl", "type", "created time", "source", "field mapping"],
)
def test_what_can_change_a_value_changes_its_part(
    tmp_path: Path, reference: Definitions, change: dict[str, object], part: str
) -> None:
    """A change of a view is seen, and named."""
    changed = weather(**change)
    table = WEATHER.append_column("created", WEATHER["event_timestamp"]).append_column("wind_kn", WEATHER["wind"])
    store = describe_applied(tmp_path, changed, table)
    assert part in reference.differences(store.parts)
    assert store.fingerprint != reference.fingerprint


def describe_applied(folder: Path, view: ViewOf, table: pa.Table) -> Definitions:
    pa.parquet.write_table(table, folder / "other.parquet")
    return describe(
        folder,
        ViewOf(view.name, table, view.keys, view.features, view.ttl, view.created, view.field_mapping, view.path),
    )


def test_on_demand_source_text_is_part_of_it(tmp_path: Path, reference: Definitions) -> None:
    """Another computation under the same name is another definition, of that view alone."""
    changed = describe(tmp_path, weather(), hours=12)
    assert reference.differences(changed.parts) == ("on_demand:daily",)


def test_unknown_service_suggests(tmp_path: Path) -> None:
    """A misspelt service is an error that names the right one."""
    describe(tmp_path, weather())
    with pytest.raises(FeatureServiceUnknownError, match="Did you mean 'served'"):
        describe_definitions(FeatureStore(config=make_store(tmp_path).config), "serve")


def test_a_type_without_a_logical_type_is_refused(tmp_path: Path) -> None:
    """A map in a service is an error that says what to do."""
    store = make_store(tmp_path)
    table = WEATHER.append_column("extra", pa.array([{"a": "b"}], pa.map_(pa.string(), pa.string())))
    view = ViewOf("weather", table, {"city": ValueType.STRING}, {"extra": Map, "name": String}).declare(tmp_path)
    city = Entity(name="city", join_keys=["city"], value_type=ValueType.STRING)
    apply(store, [city, view, FeatureService(name="served", features=[view])])
    with pytest.raises(FeatureTypeError, match="got MAP"):
        describe_definitions(store, "served")


def test_file_source_is_compared_as_declared(tmp_path: Path) -> None:
    """Sources are compared by what the repository says, so two checkouts of it agree."""
    assert isinstance(weather().declare(tmp_path).batch_source, FileSource)
    assert weather().declare(tmp_path).batch_source.path == "weather.parquet"
