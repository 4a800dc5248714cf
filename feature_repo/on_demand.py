"""Features of the request itself.

Feast keeps a function's source and runs it with nothing around it, so each uses its argument and Python's builtins
alone: no globals, no imports, also not in its annotations. Ask for features by their short names: Feast leaves
on-demand features of mode python out when full names are asked for.
"""

from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64

flight_request = RequestSource(
    name="flight_request",
    schema=[
        Field(name="dep_month", dtype=Int64, description="Month of the scheduled departure, 1 to 12."),
        Field(name="dep_day_of_year", dtype=Int64, description="Day of the year of the scheduled departure, from 1."),
        Field(name="dep_weekday", dtype=Int64, description="Day of the week of the scheduled departure, Monday 1."),
        Field(name="dep_hour", dtype=Int64, description="Hour of the scheduled departure on the origin's clocks."),
        Field(name="dep_minute", dtype=Int64, description="Minute of the scheduled departure on the origin's clocks."),
        Field(name="distance_miles", dtype=Int64, description="Distance between the airports in miles."),
        Field(name="scheduled_minutes", dtype=Int64, description="Minutes from scheduled departure to arrival."),
    ],
    description="What the schedule says of the flight; times are local at the origin.",
    owner="network-team@flights.example",
    tags={"domain": "schedule"},
)


@on_demand_feature_view(
    name="flight_schedule",
    sources=[flight_request],
    # Feast compares these fields with those it infers, which have no descriptions; the view's says it all.
    schema=[
        Field(name="sched_minute_of_day", dtype=Int64),
        Field(name="sched_hour_of_week", dtype=Int64),
        Field(name="sched_is_weekend", dtype=Int64),
        Field(name="sched_miles_per_minute", dtype=Float64),
    ],
    mode="python",
    description=(
        "When the flight is due and how much time its schedule allows. sched_minute_of_day: minutes since midnight. "
        "sched_hour_of_week: hours since Monday, 00:00. sched_is_weekend: 1 on Saturday and Sunday, else 0. "
        "sched_miles_per_minute: distance over scheduled duration."
    ),
    owner="network-team@flights.example",
    tags={"domain": "schedule"},
)
def flight_schedule(inputs: dict[str, list]) -> dict[str, list]:
    """Return the features of n requests; a feature is null when what it needs is."""
    hours, minutes = inputs["dep_hour"], inputs["dep_minute"]
    weekdays = inputs["dep_weekday"]
    miles, durations = inputs["distance_miles"], inputs["scheduled_minutes"]
    return {
        "sched_minute_of_day": [
            None if hour is None or minute is None else hour * 60 + minute
            for hour, minute in zip(hours, minutes, strict=True)
        ],
        "sched_hour_of_week": [
            None if day is None or hour is None else (day - 1) * 24 + hour
            for day, hour in zip(weekdays, hours, strict=True)
        ],
        "sched_is_weekend": [None if day is None else int(day >= 6) for day in weekdays],
        "sched_miles_per_minute": [
            None if mile is None or not duration else mile / duration
            for mile, duration in zip(miles, durations, strict=True)
        ],
    }
