"""Keeps our metrics' values inside the process."""

from prometheus_client import values


def keep_values_in_process() -> None:
    """Have prometheus_client keep values as plain numbers.

    Feast 0.67 sets PROMETHEUS_MULTIPROC_DIR when it is imported; if prometheus_client comes later, values go to files
    by metric name, shared by every registry of the process and slower. Our workers add up by themselves.
    """
    values.ValueClass = values.MutexValue
