"""One socket of a client: bytes to messages, frames to bytes, and every way in which it ends.

The websockets library reads and answers the protocol (its sans-I/O core), so that a burst of
messages is read, done and answered in one go; h11 does so for plain HTTP on the same port.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Final, cast

import msgspec
from websockets.exceptions import InvalidMessage
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol

from relays.engine.backpressure import POLICY, TRY_AGAIN_LATER, close_if_slow
from relays.engine.client import HIGH_WATER, ConnectedClient
from relays.networks import network_of
from relays.server.connections import GOING_AWAY, LINGER, RelayServer
from relays.server.deflate import INFLATER, OFFERS, deflate
from relays.web.http1 import Exchange, Head
from relays.web.http_types import HttpRequest, HttpResponse, words
from relays.web.pages import nothing_here

HANDSHAKE_LIMIT: Final = 10.0
MESSAGE_LIMIT: Final = 60.0
"""Seconds that one message may take to arrive."""
READING_LIMIT: Final = 30.0
"""Seconds in which a client must take something of what waits for it ..."""
LEAST_TAKEN: Final = 64 * 1024
"""... and how many bytes."""
SILENCE: Final = 60.0
"""Seconds after which a silent client is asked whether it is there; twice that, and it is gone."""
ANSWER_LIMIT: Final = 30.0
"""Seconds that the answer to a plain HTTP request may take."""
TOLD_AT_ONCE: Final = 10
"""Connections beyond an address's share that may wait to be told so."""
UNSUPPORTED_DATA: Final = 1003

_log = logging.getLogger(__name__)
_wire_log = logging.getLogger("relays.engine.frames")
_wire_log.setLevel(logging.CRITICAL)


class Connection(asyncio.Protocol):
    """One socket of a client."""

    __slots__ = (
        "_choked_since",
        "_client",
        "_deadline",
        "_deflate",
        "_exchange",
        "_fragments",
        "_head",
        "_heard",
        "_partial",
        "_partial_since",
        "_pinged",
        "_refused",
        "_relay",
        "_server",
        "_taken",
        "_transport",
        "_written",
        "_ws",
        "address",
        "group",
    )

    def __init__(self, server: RelayServer) -> None:
        self._server = server
        self._relay = server.relay
        limits = server.relay.limits
        self._ws = ServerProtocol(
            extensions=OFFERS if limits.compression else None,
            max_size=limits.message_bytes,
            logger=_wire_log,
        )
        self._deflate: PerMessageDeflate | None = None
        self._transport: asyncio.Transport
        self._head: Head | None = Head()
        self._exchange: Exchange | None = None
        self._client: ConnectedClient | None = None
        self._fragments: bytearray | None = None
        self._heard = server.now
        self._pinged = False
        self._partial = 0
        self._partial_since = 0.0
        self._choked_since = 0.0
        self._written = 0
        self._taken = 0
        self._deadline = server.now + HANDSHAKE_LIMIT
        self._refused = False
        self.address = ""
        """The client's, as far as it is known."""
        self.group = ""

    # From the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self.address = self._peer()
        if self._server.gate.counts(self.address):
            self.group = network_of(self.address)
        self._server.add(self)
        # Nobody reads an answer that comes before the question: to say why needs a handshake.
        self._refused = self._server.over_share(self.group) > 0
        if self._server.is_full or self._server.over_share(self.group) > TOLD_AT_ONCE:
            self._server.relay.rules.metrics.refused_connections += 1
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.remove(self)
        self._server.partial_bytes -= self._partial
        if self._client is not None:
            self._relay.disconnect(self._client)
        self._client = None

    def data_received(self, data: bytes) -> None:
        self._heard = self._server.now
        self._pinged = False
        if self._head is not None:
            data = self._begin(self._head, data)
        if self._exchange is not None:
            self._plain(self._exchange, data)
        elif data:
            self._frames(data)

    def _begin(self, head: Head, data: bytes) -> bytes:
        """The first bytes; returns what is left to be read, once it is known what they begin."""
        if not head.receive(data):
            self._note_partial(len(data), ended=False)
            return b""
        self._note_partial(0, ended=True)
        self._head = None
        if not head.is_http:
            self._refuse(words(HTTPStatus.BAD_REQUEST, "This is no HTTP request."))
            return b""
        is_plain = not head.wants_websocket
        data, early = head.take()
        if is_plain:
            self._exchange = Exchange(self._peer(), secure=self._is_secure())
            return data + early
        self._frames(data)  # no frame is looked at before the handshake has its answer
        return early if self._ws.state is OPEN else b""

    def _frames(self, data: bytes) -> None:
        """A piece of what a WebSocket's client sends, its handshake included."""
        self._ws.receive_data(data)
        events = self._ws.events_received()
        for event in events:
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._handshake(event)
        self._note_partial(len(data), ended=bool(events))
        if self._ws.writes:
            if isinstance(self._ws.handshake_exc, InvalidMessage):  # the library has no answer
                self._refuse(words(HTTPStatus.BAD_REQUEST, "This is no WebSocket handshake."))
            self._send_protocol()
            if self._client is not None:
                close_if_slow(self._client, self._relay.limits)  # pongs are not read either
        self._relay.flush()

    def eof_received(self) -> bool:
        if self._head is not None or self._exchange is not None:
            return self._exchange is not None  # its answer may be on its way
        self._ws.receive_eof()
        self._send_protocol()
        return False

    def pause_writing(self) -> None:
        self._choked_since = self._server.now
        self._taken = self._written - self.unsent()
        if self._client is not None:
            self._relay.pause_writing(self._client)

    def resume_writing(self) -> None:
        self._choked_since = 0.0
        if self._client is not None:
            self._relay.resume_writing(self._client)

    # Messages

    def _peer(self) -> str:
        peername = self._transport.get_extra_info("peername")
        return str(peername[0]) if peername else ""

    def _is_secure(self) -> bool:
        return self._transport.get_extra_info("ssl_object") is not None

    def _handshake(self, request: Request) -> None:
        asked = _as_http(request, self._peer(), secure=self._is_secure())
        relay = self._server.relays.get(asked.path)
        refused = self._settle_origin(asked) or self._server.site.admits(asked)
        if refused is not None or relay is None:  # a path that a new configuration has brought
            self._refuse(refused or nothing_here())
            return
        self._ws.send_response(self._ws.accept(request))
        if self._ws.state is OPEN:
            if self._ws.extensions:
                self._deflate = cast(PerMessageDeflate, self._ws.extensions[0])
                vars(self._deflate).pop("encoder", None)  # ours is `deflate`; it holds 260 kB
            self._deadline = 0.0
            self._relay = relay
            self._client = self._relay.connect(self, self.address)

    def _settle_origin(self, request: HttpRequest) -> HttpResponse | None:
        """Now it is known who asks: why he is not answered, if he is not."""
        gate = self._server.gate
        if (refused := gate.refusal(request)) is not None:
            return refused
        self._server.admit(self)
        self.address = gate.origin(request).address
        if not self.group and (group := network_of(self.address)):
            self._server.regroup(self, group)
            self._refused = self._server.over_share(group) > 0
        if self._refused:
            text = "Too many connections are open from this address."
            return words(HTTPStatus.TOO_MANY_REQUESTS, text)
        if reason := gate.banned(self.address):
            return words(HTTPStatus.FORBIDDEN, reason)
        return None

    def _plain(self, exchange: Exchange, data: bytes) -> None:
        """A piece of a request that is no WebSocket's."""
        self._note_partial(len(data), ended=False)
        asked = exchange.receive(data)
        if isinstance(asked, HttpRequest):
            origin = self._server.gate.origin(asked)
            asked = msgspec.structs.replace(asked, address=origin.address, secure=origin.secure)
            refused = self._settle_origin(asked)
            if refused is None:
                self._deadline = self._server.now + ANSWER_LIMIT + LINGER
                self._transport.pause_reading()
                self._server.start(self._answer(exchange, asked))
                return
            asked = refused
        if isinstance(asked, HttpResponse):
            self._finish(exchange, asked)

    async def _answer(self, exchange: Exchange, request: HttpRequest) -> None:
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                response = await self._server.site.answer(request)
        except Exception:  # noqa: BLE001 - whatever is wrong with one page, the relay goes on
            _log.exception("a request could not be answered")
            response = words(HTTPStatus.INTERNAL_SERVER_ERROR, "Something is wrong here.")
        self._finish(exchange, response)

    def _finish(self, exchange: Exchange, response: HttpResponse) -> None:
        """Send the one answer of plain HTTP, and close."""
        if not self._transport.is_closing():
            self._transport.write(exchange.answer(response))
            self._deadline = self._server.now + READING_LIMIT
            self._transport.close()

    def _refuse(self, response: HttpResponse) -> None:
        """Answer a handshake that does not become a WebSocket."""
        self._server.relay.rules.metrics.refused_connections += 1
        why = response.status.phrase
        _log.info("a connection was refused: %s", why, extra={"address": self.address})
        self._finish(Exchange(self.address, secure=False), response)

    def _frame(self, frame: Frame) -> None:
        if self._client is None:
            return
        match frame.opcode:
            case Opcode.TEXT if frame.fin:
                self._relay.receive(self._client, bytes(frame.data))
            case Opcode.TEXT:
                self._fragments = bytearray(frame.data)
            case Opcode.CONT if self._fragments is not None:
                self._fragments += frame.data
                if frame.fin:
                    message = bytes(self._fragments)
                    self._fragments = None
                    self._relay.receive(self._client, message)
            case Opcode.BINARY:
                self.close(UNSUPPORTED_DATA, "messages are text")

    def _note_partial(self, size: int, *, ended: bool) -> None:
        """Keep account of messages that have begun; what is counted is never too little."""
        if ended and self._fragments is None:
            partial = 0 if not self._ws.reader.buffer else size
        else:
            partial = self._partial + size
        if self._deflate is not None and self._fragments is not None:
            partial = max(partial, len(self._fragments) + INFLATER)  # of few bytes on the wire
        if not partial:
            self._partial_since = 0.0
        elif ended or not self._partial_since:
            self._partial_since = self._server.now
        self._server.partial_bytes += partial - self._partial
        self._partial = partial
        if partial and self._server.partial_bytes > self._server.relay.limits.all_partial_bytes:
            if self._exchange is not None:
                self._transport.abort()
            self.close(TRY_AGAIN_LATER, "the relay is short of memory")

    # What the relay asks of a socket

    def write(self, frames: bytes) -> None:
        """Send frames made by `relays.engine.frames`."""
        if self._ws.state is OPEN:
            if self._deflate is not None:
                frames = deflate(frames, self._deflate)
            self._written += len(frames)
            self._transport.write(frames)

    def unsent(self) -> int:
        """Bytes that have not left yet."""
        return self._transport.get_write_buffer_size()

    def pause_reading(self) -> None:
        """Leave what the client sends in its socket."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """The opposite of `pause_reading`."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self, code: int, reason: str) -> None:
        """Say why in a close frame, and end."""
        if self._ws.state is OPEN:
            if code != GOING_AWAY:
                _log.info("a client was closed: %s", reason, extra={"address": self.address})
            self._ws.fail(code, reason)
            self._send_protocol()
        elif self._ws.state is CONNECTING and self._exchange is None:
            self._transport.abort()

    def abort(self) -> None:
        """End without a word."""
        self._transport.abort()

    def _send_protocol(self) -> None:
        """Send pongs, close frames and handshakes; the empty piece means: no more to come."""
        for piece in self._ws.data_to_send():
            if piece:
                self._transport.write(piece)
                continue
            self._deadline = self._server.now + LINGER
            self._leave()
            if not self._transport.is_closing() and self._transport.can_write_eof():
                self._transport.resume_reading()  # so that the client's end is seen
                self._transport.write_eof()

    def _leave(self) -> None:
        if self._client is not None:
            self._relay.disconnect(self._client)
            self._client = None

    def _judge_reading(self, now: float) -> None:
        taken = self._written - self.unsent()
        if taken - self._taken < LEAST_TAKEN:
            self.close(POLICY, "too slow: what is sent is not read")
        self._taken, self._choked_since = taken, now

    def tick(self, now: float) -> None:
        """Look after this connection; called every second."""
        if self._deadline:
            if now > self._deadline:
                self._transport.abort()
        elif self._choked_since and now - self._choked_since > READING_LIMIT:
            self._judge_reading(now)
        elif self._partial_since and now - self._partial_since > MESSAGE_LIMIT:
            self.close(POLICY, "too slow: a message did not end")
        elif now - self._heard > SILENCE and not self._pinged:
            self._pinged = True
            self._ws.send_ping(b"")
            self._send_protocol()
        elif now - self._heard > 2 * SILENCE:  # and it was asked, even if we slept meanwhile
            self.close(GOING_AWAY, "no sign of life")


def _as_http(request: Request, address: str, *, secure: bool) -> HttpRequest:
    """A handshake, as those see it who answer plain HTTP."""
    headers = {name.lower(): ", ".join(request.headers.get_all(name)) for name in request.headers}
    path, _, query = request.path.partition("?")
    return HttpRequest(
        method=request.method,
        path=path,
        query=query,
        headers=headers,
        address=address,
        host=headers.get("host", ""),
        secure=secure,
    )
