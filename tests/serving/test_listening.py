import os
from pathlib import Path

import pytest

from likewise.serving.errors import SettingsError
from likewise.serving.run import _ears, _listen, run
from likewise.serving.settings import ServingSettings


def test_a_worker_that_starts_makes_no_other_wait() -> None:
    """The port that workers share never waits in `accept`, also while another worker takes it up."""
    with _listen(ServingSettings(roles=("features",), port=0)) as listener:
        ears = _ears(listener)
        assert not os.get_blocking(listener.fileno())
        for ear in ears[1:]:
            ear.close()


def test_a_request_log_that_can_not_be_written_is_told_at_the_start(tmp_path: Path) -> None:
    """A request log where no folder can be made is an error that names it, before anything is served."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"request_log.*Not a directory.*file/log"):
        run(ServingSettings(repo=tmp_path, port=0, request_log=tmp_path / "file" / "log"))
