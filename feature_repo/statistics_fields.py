"""The fields that every view of rolling or fresh statistics has, under its own prefix."""

from feast import Field
from feast.types import Float64, Int64

WINDOWS = {"1d": "day", "7d": "7 days", "28d": "28 days"}


def rolling_fields(prefix: str, whose: str) -> list[Field]:
    """Return five fields for each window, over what became known within it."""
    fields = []
    for window, length in WINDOWS.items():
        period = f"that became known in the last {length}, {whose}"
        fields += [
            Field(
                name=f"{prefix}_flights_{window}",
                dtype=Int64,
                description=f"Departures and cancellations {period}.",
            ),
            Field(
                name=f"{prefix}_dep_delay_mean_{window}",
                dtype=Float64,
                description=f"Mean delay in minutes of departures {period}; null without any.",
            ),
            Field(
                name=f"{prefix}_cancelled_share_{window}",
                dtype=Float64,
                description=f"Share of cancellations among departures and cancellations {period}; null without any.",
            ),
            Field(
                name=f"{prefix}_arr_delay_mean_{window}",
                dtype=Float64,
                description=f"Mean delay in minutes of arrivals {period}; null without any.",
            ),
            Field(
                name=f"{prefix}_late_share_{window}",
                dtype=Float64,
                description=f"Share of arrivals more than 15 minutes late {period}; null without any.",
            ),
        ]
    return fields


def fresh_fields(prefix: str, whose: str) -> list[Field]:
    """Return three fields for each of the last hours' windows, and the flights overdue."""
    fields = []
    for window, length in {"1h": "hour", "3h": "3 hours"}.items():
        fields += [
            Field(
                name=f"{prefix}_departures_{window}",
                dtype=Int64,
                description=f"Departures {whose} in the last {length}.",
            ),
            Field(
                name=f"{prefix}_dep_delay_mean_{window}",
                dtype=Float64,
                description=f"Mean delay in minutes of departures {whose} in the last {length}; null without any.",
            ),
            Field(
                name=f"{prefix}_delayed_share_{window}",
                dtype=Float64,
                description=f"Share of departures {whose} in the last {length} over 15 minutes late; null without any.",
            ),
        ]
    overdue = Field(
        name=f"{prefix}_overdue_flights",
        dtype=Int64,
        description=f"Flights {whose} that should have left and neither have nor are known to be cancelled.",
    )
    return [*fields, overdue]
