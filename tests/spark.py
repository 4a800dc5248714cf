"""Spark where there is one: on one core of this machine, bound to loopback, without a web page."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator

import pytest

CONF = {
    "spark.master": "local[2]",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
OFFLINE = "likewise.stores.spark_files.SparkFilesOfflineStore"
ENGINE = "likewise.stores.spark_files.SparkFilesEngine"


def why_not() -> str:
    """Return why Spark cannot run here; nothing where it can."""
    if importlib.util.find_spec("pyspark") is None:
        return "pyspark is not installed (requirements-spark.lock)"
    if not (shutil.which("java") or os.environ.get("JAVA_HOME")):
        return "there is no Java: neither on the PATH nor at JAVA_HOME"
    return ""


needs_spark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "Spark is there")


@pytest.fixture(scope="module")
def spark_conf() -> Iterator[dict[str, str]]:
    """Return what a session needs; stop the one that the tests of this file left behind."""
    yield CONF
    from pyspark.sql import SparkSession  # absent on most machines

    session = SparkSession.getActiveSession()
    if session is not None:
        session.stop()
