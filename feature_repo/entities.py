"""Whom features describe."""

from feast import Entity, ValueType

carrier = Entity(
    name="carrier",
    join_keys=["carrier"],
    value_type=ValueType.STRING,
    description="Airline that operates the flight, by its two-character IATA code, such as UA.",
    owner="network-team@flights.example",
    tags={"domain": "operations"},
)

origin = Entity(
    name="origin",
    join_keys=["origin"],
    value_type=ValueType.STRING,
    description="Airport of departure: EWR, JFK or LGA.",
    owner="network-team@flights.example",
    tags={"domain": "operations"},
)

destination = Entity(
    name="destination",
    join_keys=["dest"],
    value_type=ValueType.STRING,
    description="Airport that the flight is bound for, by its three-letter FAA code.",
    owner="network-team@flights.example",
    tags={"domain": "operations"},
)

plane = Entity(
    name="plane",
    join_keys=["tailnum"],
    value_type=ValueType.STRING,
    description="Aircraft by its tail number; UNKNOWN when none is assigned yet, which no view has a row for.",
    owner="fleet-team@flights.example",
    tags={"domain": "fleet"},
)
