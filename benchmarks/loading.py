"""What loads a relay: many plain connections that send prebuilt frames and count what comes back.

A generator that parsed each frame would cost more than the relay. So frames are made beforehand,
with an all-zero mask, and of what comes only the beginnings of messages are counted; JSON escapes
quotes, so that none stands within an event. Each function here runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

T = TypeVar("T")

LIMIT: Final = 900.0
"""Seconds that one load may take."""
OPEN_LIMIT: Final = 20.0
WINDOW: Final = 200
"""Events that a connection has under way."""
OK: Final = b'["OK",'
EVENT: Final = b'["EVENT",'
EOSE: Final = b'["EOSE",'
_LONGEST: Final = len(EVENT)
_ENDS: Final = (b'["CLOSED",', b'["NOTICE",')


class Latencies(NamedTuple):
    """Milliseconds; `rate`: so many a second; `events`: brought by them a second."""

    p50: float
    p99: float
    rate: float
    events: float = 0.0


class Refused(Exception):
    """The relay said no, or hung up."""


def frame(text: bytes) -> bytes:
    """A text frame as clients send it."""
    size = len(text)
    if size < 126:
        return bytes((0x81, 0x80 | size)) + bytes(4) + text
    if size < 65_536:
        return b"\x81\xfe" + size.to_bytes(2) + bytes(4) + text
    return b"\x81\xff" + size.to_bytes(8) + bytes(4) + text


class Line(asyncio.Protocol):
    """One connection; `hear` is called with each mark that came, and how often."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._begun = b""
        self.open = asyncio.get_running_loop().create_future()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hear: Callable[[bytes, int], None] = lambda _mark, _count: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self.send(
            f"GET / HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the relay closed the connection")

    def data_received(self, data: bytes) -> None:
        data = self._begun + data
        if not self.open.done():
            head, end, data = data.partition(b"\r\n\r\n")
            if not end:
                self._begun = head
                return
            self.open.set_result(None)
        for mark in _ENDS:
            if mark in data:
                self._fail(data[data.index(mark) :][:200].decode(errors="replace"))
        for mark in (EVENT, OK, EOSE):
            if count := data.count(mark):
                self.hear(mark, count)
        # The beginning of a mark may stand at the end; what is whole must not count again.
        last = data.rfind(b"[", -_LONGEST)
        self._begun = b"" if last < 0 or _is_whole(data[last:]) else data[last:]

    def _fail(self, why: str) -> None:
        if not self.failed.done():
            self.failed.set_exception(Refused(why))
            self.failed.exception()

    def send(self, frames: bytes) -> None:
        self._transport.write(frames)

    def close(self) -> None:
        self._transport.abort()


def _is_whole(end: bytes) -> bool:
    return any(end.startswith(mark) for mark in (EVENT, OK, EOSE, *_ENDS))


@contextlib.asynccontextmanager
async def lines(url: str, count: int) -> Any:
    """So many connections, open: to each of several URLs, between which spaces stand, in turn."""
    places = [urlsplit(one) for one in url.split()]
    loop = asyncio.get_running_loop()
    opened: list[Line] = []
    try:
        for number in range(count):
            where = places[number % len(places)]
            _, line = await loop.create_connection(
                partial(Line, where.netloc), where.hostname or "", where.port or 80
            )
            async with asyncio.timeout(OPEN_LIMIT):
                await asyncio.wait({line.open, line.failed}, return_when=asyncio.FIRST_COMPLETED)
            opened.append(line)
        yield opened
    finally:
        for line in opened:
            line.close()


async def _done(work: asyncio.Future[Any], of: Sequence[Line]) -> None:
    """Wait for `work`, or for the first failure of a line."""
    failures = [line.failed for line in of]
    async with asyncio.timeout(LIMIT):
        done, _ = await asyncio.wait({work, *failures}, return_when=asyncio.FIRST_COMPLETED)
    for one in done:
        one.result()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the fastest loop there is."""
    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop as factory
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


def _latencies(seconds: Sequence[float], took: float, events: int = 0) -> Latencies:
    ordered = sorted(seconds)
    return Latencies(
        statistics.median(ordered) * 1e3,
        ordered[len(ordered) * 99 // 100] * 1e3,
        len(ordered) / took,
        events / took,
    )


# Writing


class _Feed:
    """Sends frames over a line, always `window` of them under way."""

    def __init__(self, line: Line, frames: Sequence[bytes], window: int) -> None:
        self._line, self._frames, self._window = line, frames, window
        self._next = self._answered = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.hear = self._hear

    def begin(self) -> None:
        self._send(self._window)

    def _send(self, count: int) -> None:
        part = self._frames[self._next : self._next + count]
        self._next += len(part)
        if part:
            self._line.send(b"".join(part))

    def _hear(self, mark: bytes, count: int) -> None:
        if mark is OK:
            self._answered += count
            self._send(count)
            if self._answered == len(self._frames):
                self.done.set_result(None)


async def ingest(url: str, frames: Sequence[bytes], connections: int) -> float:
    """Events a second, from the first that is sent to the last OK."""
    async with lines(url, connections) as opened:
        feeds = [
            _Feed(line, frames[number::connections], WINDOW) for number, line in enumerate(opened)
        ]
        began = time.perf_counter()
        for feed in feeds:
            feed.begin()
        await _done(asyncio.gather(*(feed.done for feed in feeds)), opened)
        return len(frames) / (time.perf_counter() - began)


# Asking


class _Asker:
    """Asks one thing after the other."""

    def __init__(self, line: Line, questions: Iterator[bytes]) -> None:
        self._line, self._questions = line, questions
        self.took: list[float] = []
        self.events = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.hear = self._hear

    def ask(self) -> None:
        question = next(self._questions, None)
        if question is None:
            self.done.set_result(None)
            return
        self._asked = time.perf_counter()
        self._line.send(question)

    def _hear(self, mark: bytes, count: int) -> None:
        if mark is EVENT:
            self.events += count
        elif mark is EOSE:
            self.took.append(time.perf_counter() - self._asked)
            self.ask()


async def query(url: str, questions: Sequence[bytes], connections: int) -> Latencies:
    """Each question once, by so many at a time."""
    async with lines(url, connections) as opened:
        left = iter(questions)
        askers = [_Asker(line, left) for line in opened]
        began = time.perf_counter()
        for asker in askers:
            asker.ask()
        await _done(asyncio.gather(*(asker.done for asker in askers)), opened)
        took = time.perf_counter() - began
        events = sum(asker.events for asker in askers)
        return _latencies([one for asker in askers for one in asker.took], took, events)


# Fan-out


class _Audience:
    """Lines with one subscription each; counts what reaches them, and how late."""

    def __init__(self, opened: Sequence[Line], published: Sequence[float]) -> None:
        self._published = published
        self._waiting = len(opened)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0
        self.late: list[float] = []
        for line in opened:
            line.hear = self._hear(line)

    def expect(self, deliveries: int) -> None:
        self._left = deliveries

    def _hear(self, line: Line) -> Callable[[bytes, int], None]:
        seen = 0

        def hear(mark: bytes, count: int) -> None:
            nonlocal seen
            if mark is EOSE:
                self._waiting -= 1
                if not self._waiting:
                    self.ready.set_result(None)
            elif mark is EVENT and self._left:
                now = time.perf_counter()
                known = len(self._published)
                self.late += (
                    now - self._published[n] for n in range(seen, min(seen + count, known))
                )
                seen += count
                self._left -= count
                if not self._left:
                    self.done.set_result(None)

        return hear


async def fan_out(
    url: str, frames: Sequence[bytes], subscription: bytes, subscribers: int, pace: float | None
) -> Latencies:
    """Deliveries a second; how late each was. `pace`: events a second; None: as fast as OKs come.

    Everybody subscribes to the same, and each event reaches all.
    """
    published: list[float] = []
    async with lines(url, subscribers) as opened, lines(url, 1) as [publisher]:
        audience = _Audience(opened, published)
        for line in opened:
            line.send(subscription)
        await _done(audience.ready, opened)
        await asyncio.sleep(0.5)
        audience.expect(len(frames) * subscribers)
        began = time.perf_counter()
        if pace is None:
            _Feed(publisher, frames, 50).begin()
        else:
            for number, one in enumerate(frames):
                await asyncio.sleep(began + number / pace - time.perf_counter())
                published.append(time.perf_counter())
                publisher.send(one)
        await _done(audience.done, [*opened, publisher])
        took = time.perf_counter() - began
        deliveries = len(frames) * subscribers
        if not audience.late:
            return Latencies(0.0, 0.0, deliveries / took)
        return _latencies(audience.late, took)


async def passed_on(
    url: str, frames: Sequence[bytes], subscription: bytes, pace: float
) -> Latencies:
    """From an event's OK at the first of two nodes to its arrival at a subscriber of the second,
    `pace` events a second; 0 where it arrives before the OK."""
    first, second = url.split()
    async with lines(first, 1) as [publisher], lines(second, 1) as [subscriber]:
        audience = _Audience([subscriber], ())
        subscriber.send(subscription)
        await _done(audience.ready, [subscriber])
        acknowledged: list[float] = []
        arrived: list[float] = []
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def hear(mark: bytes, count: int) -> None:
            into = acknowledged if mark is OK else arrived
            into.extend([time.perf_counter()] * count)
            if len(acknowledged) == len(arrived) == len(frames):
                done.set_result(None)

        publisher.hear = subscriber.hear = hear
        began = time.perf_counter()
        for number, one in enumerate(frames):
            await asyncio.sleep(began + number / pace - time.perf_counter())
            publisher.send(one)
        await _done(done, [publisher, subscriber])
        late = [max(0.0, b - a) for a, b in zip(acknowledged, arrived, strict=True)]
        return _latencies(late, time.perf_counter() - began)


# Everything at once


class _Mixer:
    """Asks, and now and then writes, one thing after the other."""

    def __init__(self, line: Line, questions: Iterator[bytes], writes: Iterator[bytes]) -> None:
        self._line, self._questions, self._writes = line, questions, writes
        self._chance = random.Random(1)
        self.asked: list[float] = []
        self.wrote: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.hear = self._hear

    def go_on(self) -> None:
        source = self._writes if self._chance.random() < 0.2 else self._questions
        one = next(source, None)
        if one is None:
            self.done.set_result(None)
            return
        self._began = time.perf_counter()
        self._line.send(one)

    def _hear(self, mark: bytes, count: int) -> None:
        if mark is EVENT:
            return
        (self.wrote if mark is OK else self.asked).append(time.perf_counter() - self._began)
        self.go_on()


async def mixed(
    url: str, questions: Sequence[bytes], writes: Sequence[bytes], connections: int
) -> tuple[Latencies, Latencies]:
    """Four questions to one write: of both, how long they took."""
    async with lines(url, connections) as opened:
        left, to_write = iter(questions), iter(writes)
        mixers = [_Mixer(line, left, to_write) for line in opened]
        began = time.perf_counter()
        for mixer in mixers:
            mixer.go_on()
        await _done(asyncio.gather(*(mixer.done for mixer in mixers)), opened)
        took = time.perf_counter() - began
        return (
            _latencies([one for mixer in mixers for one in mixer.asked], took),
            _latencies([one for mixer in mixers for one in mixer.wrote], took),
        )


# Memory


def memory(pid: int) -> int:
    """Resident bytes of a process and all its descendants."""
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(line.split()[1]) * 1024 + sum(memory(int(child)) for child in children)


async def idle(url: str, pid: int, subscription: bytes, connections: int) -> float:
    """Bytes that each of so many connections takes which have a subscription and say nothing."""
    before = memory(pid)
    async with lines(url, connections) as opened:
        audience = _Audience(opened, ())
        for line in opened:
            line.send(subscription)
        await _done(audience.ready, opened)
        await asyncio.sleep(1.0)
        return (memory(pid) - before) / connections


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
