import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

pytestmark = pytest.mark.prove

WRITER = """
import sys
import numpy as np
import pyarrow as pa
from feast.types import Float64, String
from tests.stores.packed_world import NOON, View, config_of, store_at

url, seed = sys.argv[1], int(sys.argv[2])
n, start = 60_000, np.datetime64(NOON.replace(tzinfo=None), "us")
rng = np.random.default_rng(1)
uid, hours = rng.integers(0, 20_000, n), rng.permutation(n)
table = pa.table({
    "uid": uid, **{f"x{at}": hours + at / 100 for at in range(20)}, "s": [str(hour) for hour in hours.tolist()],
    "event_timestamp": pa.array(start + hours.astype("timedelta64[m]"), pa.timestamp("us", tz="UTC")),
    "created": pa.array(np.full(n, start), pa.timestamp("us", tz="UTC")),
})
table = table.take(np.random.default_rng(seed).permutation(n))
view = View("killed", {**{f"x{at}": Float64 for at in range(20)}, "s": String}).feast()
print("writing", flush=True)
store_at().write_arrow(config_of(url), view, table.to_batches(max_chunksize=1000))
print("written", flush=True)
"""


def start(url: str, seed: int) -> "subprocess.Popen[str]":
    """Start a writer process and return once it begins to write."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", WRITER, url, str(seed)]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    return process


def test_a_killed_writer_run_again_ends_in_the_same_state(redis_url: str, raw: redis.Redis) -> None:
    """Killed with -9 at any point, twice, with rows in another order each time, then run through: the same data."""
    assert start(redis_url, 0).communicate()[0] == "written\n"
    expected = raw.execute_command("DEBUG", "DIGEST")
    raw.flushall()
    halfway = 0
    for seed in (1, 2):
        process = start(redis_url, seed)
        time.sleep(random.Random(seed).uniform(0.02, 0.15))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        halfway = raw.dbsize()
    assert start(redis_url, 3).communicate()[0] == "written\n"
    assert raw.execute_command("DEBUG", "DIGEST") == expected
    assert halfway <= raw.dbsize()
