"""The events of a file compared with those of relays (NIP-77), and what is missing brought over."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

from nostr_client.cli.protocol.asking import PAGE_LIMIT, EventPrinter, Patience, gather
from nostr_client.cli.protocol.relay_tally import RelayTally
from nostr_client.errors import InvalidData, RelayError
from nostr_client.exits import CommandError, Exit
from nostr_client.net.reconcile import NotCompared, ReconcileLimits
from nostr_client.net.session.paging import Paging
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient

_T = TypeVar("_T")
BY_ID: Final = 250
"""Events that are asked for by their ids at once."""
FIRST: Final = 60.0
"""Seconds for a relay to read its set."""
LIMIT: Final = 900.0
"""Seconds for a comparison, unless `--timeout` says otherwise."""


class FileSet:
    """Of a file, the events that a filter takes: their times, ids and places; not they."""

    def __init__(self, path: Path, filter: Filter, places: dict[bytes, tuple[int, int]]) -> None:
        self._path = path
        self._filter = filter
        self._places = places
        """By raw id: when the event was created, and where its line begins."""

    @classmethod
    async def read(cls, path: Path, filter: Filter) -> Self:
        """Raises CommandError for a line that is no event, and for a file that cannot be read."""
        return cls(path, filter, await asyncio.to_thread(_places, path, filter))

    async def compare(
        self,
        context: ClientContext,
        client: NostrClient,
        urls: Sequence[str],
        *,
        down: bool,
        up: bool,
    ) -> None:
        """With each relay in turn: print what only it has, send what only the file has."""
        printer = EventPrinter(context)
        tally = RelayTally(context)
        unheard = partly = 0
        for url in urls:
            try:
                found = await self._compared(context, client, url, printer if down else None)
            except RelayError as error:
                unheard += 1
                context.out.fault(str(error), {"relay": url, "problem": str(error)})
                continue
            if down and found.need:
                await self._bring(client, url, found.need, printer)
            partly += not found.complete
            record = found.record(url)
            words = f"{url}: {len(found.have)} only in the file, {found.only_there} only there"
            if down:
                context.out.note(words, record)
            else:
                context.out.emit(record, words)
            if up:
                await self._send(context, client, url, found.have, tally)
        if up:
            tally.conclude()
        if (unheard or partly) and context.exit_code == Exit.DONE:
            context.exit_code = Exit.NO_ANSWER if unheard == len(urls) else Exit.INCOMPLETE

    async def _compared(
        self, context: ClientContext, client: NostrClient, url: str, printer: EventPrinter | None
    ) -> SetDifference:
        """By negentropy, or page by page where the relay does not compare: what comes then goes to
        the printer at once. Raises RelayError."""
        limit = context.timeout or LIMIT
        limits = ReconcileLimits(first=min(FIRST, limit), whole=limit)
        items = Items((at, id) for id, (at, _) in self._places.items())
        try:
            found = await client.pool.reconcile(self._filter, url, items, limits)
        except (NotCompared, InvalidData):
            return await self._by_pages(client, url, printer)
        return SetDifference(found.have, found.need, len(found.need), found.complete)

    async def _by_pages(
        self, client: NostrClient, url: str, printer: EventPrinter | None
    ) -> SetDifference:
        there: set[bytes] = set()

        async def take(events: Sequence[Event]) -> bool:
            ids = [bytes.fromhex(event.id) for event in events]
            there.update(ids)
            if printer is not None:
                new = [e for e, id in zip(events, ids, strict=True) if id not in self._places]
                await printer(new)
            return True

        paging, patience = Paging(exhaustive=True, most=sys.maxsize), Patience(None, PAGE_LIMIT)
        ends = await gather(client, {url: [self._filter]}, take, paging=paging, patience=patience)
        if not ends[url].answered and not there:
            raise RelayError(url, ends[url].words or ends[url].how.value)
        complete = ends[url].answered and ends[url].complete is not False
        have = self._places.keys() - there if complete else set()
        return SetDifference(set(have), set(), len(there - self._places.keys()), complete)

    async def _bring(
        self, client: NostrClient, url: str, need: Iterable[bytes], printer: EventPrinter
    ) -> None:
        for ids in batched(sorted(id.hex() for id in need), BY_ID):
            await gather(client, {url: [Filter.of(ids=ids)]}, printer)

    async def _send(
        self,
        context: ClientContext,
        client: NostrClient,
        url: str,
        have: Iterable[bytes],
        tally: RelayTally,
    ) -> None:
        """In the order of the file, read again line by line."""
        places = sorted(self._places[id][1] for id in have)

        async def events() -> AsyncIterator[Event]:
            for some in batched(places, BY_ID):
                for event in await asyncio.to_thread(_events_at, self._path, some):
                    yield event

        if places:
            async for result in client.publish_many(events(), relays=[url]):
                tally.count(result, 0)


class SetDifference(NamedTuple):
    """Raw ids that only the file has, and those that only the relay has and that are to be asked
    for; how many only the relay has; and whether there are no others."""

    have: set[bytes]
    need: set[bytes]
    only_there: int
    complete: bool

    def record(self, url: str) -> dict[str, Any]:
        return {
            "relay": url,
            "only_here": len(self.have),
            "only_there": self.only_there,
            "complete": self.complete,
        }


def _places(path: Path, filter: Filter) -> dict[bytes, tuple[int, int]]:
    """Blocks. Raises CommandError."""
    found: dict[bytes, tuple[int, int]] = {}
    number = place = 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                number += 1
                if not line.isspace():
                    event = Event.parse(line)
                    if filter.matches(event):
                        found[bytes.fromhex(event.id)] = (event.created_at, place)
                place += len(line)
    except InvalidData as error:
        raise CommandError(f"{path}, line {number}: {error}", Exit.USAGE) from None
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}", Exit.ERROR) from error
    return found


def _events_at(path: Path, places: Sequence[int]) -> list[Event]:
    """Blocks."""
    found: list[Event] = []
    with path.open("rb") as lines:
        for place in places:
            lines.seek(place)
            found.append(Event.parse(lines.readline()))
    return found


def batched(items: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    """The items, `size` at a time."""
    return (items[start : start + size] for start in range(0, len(items), size))
