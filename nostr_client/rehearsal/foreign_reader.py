"""A reader that is not ours: what any other client does with what anybody can know.

It starts from indexers alone. There it finds the relay lists (kind 10002) of those whom it follows,
and asks each at the write relays of the list (NIP-65), and at the relays that hints name: in the
tags of notes and follow lists, and in the content of old follow lists. Nothing of our engine is
behind it, only NIP-01's events and a plain WebSocket: what it finds, others find.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from websockets.exceptions import WebSocketException

from nostr_client.errors import InvalidEvent, NostrError
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.rehearsal.plain_socket import PlainSocket, plain_socket

ASK_LIMIT: Final = 6.0
"""Seconds that one relay has for all that it is asked in one go."""
MOST_IDS: Final = 400
"""Events asked for by id in one filter."""
MOST_RELAYS: Final = 8
"""Relays at which one author is looked for, those of the list first."""

PlainFilter = Mapping[str, Any]


@dataclass
class ReadingCost:
    """What reading took: connections that were opened, bytes each way, and the events that were
    not their author's."""

    connections: int = 0
    received: int = 0
    sent: int = 0
    forged: int = 0


Asking = Callable[[str, Sequence[PlainFilter], ReadingCost], AsyncIterator[Event]]
"""Asks the relay at a URL: what it shows, each event verified. `ask` is one."""


class PublicReader(Protocol):
    """Reads what those whom it follows wrote. `seen`: the ids of the notes that it was shown;
    `lists`: when the newest relay list was made that it knows, by author."""

    follows: frozenset[str]
    seen: set[str]
    lists: dict[str, int]

    async def read(self) -> None:
        """Look for everything once, from the indexers on."""


@dataclass
class ForeignReader:
    """Follows `follows` (hex), and knows `indexers` (URLs). Made anew, it has heard of nothing.

    `asking` is how relays are asked: over sockets, unless told otherwise. Of the notes `seen`,
    `where_listed` are those that a relay of their author's list showed.
    """

    follows: frozenset[str]
    indexers: Sequence[str]
    cost: ReadingCost = field(default_factory=ReadingCost)
    asking: Asking | None = None
    seen: set[str] = field(default_factory=set)
    where_listed: set[str] = field(default_factory=set)
    lists: dict[str, int] = field(default_factory=dict)
    _write: dict[str, list[str]] = field(default_factory=dict)
    _hints: dict[str, dict[str, None]] = field(default_factory=dict)

    async def read(self) -> None:
        """The lists, the notes, and once more where what came named other relays."""
        about = {"authors": sorted(self.follows), "kinds": [kinds.RELAY_LIST, kinds.FOLLOWS]}
        await self._ask_all({url: [about] for url in self.indexers})
        asked: set[tuple[str, str]] = set()
        for _ in range(2):
            await self._ask_all(
                {
                    url: [
                        {"authors": authors, "kinds": [kinds.NOTE], "limit": 500},
                        {"authors": authors, "kinds": [kinds.RELAY_LIST, kinds.FOLLOWS]},
                    ]
                    for url, authors in self._plan(asked).items()
                }
            )

    def _plan(self, asked: set[tuple[str, str]]) -> dict[str, list[str]]:
        """Whom to ask for where, without what was `asked`, which grows."""
        plan: dict[str, list[str]] = {}
        for author in sorted(self.follows):
            known = dict.fromkeys((*self._write.get(author, ()), *self._hints.get(author, ())))
            for url in itertools.islice(known, MOST_RELAYS):
                if (author, url) not in asked:
                    asked.add((author, url))
                    plan.setdefault(url, []).append(author)
        return plan

    async def _ask_all(self, questions: Mapping[str, Sequence[PlainFilter]]) -> None:
        await asyncio.gather(*(self._ask(url, filters) for url, filters in questions.items()))

    async def _ask(self, url: str, filters: Sequence[PlainFilter]) -> None:
        async for event in (self.asking or ask)(url, filters, self.cost):
            self._take(event, url)

    def _take(self, event: Event, url: str) -> None:
        for author, named in hinted(event):
            self._hints.setdefault(author, {})[named] = None
        if event.pubkey not in self.follows:
            return
        if event.kind == kinds.NOTE:
            self.seen.add(event.id)
            if url in self._write.get(event.pubkey, ()):
                self.where_listed.add(event.id)
        elif event.kind == kinds.RELAY_LIST and event.created_at > self.lists.get(event.pubkey, -1):
            self.lists[event.pubkey] = event.created_at
            self._write[event.pubkey] = listed_for_writing(event)


def listed_for_writing(event: Event) -> list[str]:
    """The write relays of a kind 10002, as they stand there."""
    tags = (tag for tag in event.tags if tag[0] == "r" and len(tag) > 1)
    return [tag[1] for tag in tags if len(tag) < 3 or tag[2] != "read"]


def hinted(event: Event) -> Iterator[tuple[str, str]]:
    """Who is to be found where, as an event says: (pubkey, URL)."""
    for tag in event.tags:
        if tag[0] == "p" and len(tag) > 2 and tag[2]:
            yield tag[1], tag[2]
        elif tag[0] == "e" and len(tag) > 4 and tag[2]:
            yield tag[4], tag[2]
    if event.kind == kinds.FOLLOWS and event.content.startswith("{"):
        with suppress(ValueError):
            for url in json.loads(event.content):
                yield event.pubkey, url


async def ask(
    url: str,
    filters: Sequence[PlainFilter],
    cost: ReadingCost,
    limit: float = ASK_LIMIT,
) -> AsyncIterator[Event]:
    """What the relay shows a stranger who asks for `filters`, each event verified; until it has
    sent all, or `limit` seconds are over. One that cannot be reached shows nothing."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit
    with suppress(OSError, TimeoutError, WebSocketException):
        async with plain_socket(url, limit) as socket:
            cost.connections += 1
            for number, plain in enumerate(filters):
                question = json.dumps(["REQ", str(number), plain])
                cost.sent += len(question)
                await socket.send(question)
            async for event in _answers(socket, len(filters), deadline, cost):
                yield event


async def _answers(
    socket: PlainSocket, open_questions: int, deadline: float, cost: ReadingCost
) -> AsyncIterator[Event]:
    """Raises TimeoutError, and whatever a socket ends with."""
    while open_questions:
        async with asyncio.timeout_at(deadline):
            text = await socket.recv(decode=True)
        cost.received += len(text)
        match json.loads(text):
            case ["EVENT", str(), dict(found)]:
                try:
                    event = Event.from_dict(found)
                except InvalidEvent:
                    event = None
                if event is None or not event.verify():
                    cost.forged += 1
                else:
                    yield event
            case ["EOSE" | "CLOSED", *_]:
                open_questions -= 1


async def shown(
    url: str, ids: Collection[str], cost: ReadingCost, limit: float = ASK_LIMIT
) -> set[str]:
    """Which of the events `ids` the relay shows a stranger within `limit` seconds."""
    filters = [{"ids": part} for part in _parts(sorted(ids))]
    wanted = frozenset(ids)
    return {event.id async for event in ask(url, filters, cost, limit) if event.id in wanted}


def _parts(ids: Sequence[str]) -> Iterable[list[str]]:
    for start in range(0, len(ids), MOST_IDS):
        yield list(ids[start : start + MOST_IDS])


async def put(url: str, events: Sequence[Event]) -> None:
    """Publish as any program does. Raises NostrError where the relay does not take one."""
    async with asyncio.timeout(ASK_LIMIT), plain_socket(url) as socket:
        for event in events:
            await socket.send(f'["EVENT",{event.json.decode()}]')
            match json.loads(await socket.recv(decode=True)):
                case ["OK", event.id, True, *_]:
                    continue
                case answer:
                    raise NostrError(f"{url} did not take an event: {answer}")
