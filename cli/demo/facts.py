"""Weather at the origins, and facts that hold the whole year: planes, airports, airlines."""

import pandas as pd
import pyarrow as pa

from likewise.cli.demo.flights import destination_zones
from likewise.cli.demo.local_time import to_minutes
from likewise.cli.demo.package_files import PackageFiles
from likewise.cli.demo.source_tables import source_table, year_start

# A row of hour H gathers reports up to minute 51 (precipitation adds up until then), so it speaks of the hour's end.
WEATHER_HOUR = 60
WEATHER_LAG = 10

WEATHER_NAMES = {
    "temp": "temperature_f",
    "dewp": "dew_point_f",
    "humid": "humidity_percent",
    "wind_dir": "wind_direction_degrees",
    "wind_speed": "wind_speed_mph",
    "wind_gust": "wind_gust_mph",
    "precip": "precipitation_inches",
    "pressure": "pressure_mb",
    "visib": "visibility_miles",
}


def weather_table(files: PackageFiles, days: int = 365) -> pa.Table:
    """Return the weather of each origin: event time at the end of its hour, created when it was reported."""
    weather = pd.read_csv(files.weather)
    ends = to_minutes(pd.to_datetime(weather["time_hour"], utc=True)) + WEATHER_HOUR
    rows = ends <= year_start() + (days + 1) * 24 * 60
    columns = weather.loc[rows, ["origin", *WEATHER_NAMES]].rename(columns=WEATHER_NAMES)
    columns = columns.astype(dict.fromkeys(WEATHER_NAMES.values(), "float64"))
    return source_table(columns, ends[rows], WEATHER_LAG)


def planes_table(files: PackageFiles) -> pa.Table:
    """Return what is known of each plane, by tail number."""
    planes = pd.read_csv(files.planes)
    columns = pd.DataFrame(
        {
            "tailnum": planes["tailnum"],
            "plane_built_year": planes["year"].astype("Int64"),
            "plane_type": planes["type"],
            "plane_manufacturer": planes["manufacturer"],
            "plane_model": planes["model"],
            "plane_engines": planes["engines"].astype("Int64"),
            "plane_engine_type": planes["engine"],
            "plane_seats": planes["seats"].astype("Int64"),
        }
    )
    return source_table(columns, *_always(len(columns)))


def airports_table(files: PackageFiles) -> pa.Table:
    """Return what is known of each airport as a destination; of those the file leaves out, the zone only."""
    airports = pd.read_csv(files.airports)
    zones = destination_zones(files)
    missing = pd.DataFrame({"faa": sorted(set(zones) - set(airports["faa"]))})
    airports = pd.concat([airports, missing], ignore_index=True)
    columns = pd.DataFrame(
        {
            "dest": airports["faa"],
            "dest_airport_name": airports["name"],
            "dest_latitude": airports["lat"].astype("float64"),
            "dest_longitude": airports["lon"].astype("float64"),
            "dest_altitude_feet": airports["alt"].astype("Int64"),
            "dest_time_zone": airports["faa"].map(zones),
        }
    )
    return source_table(columns, *_always(len(columns)))


def airlines_table(files: PackageFiles) -> pa.Table:
    """Return the name of each carrier."""
    airlines = pd.read_csv(files.airlines, keep_default_na=False)
    columns = airlines.rename(columns={"name": "carrier_name"})[["carrier", "carrier_name"]]
    return source_table(columns, *_always(len(columns)))


def _always(n: int) -> tuple["pd.Series[int]", int]:
    """Return the event time of facts that hold the whole year, and no lag: the start of 2013 at Greenwich."""
    return pd.Series(year_start(), index=range(n)), 0
