"""An object store on loopback that speaks as much of S3 as pyarrow needs: objects, ranges, listings, uploads in parts.

It stands for any S3-compatible service; what is tested is our side of the wire.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

WHEN = ("Sat, 01 Jan 2022 00:00:00 GMT", "2022-01-01T00:00:00.000Z")


@dataclass
class ObjectStore:
    """What is stored, by `bucket/key`, and how many bytes of it were sent."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    sent: int = 0

    def list(self, bucket: str, prefix: str, delimiter: str) -> str:
        """Return the answer to a listing."""
        start, keys, folders = f"{bucket}/", [], set()
        for name in sorted(self.objects):
            key = name.removeprefix(start)
            if not name.startswith(start) or not key.startswith(prefix):
                continue
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter, 1)[0] + delimiter)
            else:
                keys.append(key)
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{WHEN[1]}</LastModified><ETag>&quot;e&quot;</ETag>"
            f"<Size>{len(self.objects[start + key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in keys
        )
        common = "".join(f"<CommonPrefixes><Prefix>{escape(one)}</Prefix></CommonPrefixes>" for one in sorted(folders))
        found = len(keys) + len(folders)
        return (
            f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{found}</KeyCount>"
            f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>"
        )


def _unchunked(stream: BinaryIO) -> bytes:
    """Return the pieces of a body, each after a line with its size, and read the trailer away."""
    pieces = []
    while size := int(stream.readline().split(b";")[0], 16):
        pieces.append(stream.read(size))
        stream.readline()
    while stream.readline().strip():
        pass
    return b"".join(pieces)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: ObjectStore

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _asked(self) -> tuple[str, dict[str, str]]:
        split = urlsplit(self.path)
        query = {name: found[0] for name, found in parse_qs(split.query, keep_blank_values=True).items()}
        name = unquote(split.path).lstrip("/")
        # The name of a folder ends in a slash, that of a bucket may.
        return name if "/" in name.rstrip("/") else name.rstrip("/"), query

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = _unchunked(self.rfile)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "aws-chunked" in (self.headers.get("Content-Encoding") or ""):
            body = _unchunked(BytesIO(body))
        return body

    def _answer(self, status: int, body: bytes | str = b"", **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(content)))
        for name, value in {"ETag": '"e"', "Last_Modified": WHEN[0], **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.store.sent += len(content)
            self.wfile.write(content)

    def do_HEAD(self) -> None:
        name, _ = self._asked()
        if "/" not in name:
            self._answer(200)
        elif name in self.store.objects:
            self._answer(200, Content_Length=str(len(self.store.objects[name])))
        else:
            self._answer(404)

    def do_GET(self) -> None:
        name, query = self._asked()
        if "list-type" in query:
            self._answer(200, self.store.list(name, query.get("prefix", ""), query.get("delimiter", "")))
        elif name not in self.store.objects:
            self._answer(404, "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")
        else:
            data, wanted = self.store.objects[name], self.headers.get("Range")
            if wanted is None:
                self._answer(200, data)
                return
            first, last = wanted.removeprefix("bytes=").split("-")
            stop = min(int(last or len(data)), len(data) - 1)
            self._answer(206, data[int(first) : stop + 1], Content_Range=f"bytes {first}-{stop}/{len(data)}")

    def do_PUT(self) -> None:
        name, query = self._asked()
        body, copied = self._body(), self.headers.get("x-amz-copy-source")
        if "partNumber" in query:
            self.store.parts[query["uploadId"]][int(query["partNumber"])] = body
        elif copied:
            self.store.objects[name] = self.store.objects[unquote(copied).strip("/")]
            self._answer(200, f"<CopyObjectResult><LastModified>{WHEN[1]}</LastModified></CopyObjectResult>")
            return
        elif "/" in name:
            self.store.objects[name] = body
        self._answer(200)

    def do_POST(self) -> None:
        name, query = self._asked()
        body = self._body()
        if "uploads" in query:
            upload = f"upload{len(self.store.parts)}"
            self.store.parts[upload] = {}
            self._answer(
                200, f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            )
        elif "delete" in query:
            for key in ET.fromstring(body).iter():
                if key.tag.endswith("Key"):
                    self.store.objects.pop(f"{name}/{key.text}", None)
            self._answer(200, "<DeleteResult></DeleteResult>")
        else:
            parts = self.store.parts.pop(query["uploadId"])
            self.store.objects[name] = b"".join(parts[number] for number in sorted(parts))
            self._answer(200, "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")

    def do_DELETE(self) -> None:
        name, query = self._asked()
        if "uploadId" in query:
            self.store.parts.pop(query["uploadId"], None)
        else:
            self.store.objects.pop(name, None)
        self._answer(204)


@contextmanager
def serve_objects() -> Iterator[ObjectStore]:
    """Serve an empty store on a free port of loopback while the block runs."""
    store = ObjectStore()
    handler = type("Handler", (_Handler,), {"store": store})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        store.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield store
        server.shutdown()
        thread.join()
