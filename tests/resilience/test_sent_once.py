"""One event goes to one relay once, whoever sends it: publications, the relay list that goes before
them, probes and the replication, all at once at a relay that refuses for good."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from nostr_client.protocol.event import Event
from nostr_client.resilience.copy_sending import CopySender
from nostr_client.resilience.relay_probes import RelayProber
from nostr_client.store.contract import Copy, CopyLedger, CopyState
from nostr_client.tasks import together
from tests.routing.rooms import ANA, LIMIT, START, Relay, Rooms, relay_list, rooms, signed
from tests.sending import sent

NUMBERS = itertools.count()
CLOSING = "blocked: this relay closes"


class SlowLedger:
    """What a relay refuses of the event `slow_id` is written down once it `may`; `refusing` is set
    when it has refused, and `looked` when somebody has looked for the event's copies since."""

    def __init__(self, ledger: CopyLedger, slow_id: str) -> None:
        self._ledger = ledger
        self._slow_id = slow_id
        self.refusing, self.looked, self.may = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def refuse(self, event_id: str, *what: Any, **more: Any) -> None:
        if event_id == self._slow_id:
            self.refusing.set()
            await self.may.wait()
        await self._ledger.refuse(event_id, *what, **more)

    async def copies(self, event_id: str) -> list[Copy]:
        found = await self._ledger.copies(event_id)
        if event_id == self._slow_id and self.refusing.is_set():
            self.looked.set()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)


def sender_of(r: Rooms) -> CopySender:
    async def over(event: Event) -> None:
        """No other place is planned here."""

    return CopySender(
        *(r.store, r.pool),
        on_over=over,
        holds_key=lambda event: False,
        limit=5.0,
        clock=r.clock,
        under_way=r.courier.under_way,
    )


async def saved(r: Rooms, event: Event) -> Event:
    await r.store.save([event])
    return event


async def published(r: Rooms, listed: Event, url: str) -> None:
    report = await r.courier.send(listed, [url])
    assert [answer.reason for answer in report.refused] == ["this relay closes"]


async def announced(r: Rooms, listed: Event, url: str) -> None:
    """A note goes there, and the list before it."""
    note = await saved(r, signed(content=f"note {next(NUMBERS)}"))
    await r.courier.send(note, [url])


async def probed(r: Rooms, listed: Event, url: str) -> None:
    def nobody() -> Any:
        raise AssertionError("what was refused is not read back")

    prober = RelayProber(r.pool, r.courier.ledger, nobody, listed, r.courier.under_way)
    probe = (await prober.try_out([url]))[url]
    assert probe.reached
    assert "this relay closes" in probe.problem


async def replicated(r: Rooms, listed: Event, url: str) -> None:
    await r.store.ledger.want(listed.id, [url])
    due = [copy for copy in await r.store.ledger.due(START) if copy.event_id == listed.id]
    assert due
    await sent(sender_of(r), due)
    await r.courier.ledger.copies(listed.id)


Sender = Callable[[Rooms, Event, str], Coroutine[Any, Any, None]]


@pytest.mark.parametrize("first", [published, announced, probed])
@pytest.mark.parametrize("second", [published, announced, probed, replicated])
async def test_what_is_under_way_is_sent_by_nobody_else(
    tmp_path: Path, first: Sender, second: Sender
) -> None:
    async with Relay() as relay, rooms(tmp_path) as r:
        relay.refuses = CLOSING
        listed = await saved(r, relay_list(ANA, relay.url))
        ledger: Any = SlowLedger(r.store.ledger, listed.id)
        r.courier.ledger = ledger
        async with asyncio.timeout(LIMIT), together() as group:
            group.create_task(first(r, listed, relay.url))
            await ledger.refusing.wait()
            group.create_task(second(r, listed, relay.url))
            await ledger.looked.wait()
            ledger.may.set()
        assert [frame[1]["id"] for frame in relay.sent("EVENT")].count(listed.id) == 1
        [copy] = await r.store.ledger.copies(listed.id)
        assert copy.state is CopyState.REFUSED


async def test_what_was_sent_since_it_was_found_due_is_not_sent_again(tmp_path: Path) -> None:
    async with Relay() as relay, rooms(tmp_path) as r:
        notes = [await saved(r, signed(content=f"{n}", at=START + n)) for n in range(5)]
        for note in notes:
            await r.store.ledger.want(note.id, [relay.url])
        due = await r.store.ledger.due(START)
        assert [copy.event_id for copy in due] == [note.id for note in reversed(notes)]
        await r.courier.send(notes[1], [relay.url])
        relay.refuses = CLOSING
        await r.courier.send(notes[0], [relay.url])
        assert len(await sent(sender_of(r), due)) == 5
        frames = [frame[1]["id"] for frame in relay.sent("EVENT")]
        assert sorted(frames) == sorted(note.id for note in notes), "each of them once"
        states = [(await r.store.ledger.copies(note.id))[0].state for note in notes]
        refused = [CopyState.REFUSED] * 3
        assert states == [CopyState.REFUSED, CopyState.CONFIRMED, *refused], (
            "nor is it put off with the rest"
        )
