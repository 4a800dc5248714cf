"""Feature services: what a model version reads, in its order."""

from feast import FeatureService
from on_demand import flight_schedule
from views import (
    airline_facts,
    airport_facts,
    carrier_delays,
    destination_delays,
    fresh_carrier_delays,
    fresh_delays,
    origin_delays,
    plane_delays,
    plane_facts,
    plane_last_flight,
    route_delays,
    weather,
)

flight_delay_v1 = FeatureService(
    name="flight_delay_v1",
    features=[
        carrier_delays,
        origin_delays,
        destination_delays,
        route_delays,
        plane_delays,
        fresh_delays,
        fresh_carrier_delays,
        plane_last_flight,
        weather,
        plane_facts[["plane_built_year", "plane_manufacturer", "plane_engines", "plane_engine_type", "plane_seats"]],
        airport_facts[["dest_latitude", "dest_longitude", "dest_altitude_feet"]],
        flight_schedule,
    ],
    description="Inputs of the model that predicts, two hours ahead, whether a flight arrives over 15 minutes late.",
    owner="punctuality-team@flights.example",
    tags={"domain": "punctuality", "model": "flight_delay"},
)

departure_board_v1 = FeatureService(
    name="departure_board_v1",
    features=[airline_facts, airport_facts[["dest_airport_name", "dest_time_zone"]], fresh_delays, weather],
    description="What a departure board shows beside a flight.",
    owner="punctuality-team@flights.example",
    tags={"domain": "operations"},
)
