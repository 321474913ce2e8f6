"""What the worker processes of a relay tell each other: a star of socket pairs, the parent between.

Frames go in order from each sender. Nobody waits for a reader: where one has `MOST` bytes unread,
nothing more is kept for it, and once it reads again it is told that it `Missed` something, and
looks at everything by itself. The other end of a pair that closes is gone, however it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import msgspec

MOST: Final = 4 * 2**20
"""Bytes that wait for one reader."""
PATIENCE: Final = 2.0
ALL: Final = 255
"""In place of a number: all workers but the sender."""
PARENT: Final = 254
_HEAD: Final = struct.Struct("!IB")
"""Bytes of the message, and whom it goes to; for its reader, whom it comes from."""
_LARGEST: Final = 64 * 2**20


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """One message."""


# Between workers


class Committed(_Message, frozen=True):
    """The store `store` has commits of the sender's up to `seq`."""

    store: str
    seq: int


class RecordsChanged(_Message, frozen=True):
    """The keeper's records are others than before."""


class Missed(_Message, frozen=True):
    """The reader was told less than there was to tell."""


class WorkerLeft(_Message, frozen=True):
    """From the parent: this worker has ended."""

    worker: int


class Spent(_Message, frozen=True):
    """What was taken from rates: (sub-relay, table, key, cost)."""

    amounts: list[tuple[str, str, str, float]]


class Counted(_Message, frozen=True):
    """How many connections these groups have at the sender, and all together; `whole`: others have
    none. `operators`: the addresses from which those who run the relay are connected there."""

    groups: dict[str, int]
    total: int
    operators: list[str]
    whole: bool = False


class CountsAsked(_Message, frozen=True):
    """Say `Counted`, whole, to the sender."""


class PassedOn(_Message, frozen=True):
    """An event that is not stored, for the subscribers of a sub-relay."""

    sub_relay: str
    json: bytes


class SampleAsked(_Message, frozen=True):
    """How is everybody? Answered with `SampleTold`, to the sender alone; with `health`, whether it
    can write, too."""

    question: int
    health: bool


class SampleTold(_Message, frozen=True):
    """How the sender is: a `HostSample`, encoded."""

    question: int
    sample: bytes


# Between a worker and the parent


class Start(_Message, frozen=True):
    """The first word to a worker: `settings` are a `WorkerSettings`, encoded."""

    number: int
    workers: int
    settings: bytes


class Ready(_Message, frozen=True):
    """From a worker: it answers."""


class StartFailed(_Message, frozen=True):
    """From a worker: it cannot start. `setting`: its configuration is to blame, not the store."""

    words: str
    setting: bool


class Beat(_Message, frozen=True):
    """From a worker, every second: its loop turns; nobody was there for `idle` seconds."""

    idle: float


class Present(_Message, frozen=True):
    """From the parent: so many workers are ready, the reader among them."""

    workers: int


class Reload(_Message, frozen=True):
    """From the parent: read the configuration again."""


class Stop(_Message, frozen=True):
    """From the parent: end, cleanly."""


Message = (
    Committed
    | RecordsChanged
    | Missed
    | WorkerLeft
    | Spent
    | Counted
    | CountsAsked
    | PassedOn
    | SampleAsked
    | SampleTold
    | Start
    | Ready
    | StartFailed
    | Beat
    | Present
    | Reload
    | Stop
)
M = TypeVar("M", bound=_Message)
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Message).decode


class Link(asyncio.Protocol):
    """One end of a pair. `hear` is called with each frame, its number and bytes; `ended` once."""

    def __init__(
        self, hear: Callable[[int, bytes], None], ended: Callable[[], None], *, tells: int
    ) -> None:
        """`tells`: to whom, or from whom, `Missed` goes when the other end has missed something."""
        self._hear = hear
        self._ended = ended
        self._tells = tells
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._missing = False
        self._lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=2**16, low=0)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        place = 0
        while len(self._buffer) - place >= _HEAD.size:
            size, number = _HEAD.unpack_from(self._buffer, place)
            if size > _LARGEST:  # no program of ours says that
                self.close()
                return
            if len(self._buffer) - place < _HEAD.size + size:
                break
            place += _HEAD.size
            body = bytes(self._buffer[place : place + size])
            place += size
            self._hear(number, body)
        del self._buffer[:place]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost.set()
        self._ended()

    def resume_writing(self) -> None:
        if self._missing:
            self._missing = False
            self.send(self._tells, _encode(Missed()))

    def send(self, number: int, body: bytes) -> None:
        """Hand a message over, if the other end reads."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._missing or transport.get_write_buffer_size() > MOST:
            self._missing = True
            return
        transport.write(_HEAD.pack(len(body), number) + body)

    def close(self) -> None:
        """End it; what was handed over still goes out."""
        if self._transport is not None:
            self._transport.close()

    async def closed(self) -> None:
        """Returns when it has ended."""
        await self._lost.wait()


async def open_link(
    pair: socket.socket,
    hear: Callable[[int, bytes], None],
    ended: Callable[[], None],
    *,
    tells: int,
) -> Link:
    """The link over one socket of a pair, which it closes in the end."""
    pair.setblocking(False)
    _, link = await asyncio.get_running_loop().create_connection(
        lambda: Link(hear, ended, tells=tells), sock=pair
    )
    return link


class Hub:
    """The parent's part: what goes to one goes to him, what goes to all to all but the sender.

    `hear` is told what goes to the parent: from whom, and what.
    """

    def __init__(self, hear: Callable[[int, Message], None]) -> None:
        self._hear = hear
        self._links: dict[int, Link] = {}

    async def add(self, number: int, pair: socket.socket, ended: Callable[[], None]) -> None:
        """The worker `number` is at the other end of `pair`; `ended` is called when it is not."""

        def over() -> None:
            if self._links.get(number) is link:
                del self._links[number]
                self.tell_all(WorkerLeft(number))
            ended()

        link = await open_link(pair, lambda to, body: self._pass(number, to, body), over, tells=ALL)
        self._links[number] = link

    def _pass(self, sender: int, to: int, body: bytes) -> None:
        if to == PARENT:
            self._hear(sender, _decode(body))
            return
        for number, link in list(self._links.items()):
            if number == to or (to == ALL and number != sender):
                link.send(sender, body)

    def tell(self, number: int, message: Message) -> None:
        """A word of the parent's."""
        if (link := self._links.get(number)) is not None:
            link.send(PARENT, _encode(message))

    def tell_all(self, message: Message) -> None:
        """The same to all."""
        for number in list(self._links):
            self.tell(number, message)

    def close(self, number: int) -> None:
        """Have nothing to do with this worker any more."""
        if (link := self._links.get(number)) is not None:
            link.close()


class Bus:
    """A worker's part: `tell` the others, `on` what they tell."""

    def __init__(self) -> None:
        self._link: Link | None = None
        self._hearers: dict[type[_Message], list[Callable[[int, Any], None]]] = {}
        self.ended = asyncio.Event()
        """The parent is gone, or has nothing more to say."""

    async def open(self, pair: socket.socket) -> None:
        """From now on hear what is told at one socket of a pair."""
        self._link = await open_link(pair, self._heard, self.ended.set, tells=ALL)

    def on(self, kind: type[M], hear: Callable[[int, M], None]) -> None:
        """Call `hear` with each message of this kind, and its sender's number."""
        self._hearers.setdefault(kind, []).append(hear)

    def tell(self, message: Message, to: int = ALL) -> None:
        """Say it to the others, or to one of them; nobody is waited for."""
        if self._link is not None:
            self._link.send(to, _encode(message))

    async def close(self) -> None:
        """Leave, once what was said has gone out: in `PATIENCE` seconds."""
        if self._link is not None:
            self._link.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._link.closed()

    def _heard(self, sender: int, body: bytes) -> None:
        message = _decode(body)
        for hear in self._hearers.get(type(message), ()):
            hear(sender, message)
