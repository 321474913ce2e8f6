"""Clients that write and read through whatever dies, and an account of what they were told.

A writer sends again what was not acknowledged, and a reader resumes where it was, each at the next
node, as clients do. Notes are dated when they are made.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

OPEN_LIMIT: Final = 5.0
SILENCE: Final = 20.0
"""Seconds without a word, with something asked, after which a client goes elsewhere."""
AGAIN: Final = 0.1
"""Seconds until a client tries the next node, or offers again what was refused for now."""
OVERLAP: Final = 30
"""Seconds before the newest it had from which a reader asks again."""
_LOOK: Final = 0.005
"""Seconds between two looks at what was answered."""
_LOST: Final = (ConnectionClosed, InvalidHandshake, OSError, TimeoutError)


class Account:
    """What writers were told."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, float] = {}
        """Ids, and when their OK came (`time.monotonic`)."""
        self.errors: list[tuple[float, str]] = []
        """What was refused for now: when, and in which words."""
        self.refused: list[str] = []
        """What was refused for good; nothing should be."""
        self.slowest = 0.0
        """Seconds from offering an event to what was said of it, at most."""
        self.lost = 0
        """Connections that ended, or that could not be made."""
        self._more = asyncio.Condition()

    async def heard(self, event: Event, accepted: bool, reason: str, took: float) -> None:
        """One answer."""
        now = time.monotonic()
        self.slowest = max(self.slowest, took)
        if accepted:
            self.acknowledged.setdefault(event.id, now)
        elif reason.startswith("error:"):
            self.errors.append((now, reason))
        else:
            self.refused.append(reason)
        async with self._more:
            self._more.notify_all()

    async def more(self, count: int, limit: float = 60.0) -> None:
        """Wait for so many more acknowledged events."""
        wanted = len(self.acknowledged) + count
        async with asyncio.timeout(limit), self._more:
            await self._more.wait_for(lambda: len(self.acknowledged) >= wanted)

    async def refusal(self, since: float, limit: float = 60.0) -> str:
        """Wait for an event that was refused for now, after `since`; the words."""
        async with asyncio.timeout(limit), self._more:
            await self._more.wait_for(lambda: self.errors and self.errors[-1][0] >= since)
        return self.errors[-1][1]


class Writer:
    """Publishes notes of its own key, `window` of them under way, at most `rate` a second."""

    def __init__(
        self,
        number: int,
        urls: Sequence[str],
        account: Account,
        *,
        window: int = 20,
        rate: float = 100.0,
    ) -> None:
        """`rate`: 0 for as fast as answers come."""
        self._key = SecretKey(sha256(b"writer %d" % number).digest())
        self._urls = [*urls[number % len(urls) :], *urls[: number % len(urls)]]
        self._account = account
        self._window = window
        self._pause = 1 / rate if rate else 0.0
        self._made = 0
        self._under_way: dict[str, tuple[Event, float]] = {}
        self._again: deque[tuple[float, Event]] = deque()
        self._ending = False

    @property
    def author(self) -> str:
        return self._key.public_key.hex

    def _next(self) -> Event:
        self._made += 1
        return Draft(1, f"note {self._made}").sign(self._key, int(time.time()))

    async def run(self) -> None:
        """Write until `finish`, and until all that was offered was answered."""
        while self._under_way or not self._ending:
            with contextlib.suppress(*_LOST):
                await self._write(self._urls[0])
            if self._under_way or not self._ending:
                self._account.lost += 1
                self._urls.append(self._urls.pop(0))
                await asyncio.sleep(AGAIN)

    def finish(self) -> None:
        """Offer nothing new."""
        self._ending = True

    async def _write(self, url: str) -> None:
        async with opened(url) as socket:
            self._again.clear()
            hearing = asyncio.create_task(self._hear(socket))
            try:
                for event, _ in list(self._under_way.values()):
                    await self._offer(socket, event)
                while not hearing.done() and (self._under_way or not self._ending):
                    if self._again and self._again[0][0] <= time.monotonic():
                        await self._offer(socket, self._again.popleft()[1])
                    elif len(self._under_way) < self._window and not self._ending:
                        await self._offer(socket, self._next())
                        if not self._pause:
                            continue
                    await asyncio.wait([hearing], timeout=self._pause or _LOOK)
                if hearing.done():
                    hearing.result()
            finally:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)

    async def _offer(self, socket: ClientConnection, event: Event) -> None:
        self._under_way[event.id] = event, time.monotonic()
        await socket.send(b'["EVENT",' + event.json + b"]", text=True)

    async def _hear(self, socket: ClientConnection) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENCE):
                    frame = json.loads(await socket.recv())
            except TimeoutError:
                if not self._under_way:
                    continue
                raise
            if frame[0] != "OK" or frame[1] not in self._under_way:
                continue
            event, sent = self._under_way[frame[1]]
            await self._account.heard(event, frame[2], frame[3], time.monotonic() - sent)
            if frame[2] or not frame[3].startswith("error:"):
                del self._under_way[event.id]
            else:
                self._again.append((time.monotonic() + 5 * AGAIN, event))


class Reader:
    """Subscribes to all notes since it was made, and resumes at the next node.

    What it missed it asks for author by author, of which it knows `authors`.
    """

    def __init__(self, number: int, urls: Sequence[str], authors: Sequence[str]) -> None:
        self._authors = authors
        self._urls = [*urls[number % len(urls) :], *urls[: number % len(urls)]]
        self._begun = int(time.time())
        self.seen: dict[str, float] = {}
        """Ids, and when each came first (`time.monotonic`)."""
        self.doubled: list[str] = []
        """Ids that one subscription brought twice."""
        self.closed: list[str] = []
        """What questions were refused with."""
        self.slowest = 0.0
        """Seconds from a question to its end, at most."""
        self.ready = asyncio.Event()
        """It hears what is new, or did."""
        self._heard = self._begun
        self._oldest = 0
        self._came: dict[str, Counter[str]] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            with contextlib.suppress(*_LOST):
                async with opened(self._urls[0]) as socket:
                    self._came.clear()
                    await self._read(socket)
            self._urls.append(self._urls.pop(0))
            await asyncio.sleep(AGAIN)

    async def _read(self, socket: ClientConnection) -> None:
        """What is new, and before it page by page what was missed."""
        since = max(self._begun, self._heard - OVERLAP)
        if not await self._asks(socket, "live", {"limit": 0}):
            return
        self.ready.set()
        for author in self._authors:
            asked: dict[str, Any] = {"authors": [author], "since": since}
            while await self._asks(socket, "page", asked):
                if not self._came.pop("page"):
                    break
                # Our relay leaves no second in two, of up to a thousand events.
                asked["until"] = self._oldest - 1
            else:
                return
        while True:
            self._note(json.loads(await socket.recv()))

    async def _asks(self, socket: ClientConnection, id: str, asked: dict[str, Any]) -> bool:
        """Was it answered to its end? What is stored ends there, too."""
        begun = time.monotonic()
        self._oldest = int(time.time())
        self._came[id] = Counter()
        await socket.send(json.dumps(["REQ", id, {"kinds": [1], **asked}]))
        while True:
            async with asyncio.timeout(SILENCE):
                frame = json.loads(await socket.recv())
            self._note(frame)
            if frame[0] in ("EOSE", "CLOSED") and frame[1] == id:
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if frame[0] == "CLOSED":
                    self.closed.append(frame[2])
                elif id != "live":
                    await socket.send(json.dumps(["CLOSE", id]))
                return bool(frame[0] == "EOSE")

    def _note(self, frame: list[Any]) -> None:
        self._heard = int(time.time())
        if frame[0] != "EVENT" or frame[1] not in self._came:
            return  # what came live behind the end of a page comes to the other one, too
        id = frame[2]["id"]
        if frame[1] != "live":
            self._oldest = min(self._oldest, frame[2]["created_at"])
        came = self._came[frame[1]]
        came[id] += 1
        if came[id] > 1:
            self.doubled.append(id)
        self.seen.setdefault(id, time.monotonic())


class Asker:
    """Asks one node for the newest notes, again and again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.took: list[float] = []
        """Seconds that each question took to its end, whatever the end."""
        self.closed: list[str] = []
        """What questions were refused with."""

    async def run(self) -> None:
        """Ask until cancelled. Raises TimeoutError where nothing is said, and what ends a
        connection."""
        async with opened(self._url) as socket:
            while True:
                begun = time.monotonic()
                await socket.send('["REQ","newest",{"kinds":[1],"limit":10}]')
                frame = ["EVENT"]
                while frame[0] not in ("EOSE", "CLOSED"):
                    async with asyncio.timeout(SILENCE):
                        frame = json.loads(await socket.recv())
                self.took.append(time.monotonic() - begun)
                if frame[0] == "CLOSED":
                    self.closed.append(frame[2])
                else:
                    await socket.send('["CLOSE","newest"]')
                await asyncio.sleep(AGAIN)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[ClientConnection]:
    """A connection, on which a node that is gone does not make anybody wait."""
    async with connect(
        url, compression=None, open_timeout=OPEN_LIMIT, close_timeout=0.5, ping_interval=None
    ) as socket:
        yield socket
