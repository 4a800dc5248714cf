"""Feature views.

Tags say how rows reach the online store: `cadence` is how often, `ingest` by which way. A cadence is never
shorter than its source's lag, so that incremental runs lose nothing with Feast's own stores either.
"""

from datetime import timedelta

from entities import carrier, destination, origin, plane
from feast import FeatureView, Field
from feast.types import Float64, Int64, String
from sources import (
    airlines_source,
    airports_source,
    carrier_delays_source,
    destination_delays_source,
    fresh_carrier_delays_push,
    fresh_delays_push,
    origin_delays_source,
    plane_delays_source,
    plane_last_flight_push,
    planes_source,
    route_delays_source,
    weather_source,
)
from statistics_fields import fresh_fields, rolling_fields

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
    schema=fresh_fields("fresh", "from the origin"),
    source=fresh_delays_push,
    description="How departures from the origin go right now.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "5m", "ingest": "push:fresh_delays_push"},
)

fresh_carrier_delays = FeatureView(
    name="fresh_carrier_delays",
    entities=[carrier, origin],
    # A row is written when something changed, at the latest when the 3-hour window empties.
    ttl=timedelta(hours=24),
    schema=fresh_fields("fresh_carrier", "of the carrier from the origin"),
    source=fresh_carrier_delays_push,
    description="How departures of the carrier from the origin go right now.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "cadence": "5m", "ingest": "push:fresh_carrier_delays_push"},
)

plane_last_flight = FeatureView(
    name="plane_last_flight",
    entities=[plane],
    ttl=timedelta(hours=16),
    schema=[
        Field(
            name="plane_last_dep_delay",
            dtype=Float64,
            description="Minutes that the plane's last departure from New York was late.",
        ),
        Field(
            name="plane_last_arr_delay",
            dtype=Float64,
            description="Minutes that flight arrived late; null while it is under way.",
        ),
        Field(
            name="plane_is_under_way",
            dtype=Int64,
            description="1 until that flight is known to have arrived where it was bound, then 0.",
        ),
    ],
    source=plane_last_flight_push,
    description="The plane's last flight from New York, as it is reported.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "cadence": "5m", "ingest": "push:plane_last_flight_push"},
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
