"""Feature views.

Tags say how rows reach the online store: `cadence` is how often, `ingest` by which way. A cadence is never
shorter than its source's lag, so that the window of each incremental run covers what became known since the
one before.
"""

from datetime import timedelta

from entities import carrier, destination, origin, plane
from feast import FeatureView, Field
from feast.types import Float64, Int64, String
from rolling_fields import rolling_fields
from sources import (
    airlines_source,
    airports_source,
    carrier_delays_source,
    destination_delays_source,
    fresh_delays_push,
    origin_delays_source,
    plane_delays_source,
    planes_source,
    route_delays_source,
    weather_source,
)

carrier_delays = FeatureView(
    name="carrier_delays",
    entities=[carrier],
    ttl=timedelta(hours=6),
    schema=rolling_fields("carrier", "of the carrier"),
    source=carrier_delays_source,
    description="How punctual the carrier's departures from New York have been.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "30m", "ingest": "materialize"},
)

origin_delays = FeatureView(
    name="origin_delays",
    entities=[origin],
    ttl=timedelta(hours=6),
    schema=rolling_fields("origin", "from the origin"),
    source=origin_delays_source,
    description="How punctual departures from the origin have been.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "30m", "ingest": "materialize"},
)

destination_delays = FeatureView(
    name="destination_delays",
    entities=[destination],
    ttl=timedelta(hours=24),
    schema=rolling_fields("dest", "to the destination"),
    source=destination_delays_source,
    description="How punctual flights from New York to the destination have been.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "1h", "ingest": "materialize"},
)

route_delays = FeatureView(
    name="route_delays",
    entities=[origin, destination],
    ttl=timedelta(hours=24),
    schema=rolling_fields("route", "on the route"),
    source=route_delays_source,
    description="How punctual flights between the origin and the destination have been.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "1h", "ingest": "materialize"},
)

plane_delays = FeatureView(
    name="plane_delays",
    entities=[plane],
    # A row is written when something changed, at the latest when the 28-day window empties.
    ttl=timedelta(days=35),
    schema=rolling_fields("plane", "of the plane"),
    source=plane_delays_source,
    description="How punctual the plane's departures from New York have been.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "cadence": "1h", "ingest": "materialize"},
)

fresh_delays = FeatureView(
    name="fresh_delays",
    entities=[origin],
    ttl=timedelta(hours=1),
    schema=[
        Field(
            name="fresh_departures_1h",
            dtype=Int64,
            description="Departures from the origin in the last hour.",
        ),
        Field(
            name="fresh_dep_delay_mean_1h",
            dtype=Float64,
            description="Mean delay in minutes of departures in the last hour; null without any.",
        ),
        Field(
            name="fresh_delayed_share_1h",
            dtype=Float64,
            description="Share of departures in the last hour that left over 15 minutes late; null without any.",
        ),
        Field(
            name="fresh_departures_3h",
            dtype=Int64,
            description="Departures from the origin in the last 3 hours.",
        ),
        Field(
            name="fresh_dep_delay_mean_3h",
            dtype=Float64,
            description="Mean delay in minutes of departures in the last 3 hours; null without any.",
        ),
        Field(
            name="fresh_delayed_share_3h",
            dtype=Float64,
            description="Share of departures in the last 3 hours that left over 15 minutes late; null without any.",
        ),
        Field(
            name="fresh_overdue_flights",
            dtype=Int64,
            description="Flights that should have left the origin and neither have nor are known to be cancelled.",
        ),
    ],
    source=fresh_delays_push,
    description="How departures from the origin go right now.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "5m", "ingest": "push:fresh_delays_push"},
)

weather = FeatureView(
    name="weather",
    entities=[origin],
    ttl=timedelta(hours=6),
    schema=[
        Field(name="temperature_f", dtype=Float64, description="Temperature in degrees Fahrenheit."),
        Field(name="dew_point_f", dtype=Float64, description="Dew point in degrees Fahrenheit."),
        Field(name="humidity_percent", dtype=Float64, description="Relative humidity in percent."),
        Field(
            name="wind_direction_degrees",
            dtype=Float64,
            description="Direction the wind blows from, in degrees; 0 when calm, null when variable.",
        ),
        Field(name="wind_speed_mph", dtype=Float64, description="Wind speed in miles per hour."),
        Field(name="wind_gust_mph", dtype=Float64, description="Gust speed in miles per hour; null without gusts."),
        Field(name="precipitation_inches", dtype=Float64, description="Precipitation in the hour, in inches."),
        Field(name="pressure_mb", dtype=Float64, description="Sea-level pressure in millibars."),
        Field(name="visibility_miles", dtype=Float64, description="Visibility in miles, 10 at most."),
    ],
    source=weather_source,
    description="The last reported weather at the origin.",
    owner="weather-team@flights.example",
    tags={"domain": "weather", "cadence": "30m", "ingest": "materialize"},
)

plane_facts = FeatureView(
    name="plane_facts",
    entities=[plane],
    ttl=timedelta(days=0),
    schema=[
        Field(name="plane_built_year", dtype=Int64, description="Year the plane was built; null when not registered."),
        Field(name="plane_type", dtype=String, description="Kind of aircraft, such as fixed wing multi engine."),
        Field(name="plane_manufacturer", dtype=String, description="Who built it."),
        Field(name="plane_model", dtype=String, description="Which model it is."),
        Field(name="plane_engines", dtype=Int64, description="How many engines it has."),
        Field(name="plane_engine_type", dtype=String, description="What engines they are, such as turbo-fan."),
        Field(name="plane_seats", dtype=Int64, description="How many seats it has."),
    ],
    source=planes_source,
    description="What the register says of the plane.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "ingest": "materialize"},
)

airport_facts = FeatureView(
    name="airport_facts",
    entities=[destination],
    ttl=timedelta(days=0),
    schema=[
        Field(name="dest_airport_name", dtype=String, description="Name of the destination's airport."),
        Field(name="dest_latitude", dtype=Float64, description="Latitude in degrees north."),
        Field(name="dest_longitude", dtype=Float64, description="Longitude in degrees east."),
        Field(name="dest_altitude_feet", dtype=Int64, description="Altitude in feet."),
        Field(name="dest_time_zone", dtype=String, description="IANA time zone."),
    ],
    source=airports_source,
    description="Where the destination lies.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "ingest": "materialize"},
)

airline_facts = FeatureView(
    name="airline_facts",
    entities=[carrier],
    ttl=timedelta(days=0),
    schema=[Field(name="carrier_name", dtype=String, description="Name of the carrier.")],
    source=airlines_source,
    description="What the carrier is called.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "ingest": "materialize"},
)
