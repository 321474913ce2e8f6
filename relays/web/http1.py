"""One exchange of plain HTTP without its socket: bytes in, a request out; an answer in, bytes out.

A connection begins with a head. One that asks for a WebSocket is left to the websockets library;
every other is read by h11, with its body, and answered once: there is no second request.
"""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import h11

from relays.web.http_types import HttpRequest, HttpResponse, words

MOST_HEAD: Final = 16 * 1024
"""Bytes of a request's head."""
MOST_BODY: Final = 256 * 1024
"""Bytes of a request's body."""
_END: Final = b"\r\n\r\n"
_SERVER: Final = "nostr-client"


class Head:
    """The bytes of a connection until it is known what it will become."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def receive(self, data: bytes) -> bool:
        """Is it known now?"""
        searched = max(0, len(self._bytes) - len(_END))
        self._bytes += data
        known = self._bytes.find(_END, searched) >= 0 or len(self._bytes) > MOST_HEAD
        return known or not self.is_http

    def take(self) -> tuple[bytes, bytes]:
        """What came: the head, and what follows it."""
        head, end, rest = self._bytes.partition(_END)
        self._bytes.clear()
        return bytes(head + end), bytes(rest)

    @property
    def is_http(self) -> bool:
        """Can this be the beginning of a request?"""
        first, end, _ = self._bytes.partition(b"\r\n")
        return b" HTTP/1." in first or not end

    @property
    def wants_websocket(self) -> bool:
        """Does it ask for a WebSocket, in a way that may succeed?"""
        head = bytes(self._bytes[: MOST_HEAD + len(_END)])
        lines = head.partition(_END)[0].lower().split(b"\r\n")
        return head.startswith(b"GET ") and any(
            line.startswith(b"upgrade:") and b"websocket" in line for line in lines
        )


class Exchange:
    """A request that is no WebSocket's. `address` and `secure` go into the request."""

    def __init__(self, address: str, *, secure: bool) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
        self._address = address
        self._secure = secure
        self._asked: h11.Request | None = None
        self._body = bytearray()
        self._answered = False

    def receive(self, data: bytes) -> HttpRequest | HttpResponse | None:
        """The request, once it is whole; or the answer to one that cannot be read."""
        if self._answered:
            return None
        try:
            self._http.receive_data(data)
            if self._asked is None and data.find(_END) > MOST_HEAD:
                raise h11.RemoteProtocolError(
                    "a long head", HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                )
            return self._read()
        except h11.RemoteProtocolError as error:
            return words(HTTPStatus(error.error_status_hint), "This is no HTTP request.")

    def _read(self) -> HttpRequest | HttpResponse | None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    self._asked = event
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > MOST_BODY:
                        text = f"A body may have {MOST_BODY} bytes."
                        return words(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
                case h11.EndOfMessage() if self._asked is not None:
                    return self._request(self._asked)
                case _:
                    return None

    def _request(self, asked: h11.Request) -> HttpRequest:
        headers: dict[str, str] = {}
        for raw_name, raw_value in asked.headers:
            name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        path, _, query = asked.target.decode("latin-1").partition("?")
        return HttpRequest(
            method=asked.method.decode("ascii"),
            path=path,
            query=query,
            headers=headers,
            body=bytes(self._body),
            address=self._address,
            host=headers.get("host", ""),
            secure=self._secure,
        )

    def answer(self, response: HttpResponse) -> bytes:
        """The bytes of the one answer, after which the connection closes."""
        if self._answered:
            return b""
        self._answered = True
        own = [("Date", formatdate(usegmt=True)), ("Server", _SERVER), ("Connection", "close")]
        headers = [*own, *response.headers.items()]
        if response.media_type:
            headers.append(("Content-Type", response.media_type))
        headers.append(("Content-Length", str(len(response.body))))
        head = h11.Response(
            status_code=response.status.value,
            reason=response.status.phrase.encode(),
            headers=[(name.encode(), value.encode("latin-1")) for name, value in headers],
        )
        if self._http.our_state is not h11.SEND_RESPONSE and self._http.our_state is not h11.IDLE:
            return b""
        parts = [self._http.send(head)]
        if self._asked is None or self._asked.method != b"HEAD":
            parts.append(self._http.send(h11.Data(data=response.body)))
        parts.append(self._http.send(h11.EndOfMessage()))
        return b"".join(part for part in parts if part)
