"""One WebSocket, read in bulk.

`websockets` does the protocol. Its own `recv` hands over one message at a time, at a cost that a
client reading tens of thousands of events a second cannot pay; `WebSocket` collects whatever the
socket brought and hands over the lot. When nobody takes them, it stops reading from the socket.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import Any, Final, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    ProtocolError,
)
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import Event

from nostr_client.errors import ConnectFailed, ConnectStep
from nostr_client.net.dial import DialOptions, host_and_port, open_socket
from nostr_client.net.large_frames import BEGINNING, LARGE_FRAME, FrameReader, LeftOut, Skipped
from nostr_client.version import __version__

MAX_FRAME: Final = 8 * 1024 * 1024
"""Bytes in one message, where it is wanted in particular (`large_frames`)."""
MAX_SKIPPED: Final = 64 * 1024 * 1024
"""Bytes of a message that is thrown away; a relay that sends a longer one is hung up on."""
MAX_FRAGMENTS: Final = 1024
HANDSHAKE_LIMIT: Final = 10.0
"""Seconds for TLS and the WebSocket handshake."""
CLOSE_LIMIT: Final = 1.0
"""Seconds for the closing handshake."""
WAITING_MESSAGES: Final = 1024
WAITING_BYTES: Final = 4 * 1024 * 1024
"""Reading stops while more than this waits to be taken."""
MAX_UNREAD: Final = 4 * 1024 * 1024
"""Bytes of our answers to pings and the like that a relay may leave unread."""
USER_AGENT: Final = f"nostr-client/{__version__}"


class SocketClosed(Exception):
    """A socket is, or has to be, closed. `ours`: we wanted that, the relay is not to blame."""

    def __init__(self, reason: str, *, ours: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.ours = ours


class WebSocket(ClientConnection):
    """A connection whose messages are taken all at once. Made by `open_websocket`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Before the first frame: the parser asks its reader anew for each.
        self.protocol.reader.__class__ = FrameReader
        self._reader = cast(FrameReader, self.protocol.reader)
        self._messages: list[bytes] = []
        self._size = 0
        self._fragments: list[bytes] = []
        self._fragments_size = 0
        self._fragments_skipped = self._fragments_wanted = False
        self._news = False
        self._taker: asyncio.Future[None] | None = None
        self._gone = False
        self.lost_by: Exception | None = None
        self.holding = False
        """Does nobody take what came, so that the socket is not read?"""
        self.heard_at = monotonic()
        """When the last whole message, ping or pong came."""

    def bound(self, max_frame: int) -> None:
        """Keep at most so many bytes of a message, and `LARGE_FRAME` of most.

        What is compressed comes whole: of a part nothing could be read, nor of what follows it.
        """
        self._reader.most = max_frame
        self._reader.large = max_frame if self.protocol.extensions else min(LARGE_FRAME, max_frame)

    def keep_large(self, keeps: Callable[[bytes], bool]) -> None:
        """`keeps` says by its beginning whether a message of more than `LARGE_FRAME` is wanted."""
        self._reader.keeps = keeps

    async def take(self) -> list[bytes]:
        """Every message that came since the last call, at least one.

        Raises Gone when the last was taken and no more can come.
        """
        while not self._messages:
            if self._gone:
                raise SocketClosed(closing_words(self))
            self._taker = self.loop.create_future()
            try:
                await self._taker
            finally:
                self._taker = None
        messages, self._messages, self._size = self._messages, [], 0
        if self.holding:
            self.holding = False
            self.transport.resume_reading()
        return messages

    async def send_all(self, messages: Iterable[bytes]) -> None:
        """Send text messages with one write: one call of the system, one wait, whatever they are.

        Raises ConnectionClosed.
        """
        async with self.send_context():
            for message in messages:
                self.protocol.send_text(message)
            self.transport.write(b"".join(self.protocol.data_to_send()))

    async def end(self) -> None:
        """Close politely, and within `2 * CLOSE_LIMIT` in any case: `close` alone would wait for
        a peer who does not read. Still closes when it is cancelled."""
        try:
            async with asyncio.timeout(2 * CLOSE_LIMIT):
                await self.close()
        except TimeoutError:
            self.transport.abort()
            await self.wait_closed()
        except asyncio.CancelledError:
            self.transport.abort()
            raise

    def data_received(self, data: bytes) -> None:
        """Bytes from the socket: some messages, or a part of one."""
        super().data_received(data)
        if self._news:
            self._news = False
            self.heard_at = monotonic()
            if self._messages:
                self._wake()
            full = len(self._messages) > WAITING_MESSAGES or self._size > WAITING_BYTES
            if full and not self.holding:
                self.holding = True
                self.transport.pause_reading()

    def process_event(self, event: Event) -> None:
        """What `websockets` parsed from the socket."""
        if self.response is None or not isinstance(event, Frame):
            super().process_event(event)
            return
        self._news = True
        opcode = event.opcode
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY or opcode is Opcode.CONT:
            data = LeftOut(event.data) if type(event.data) is Skipped else bytes(event.data)
            if event.fin and not self._fragments:
                self._messages.append(data)
                self._size += len(data)
            else:
                self._put_fragment(data, event.fin)
        elif opcode is Opcode.PONG:
            self.acknowledge_pings(bytes(event.data))
        elif self.transport.get_write_buffer_size() > MAX_UNREAD:
            self.transport.abort()  # it sends pings and does not read the pongs

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gone = True
        self.lost_by = exc
        self._wake()

    def _put_fragment(self, data: bytes, final: bool) -> None:
        self._fragments.append(data)
        self._fragments_size += len(data)
        if type(data) is LeftOut or (
            self._fragments_size > self._reader.large and not self._fragments_kept()
        ):
            self._fragments_skipped = True
            self._fragments = [b"".join(self._fragments)[:BEGINNING]]
        if len(self._fragments) > MAX_FRAGMENTS:
            self._fragments.clear()
            self.protocol.fail(CloseCode.POLICY_VIOLATION, "too many fragments")
            self.send_data()
        elif final:
            whole = b"".join(self._fragments)
            self._messages.append(LeftOut(whole) if self._fragments_skipped else whole)
            self._size += len(whole)
            self._fragments.clear()
            self._fragments_size = 0
            self._fragments_skipped = self._fragments_wanted = False

    def _fragments_kept(self) -> bool:
        if self._fragments_skipped or self._fragments_size > self._reader.most:
            return False
        if not self._fragments_wanted:  # asked once: a peer may send many pieces
            self._fragments_wanted = self._reader.keeps(b"".join(self._fragments)[:BEGINNING])
        return self._fragments_wanted

    def _wake(self) -> None:
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)


class _Connect(connect):
    """A relay that redirects is not followed: the place it names was not checked."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_websocket(
    url: str,
    dial: DialOptions,
    *,
    compression: bool = False,
    max_frame: int = MAX_FRAME,
    headers: Mapping[str, str] | None = None,
) -> tuple[WebSocket, float]:
    """An open WebSocket to a relay, and the seconds of its handshake.

    `headers` go with the handshake. Raises ConnectFailed, whose words for a time limit say which.
    `max_frame` is the most of a message that is kept; a longer one comes as its beginning
    (`LeftOut`).
    """
    host, port, secure = host_and_port(url)
    sock = await open_socket(url, host, port, dial)
    began = monotonic()
    options: dict[str, Any] = {"ssl": dial.tls or True} if secure else {}
    try:
        socket = await _Connect(
            url,
            sock=sock,
            proxy=None,
            compression="deflate" if compression else None,
            user_agent_header=USER_AGENT,
            additional_headers=headers,
            open_timeout=HANDSHAKE_LIMIT,
            ping_interval=None,
            close_timeout=CLOSE_LIMIT,
            max_size=max_frame if compression else MAX_SKIPPED,
            create_connection=WebSocket,
            **options,
        )
    except BaseException as error:
        sock.close()
        failed = _handshake_error(url, error)
        if failed is None:
            raise
        raise failed from error
    opened = cast(WebSocket, socket)
    opened.bound(max_frame)
    return opened, monotonic() - began


def _handshake_error(url: str, error: BaseException) -> ConnectFailed | None:
    """What `error` was in the handshake; None where it is no failure of the relay's."""
    step, status = ConnectStep.WEBSOCKET, None
    match error:
        case TimeoutError():
            words = f"no handshake within {HANDSHAKE_LIMIT:g} s"
        case ssl.SSLError():
            step = ConnectStep.TLS
            words = str(getattr(error, "verify_message", "") or error.reason or error)
        case InvalidStatus():
            step, status = ConnectStep.HTTP, error.response.status_code
            words = f"status {status}"
        case InvalidHandshake() | ProtocolError() | ConnectionClosed() | EOFError():
            words = str(error) or "closed during the handshake"
        case OSError():
            words = (error.strerror or str(error)).lower()
        case _:
            return None
    return ConnectFailed(url, words, step, status)


def closing_words(socket: WebSocket) -> str:
    """Why a connection ended, in one line: the relay's close code and reason, or ours."""
    sent, received = socket.protocol.close_sent, socket.protocol.close_rcvd
    if received is not None:
        return f"closed by the relay: {received.code} {received.reason}".rstrip()
    if sent is not None and sent.code != CloseCode.ABNORMAL_CLOSURE:
        return f"closed by us: {sent.code} {sent.reason}".rstrip()
    return f"connection lost: {socket.lost_by}" if socket.lost_by else "connection lost"
