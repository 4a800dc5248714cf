"""Where features come from: Parquet files that `likewise demo` prepares under data/.

Every row says when it speaks of (event_timestamp) and when it became known (created).
"""

from feast import FileSource, PushSource

carrier_delays_source = FileSource(
    name="carrier_delays_source",
    path="data/carrier_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Rolling statistics of each carrier, hourly; computed 5 minutes after the hour.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "5m"},
)

origin_delays_source = FileSource(
    name="origin_delays_source",
    path="data/origin_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Rolling statistics of each origin, hourly; computed 5 minutes after the hour.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "5m"},
)

destination_delays_source = FileSource(
    name="destination_delays_source",
    path="data/destination_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Rolling statistics of each destination, every 6 hours; computed within 10 minutes.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "10m"},
)

route_delays_source = FileSource(
    name="route_delays_source",
    path="data/route_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Rolling statistics of each pair of origin and destination, every 6 hours; computed within 10 minutes.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "10m"},
)

plane_delays_source = FileSource(
    name="plane_delays_source",
    path="data/plane_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Rolling statistics of each plane, daily at 06:00 UTC when they changed; computed within 15 minutes.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "lag": "15m"},
)

weather_source = FileSource(
    name="weather_source",
    path="data/weather.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Hourly weather at each origin; event time is the end of the hour, reported 10 minutes later.",
    owner="weather-team@flights.example",
    tags={"domain": "weather", "lag": "10m"},
)

planes_source = FileSource(
    name="planes_source",
    path="data/planes.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="The aircraft register, known since before 2013.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "lag": "0m"},
)

airports_source = FileSource(
    name="airports_source",
    path="data/airports.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Airports as destinations, known since before 2013.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "0m"},
)

airlines_source = FileSource(
    name="airlines_source",
    path="data/airlines.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="Names of the carriers, known since before 2013.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "0m"},
)

fresh_delays_source = FileSource(
    name="fresh_delays_source",
    path="data/fresh_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="What was pushed: delays of the last hours at each origin, every 15 minutes, a minute later.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "1m"},
)

fresh_carrier_delays_source = FileSource(
    name="fresh_carrier_delays_source",
    path="data/fresh_carrier_delays.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="What was pushed: delays of the last hours of each carrier at each origin, a minute after each change.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "1m"},
)

plane_last_flight_source = FileSource(
    name="plane_last_flight_source",
    path="data/plane_last_flight.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
    description="What was pushed: each departure and arrival of a plane, 2 minutes after it happened.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "lag": "2m"},
)

fresh_delays_push = PushSource(
    name="fresh_delays_push",
    batch_source=fresh_delays_source,
    description="Delays of the last hours at each origin, made every 15 minutes, pushed within 5.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "1m"},
)

fresh_carrier_delays_push = PushSource(
    name="fresh_carrier_delays_push",
    batch_source=fresh_carrier_delays_source,
    description="Delays of the last hours of each carrier at each origin, each 15 minutes if changed, pushed within 5.",
    owner="network-team@flights.example",
    tags={"domain": "operations", "lag": "1m"},
)

plane_last_flight_push = PushSource(
    name="plane_last_flight_push",
    batch_source=plane_last_flight_source,
    description="Departures and arrivals of planes, pushed as they are reported.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet", "lag": "2m"},
)
