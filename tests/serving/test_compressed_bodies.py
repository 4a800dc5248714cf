import gzip
import zlib

import pytest

from likewise.serving.compressed_bodies import opened
from likewise.serving.errors import BodyTooLargeError, UnsupportedEncodingError, WrongShapeError
from likewise.serving.statuses import status_of

BODY = b'{"inputs": []}' * 100


def test_a_body_comes_out_as_it_was() -> None:
    """gzip, deflate and no encoding, in any case of letters."""
    assert opened(gzip.compress(BODY), "GZip", 10_000) == BODY
    assert opened(zlib.compress(BODY), "deflate", 10_000) == BODY
    assert opened(BODY, None, 10_000) == opened(BODY, "identity", 10_000) == BODY


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    """A few bytes that would become 200 MB are refused at the limit; exactly the limit is taken."""
    with pytest.raises(BodyTooLargeError):
        opened(gzip.compress(bytes(200 * 2**20)), "gzip", 2**20)
    assert len(opened(gzip.compress(bytes(2**20)), "gzip", 2**20)) == 2**20


def test_what_is_not_what_it_says_is_refused() -> None:
    """Plain bytes, cut streams and other encodings are the caller's mistakes."""
    for body in (BODY, gzip.compress(BODY)[:-9], b""):
        with pytest.raises(WrongShapeError):
            opened(body, "gzip", 10_000)
    with pytest.raises(UnsupportedEncodingError) as caught:
        opened(BODY, "br", 10_000)
    assert status_of(caught.value) == 415
