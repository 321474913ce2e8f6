"""Sockets: bytes to messages, frames to bytes, and every way in which a connection ends.

The websockets library reads and answers the protocol (its sans-I/O core), so that a burst of
messages is read, done and answered in one go. One tick a second looks at all connections, instead
of a timer for each: handshakes and messages that never end, clients that do not read, silent ones
that may be gone.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, cast

from websockets.exceptions import InvalidMessage
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import CONNECTING, OPEN
from websockets.server import ServerProtocol

from relays.relay import POLICY, TRY_AGAIN_LATER, Client, Relay
from relays.web.pages import refusal

HANDSHAKE_LIMIT: Final = 10.0
MESSAGE_LIMIT: Final = 60.0
"""Seconds that one message may take to arrive."""
READING_LIMIT: Final = 30.0
"""Seconds in which a client must take something of what waits for it ..."""
LEAST_TAKEN: Final = 64 * 1024
"""... and how many bytes."""
SILENCE: Final = 60.0
"""Seconds after which a silent client is asked whether it is there; twice that, and it is gone."""
LINGER: Final = 2.0
"""Seconds that a client has for its side of a closing connection."""
HIGH_WATER: Final = 256 * 1024
"""Unread bytes past which a client gets no further answers to queries."""
TOLD_AT_ONCE: Final = 10
"""Connections beyond an address's share that may wait to be told so."""
GOING_AWAY: Final = 1001
UNSUPPORTED_DATA: Final = 1003

_wire_log = logging.getLogger("relays.wire")
_wire_log.setLevel(logging.CRITICAL)

Respond = Callable[[Request], Response | None]
"""An answer to an HTTP request; None: let it become a WebSocket."""


def group_of(address: str) -> str:
    """Whose connections are counted together; empty for loopback, where proxies are."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return "" if ip.is_loopback else str(IPv6Network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return "" if ip.is_loopback else str(ip)


class Connection(asyncio.Protocol):
    """One socket of a client."""

    __slots__ = (
        "_choked_since",
        "_client",
        "_deadline",
        "_fragments",
        "_heard",
        "_partial",
        "_partial_since",
        "_pinged",
        "_refused",
        "_server",
        "_taken",
        "_transport",
        "_written",
        "_ws",
        "group",
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ws = ServerProtocol(max_size=server.relay.limits.message_bytes, logger=_wire_log)
        self._transport: asyncio.Transport
        self._client: Client | None = None
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
        self.group = ""

    # From the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(HIGH_WATER)
        self.group = group_of(self._address())
        self._server.add(self)
        # Nobody reads an answer that comes before the question: to say why needs a handshake.
        self._refused = self._server.over_share(self.group) > 0
        too_many = len(self._server.connections) > self._server.relay.limits.connections
        if too_many or self._server.over_share(self.group) > TOLD_AT_ONCE:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.remove(self)
        self._server.partial_bytes -= self._partial
        if self._client is not None:
            self._server.relay.disconnect(self._client)
        self._client = None

    def data_received(self, data: bytes) -> None:
        self._heard = self._server.now
        self._pinged = False
        self._ws.receive_data(data)
        events = self._ws.events_received()
        for event in events:
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Request):
                self._handshake(event)
        self._note_partial(len(data), bool(events))
        if self._ws.writes:
            if isinstance(self._ws.handshake_exc, InvalidMessage):  # the library has no answer
                words = "Ask with GET, and without a body."
                self._transport.write(refusal(HTTPStatus.BAD_REQUEST, words).serialize())
            self._send_protocol()
            if self._client is not None:
                self._server.relay.bound(self._client)  # pongs are not read either
        self._server.relay.flush()

    def eof_received(self) -> bool:
        self._ws.receive_eof()
        self._send_protocol()
        return False

    def pause_writing(self) -> None:
        self._choked_since = self._server.now
        self._taken = self._written - self.unread()
        if self._client is not None:
            self._server.relay.go_on(self._client, deaf=True)

    def resume_writing(self) -> None:
        self._choked_since = 0.0
        if self._client is not None:
            self._server.relay.go_on(self._client, deaf=False)

    # Messages

    def _address(self) -> str:
        peername = self._transport.get_extra_info("peername")
        return str(peername[0]) if peername else ""

    def _handshake(self, request: Request) -> None:
        if self._refused:
            words = "Too many connections are open from this address."
            response = refusal(HTTPStatus.TOO_MANY_REQUESTS, words)
        else:
            response = self._server.respond(request) or self._ws.accept(request)
        self._ws.send_response(response)
        if self._ws.state is OPEN:
            self._deadline = 0.0
            self._client = self._server.relay.connect(self, self._address())

    def _frame(self, frame: Frame) -> None:
        if self._client is None:
            return
        match frame.opcode:
            case Opcode.TEXT if frame.fin:
                self._server.relay.receive(self._client, bytes(frame.data))
            case Opcode.TEXT:
                self._fragments = bytearray(frame.data)
            case Opcode.CONT if self._fragments is not None:
                self._fragments += frame.data
                if frame.fin:
                    message = bytes(self._fragments)
                    self._fragments = None
                    self._server.relay.receive(self._client, message)
            case Opcode.BINARY:
                self.drop(UNSUPPORTED_DATA, "messages are text")

    def _note_partial(self, size: int, ended: bool) -> None:
        """Keep account of messages that have begun; what is counted is never too little."""
        if ended and self._fragments is None:
            partial = 0 if not self._ws.reader.buffer else size
        else:
            partial = self._partial + size
        if not partial:
            self._partial_since = 0.0
        elif ended or not self._partial_since:
            self._partial_since = self._server.now
        self._server.partial_bytes += partial - self._partial
        self._partial = partial
        if partial and self._server.partial_bytes > self._server.relay.limits.all_partial_bytes:
            self.drop(TRY_AGAIN_LATER, "the relay is short of memory")

    # What the relay asks of a socket

    def write(self, frames: bytes) -> None:
        """Send frames made by `relays.wire`."""
        if self._ws.state is OPEN:
            self._written += len(frames)
            self._transport.write(frames)

    def unread(self) -> int:
        """Bytes that have not left yet."""
        return self._transport.get_write_buffer_size()

    def stop_reading(self) -> None:
        """Leave what the client sends in its socket."""
        self._transport.pause_reading()

    def go_on_reading(self) -> None:
        """The opposite of `stop_reading`."""
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def drop(self, code: int, reason: str) -> None:
        """Say why in a close frame, and end."""
        if self._ws.state is OPEN:
            self._ws.fail(code, reason)
            self._send_protocol()
        elif self._ws.state is CONNECTING:
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
            self._server.relay.disconnect(self._client)
            self._client = None

    def _judge_reading(self, now: float) -> None:
        taken = self._written - self.unread()
        if taken - self._taken < LEAST_TAKEN:
            self.drop(POLICY, "too slow: what is sent is not read")
        self._taken, self._choked_since = taken, now

    def tick(self, now: float) -> None:
        """Look after this connection; called every second."""
        if self._deadline:
            if now > self._deadline:
                self._transport.abort()
        elif self._choked_since and now - self._choked_since > READING_LIMIT:
            self._judge_reading(now)
        elif self._partial_since and now - self._partial_since > MESSAGE_LIMIT:
            self.drop(POLICY, "too slow: a message did not end")
        elif now - self._heard > 2 * SILENCE:
            self.drop(GOING_AWAY, "no sign of life")
        elif now - self._heard > SILENCE and not self._pinged:
            self._pinged = True
            self._ws.send_ping(b"")
            self._send_protocol()


class Server:
    """The listening socket and its connections."""

    def __init__(self, relay: Relay, respond: Respond) -> None:
        self.relay = relay
        self.respond = respond
        self.connections: set[Connection] = set()
        self._groups: Counter[str] = Counter()
        self._empty = asyncio.Event()
        self._empty.set()
        self.partial_bytes = 0
        self.now = asyncio.get_running_loop().time()

    def add(self, connection: Connection) -> None:
        self.connections.add(connection)
        self._groups[connection.group] += 1
        self._empty.clear()

    def remove(self, connection: Connection) -> None:
        self.connections.discard(connection)
        self._groups[connection.group] -= 1
        if not self._groups[connection.group]:
            del self._groups[connection.group]
        if not self.connections:
            self._empty.set()

    def over_share(self, group: str) -> int:
        """How many connections more than its share `group` has; 0 or less: none."""
        limits = self.relay.limits
        share = min(limits.connections_of_address, max(1, limits.connections // 2))
        return self._groups[group] - share if group else 0

    async def tick(self) -> None:
        """Look after all connections until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1.0)
            self.now = loop.time()
            for connection in list(self.connections):
                connection.tick(self.now)
            self.relay.bound_all()

    async def close(self) -> None:
        """Tell every client that the relay goes away, and let each have `LINGER` to hear it."""
        for connection in list(self.connections):
            connection.drop(GOING_AWAY, "the relay is closing")
        try:
            async with asyncio.timeout(LINGER):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self.connections):
                connection.abort()


@asynccontextmanager
async def listen(relay: Relay, respond: Respond, listener: socket.socket) -> AsyncIterator[Server]:
    """Accept connections on the bound socket `listener` while the block runs.

    On leaving, no further connection is accepted, what was offered is stored and answered, and
    every client is told.
    """
    loop = asyncio.get_running_loop()
    server = Server(relay, respond)
    async with asyncio.TaskGroup() as group:
        ticking = group.create_task(server.tick())
        accepting = await loop.create_server(
            lambda: Connection(server), sock=listener, backlog=1024
        )
        try:
            yield server
        finally:
            accepting.close()
            for connection in list(server.connections):
                connection.stop_reading()
            await relay.drained()
            await server.close()
            ticking.cancel()
