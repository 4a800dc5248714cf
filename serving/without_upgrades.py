"""HTTP connections on which a wish for another protocol is not heard, as RFC 9110 (7.8) lets a server do.

Java's HttpClient asks for h2c with every first request. The parser stops behind such a head, and uvicorn then drops
the body and takes what comes later for a new request.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class HttpWithoutUpgrades(HttpToolsProtocol):
    """uvicorn's protocol that answers requests as if they had no `Upgrade` header.

    A new parser is given their head without that header, then what came behind it. CONNECT, which has no body, stays
    uvicorn's, and so do WebSockets if there are any.
    """

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade:
            self._unsupported_upgrade_warning()
        except httptools.HttpParserError:
            message = "Invalid HTTP request received."
            self.logger.warning(message)
            self.send_400_response(message)

    def on_headers_complete(self) -> None:
        """Begin with a request, but not with one whose head is about to come again."""
        if not self._is_upgrade_ignored():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take note that a request is whole; without its body it is not."""
        if not self._is_upgrade_ignored():
            super().on_message_complete()

    def _is_upgrade_ignored(self) -> bool:
        """Whether the parser stops behind this head for an `Upgrade` that shall not be heard."""
        if not self.parser.should_upgrade():
            return False
        wanted = dict(self.headers).get(b"upgrade")
        return wanted is not None and not (wanted.lower() == b"websocket" and self._should_upgrade_to_ws())

    def _feed(self, data: bytes | memoryview) -> None:
        while True:  # a packet may hold thousands of them: nothing here recurses, or copies what is left
            try:
                self.parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as stop:
                if not self._is_upgrade_ignored():
                    raise
                data = memoryview(data)[stop.args[0] :]
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)  # the old one may hold this request for the last one
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self.parser.feed_data(head)

    def _head_without_upgrade(self) -> bytes:
        asked = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        return b"".join([b"%b %b HTTP/%b\r\n" % asked, *lines, b"\r\n"])
