"""What is declared: complete, described, and in agreement with the data."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from feast import FeatureStore, FeatureView

from likewise.cli.parity.cadence import cadence_of
from likewise.stores.definitions import describe_definitions

pytestmark = pytest.mark.slow

TWO_ENTITIES = {"route_delays", "fresh_carrier_delays"}
PUSHED = {"fresh_delays", "fresh_carrier_delays", "plane_last_flight"}
ALWAYS = {"plane_facts", "airport_facts", "airline_facts"}


def test_everything_is_described_owned_and_tagged(store: FeatureStore) -> None:
    """Entities, sources, views, on-demand views and services say what they are, whose, and where they belong."""
    entities = [entity for entity in store.list_entities() if entity.name != "__dummy"]
    declared = [
        *entities,
        *store.list_data_sources(),
        *store.list_feature_views(),
        *store.list_on_demand_feature_views(),
        *store.list_feature_services(),
    ]
    assert len(entities) == 4
    for thing in declared:
        assert thing.description, thing.name
        assert thing.owner, thing.name
        assert thing.tags.get("domain"), thing.name


def test_every_field_is_described(store: FeatureStore) -> None:
    """Features say what they hold; an on-demand view's, which Feast keeps bare, are told of in the view's text."""
    for view in store.list_feature_views():
        assert [field.name for field in view.features if not field.description] == []
    (view,) = store.list_on_demand_feature_views()
    assert [field.name for field in view.features if field.name not in view.description] == []
    (request,) = view.source_request_sources.values()
    assert [field.name for field in request.schema if not field.description] == []


def test_there_are_enough_features_of_every_kind(store: FeatureStore) -> None:
    """Over 60 features, views over one entity and over two, three of them pushed, all with the TTL they need."""
    views = {view.name: view for view in store.list_feature_views()}
    features = [field.name for view in views.values() for field in view.features]
    assert len(features) > 60
    assert Counter(features).most_common(1)[0][1] == 1
    assert {name for name, view in views.items() if len(view.entities) == 2} == TWO_ENTITIES
    assert {name for name, view in views.items() if view.stream_source is not None} == PUSHED
    assert {name for name, view in views.items() if not view.ttl} == ALWAYS


def test_the_service_names_each_feature_once_in_the_models_order(store: FeatureStore) -> None:
    """The service's features are distinct short names; what is served keeps the declared order."""
    service = store.get_feature_service("flight_delay_v1")
    declared = [field.name for view in service.feature_view_projections for field in view.features]
    assert len(set(declared)) == len(declared)
    definitions = describe_definitions(store, "flight_delay_v1")
    assert list(definitions.features) == declared
    assert definitions.join_keys == ("carrier", "origin", "dest", "tailnum")


def test_sources_hold_what_views_declare(store: FeatureStore, repository: Path) -> None:
    """Each source has the view's columns in the declared types, with the lag that its tag says."""
    for view in store.list_feature_views():
        path = repository / view.batch_source.path
        with duckdb.connect() as connection:
            rows = connection.read_parquet(str(path))
            schema = rows.limit(0).to_arrow_table().schema
            lags = connection.execute(
                "SELECT min(created - event_timestamp), max(created - event_timestamp) FROM read_parquet(?)",
                [str(path)],
            ).fetchone()
        wanted = {field.name: field.dtype.to_value_type() for field in [*view.features, *view.entity_columns]}
        assert set(schema.names) == {*wanted, "event_timestamp", "created"}
        assert {n: str(schema.field(n).type) for n in wanted} == {n: ARROW[t.name] for n, t in wanted.items()}
        assert lags == (tagged_lag(view),) * 2


ARROW = {"INT64": "int64", "DOUBLE": "double", "STRING": "string"}


def test_no_cadence_is_shorter_than_its_lag(store: FeatureStore) -> None:
    """Else a run's window would pass over rows that were not known yet, and no later one would look back."""
    for view in store.list_feature_views():
        cadence = cadence_of(view.name, view.tags)
        assert cadence.every is None or cadence.every >= tagged_lag(view)
        assert view.ttl == timedelta(0) or (cadence.every or timedelta(0)) + tagged_lag(view) < view.ttl


def tagged_lag(view: FeatureView) -> timedelta:
    text = view.batch_source.tags["lag"]
    assert text.endswith("m")
    return timedelta(minutes=int(text[:-1]))


def test_the_on_demand_function_needs_nothing_around_it(store: FeatureStore) -> None:
    """Run from its stored source in an empty module, as Feast does; null in gives null out."""
    (view,) = store.list_on_demand_feature_views()
    source = view.feature_transformation.udf_string
    module: dict[str, object] = {}
    exec(source[source.index("def ") :], module)
    answer = module["flight_schedule"](
        {
            "dep_hour": [5, None, 23, 0],
            "dep_minute": [15, 0, 59, 0],
            "dep_weekday": [2, 6, 7, None],
            "distance_miles": [1400, 1, None, 10],
            "scheduled_minutes": [200, None, 1, 0],
        }
    )
    assert answer == {
        "sched_minute_of_day": [315, None, 1439, 0],
        "sched_hour_of_week": [29, None, 167, None],
        "sched_is_weekend": [0, 1, 1, None],
        "sched_miles_per_minute": [7.0, None, None, None],
    }
