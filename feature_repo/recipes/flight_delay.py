"""Predict, two hours before scheduled departure, whether a flight arrives more than 15 minutes late."""

from likewise.models import WideAndDeep
from likewise.training import AtLeast, AtMost, BeatsBaselines, NoWorseThan, Recipe, TimeSplit
from likewise.transforms import Steps, Transform
from likewise.transforms import kinds as K  # noqa: N812  # the name that recipes use

# What was true of everybody for weeks tells a network the season, and it learns the season by heart: of all but the
# plane, only the last day goes in.
ROLLING = {
    "carrier": ("1d",),
    "origin": ("1d",),
    "dest": ("1d",),
    "route": ("1d",),
    "plane": ("1d", "7d", "28d"),
}
FRESH = ("fresh", "fresh_carrier")
HOURS = ("1h", "3h")

mean_delays = [
    *(f"{whose}_{way}_delay_mean_{window}" for whose in ROLLING for way in ("dep", "arr") for window in ROLLING[whose]),
    *(f"{whose}_dep_delay_mean_{hours}" for whose in FRESH for hours in HOURS),
]
shares = [
    *(
        f"{whose}_{what}_share_{window}"
        for whose in ROLLING
        for what in ("late", "cancelled")
        for window in ROLLING[whose]
    ),
    *(f"{whose}_delayed_share_{hours}" for whose in FRESH for hours in HOURS),
]
counts = [
    *(f"{whose}_flights_{window}" for whose in ROLLING for window in ROLLING[whose]),
    *(f"{whose}_departures_{hours}" for whose in FRESH for hours in HOURS),
    *(f"{whose}_overdue_flights" for whose in FRESH),
]

# Delays have heavy tails on both sides: ranks keep one stormy day from outweighing the rest.
as_ranks = [K.SimpleImputer("median", add_indicator=True), K.QuantileTransformer(256, "normal")]
as_amounts = [K.SimpleImputer("median", add_indicator=True), K.StandardScaler()]
# A count that is missing means that nothing was known of the entity.
as_counts = [K.SimpleImputer("constant", fill_value=0.0), K.LogTransformer(), K.StandardScaler()]
as_code = [K.OrdinalEncoder(unseen="oov", missing="category")]

flight_delay = Transform(
    name="flight_delay",
    feature_service="flight_delay_v1",
    outputs={
        "delays": [
            Steps([*mean_delays, "plane_last_dep_delay", "plane_last_arr_delay"], as_ranks),
            Steps(["plane_is_under_way"], [K.SimpleImputer("constant", fill_value=0.0)]),
        ],
        "shares": [Steps(shares, as_amounts)],
        "counts": [Steps(counts, as_counts)],
        "weather": [
            Steps(["humidity_percent", "pressure_mb", "wind_speed_mph"], as_amounts),
            Steps(["visibility_miles"], as_amounts),
            Steps(["precipitation_inches"], [K.SimpleImputer("constant", fill_value=0.0), K.StandardScaler()]),
            # No gust is reported when there is none.
            Steps(
                ["wind_gust_mph"],
                [K.SimpleImputer("constant", fill_value=0.0, add_indicator=True), K.StandardScaler()],
            ),
            Steps(["wind_direction_degrees"], [K.SimpleImputer("median"), K.CyclicalFeatures(360)]),
        ],
        "plan": [
            Steps(["sched_minute_of_day"], [K.CyclicalFeatures(24 * 60)]),
            Steps(["sched_hour_of_week"], [K.CyclicalFeatures(7 * 24)]),
            Steps(["sched_is_weekend"]),
            Steps(["distance_miles", "scheduled_minutes", "sched_miles_per_minute"], [K.StandardScaler()]),
            Steps(["plane_built_year", "plane_seats", "plane_engines"], as_amounts),
            Steps(["dest_latitude", "dest_longitude", "dest_altitude_feet"], as_amounts),
        ],
        "carrier": [Steps(["carrier"], as_code)],
        "origin": [Steps(["origin"], as_code)],
        "dest": [Steps(["dest"], as_code)],
        "hour": [Steps(["dep_hour"], as_code)],
        "weekday": [Steps(["dep_weekday"], as_code)],
        "manufacturer": [Steps(["plane_manufacturer"], as_code)],
        "engine": [Steps(["plane_engine_type"], as_code)],
    },
)

recipe = Recipe(
    name="flight_delay",
    entities="data/labels/flights.parquet",
    label="late",
    label_known_at="arrived_at",
    # The 28-day windows are whole from 29 January on.
    split=TimeSplit(
        train_from="2013-01-29", train_until="2013-09-30", validate_until="2013-10-31", test_until="2013-11-30"
    ),
    transform=flight_delay,
    model=WideAndDeep(),
    slices=("carrier",),
    gates=[
        AtLeast("roc_auc", 0.68),
        AtMost("ece", 0.03),
        BeatsBaselines(),
        NoWorseThan("release:flight_delay@prod", "log_loss", by=0.002),
        "golden",
        "parity",
    ],
)
