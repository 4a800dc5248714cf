import os

from likewise.serving.run import _ears, _listen
from likewise.serving.settings import ServingSettings


def test_a_worker_that_starts_makes_no_other_wait() -> None:
    """The port that workers share never waits in `accept`, also while another worker takes it up."""
    with _listen(ServingSettings(roles=("features",), port=0)) as listener:
        ears = _ears(listener)
        assert not os.get_blocking(listener.fileno())
        for ear in ears[1:]:
            ear.close()
