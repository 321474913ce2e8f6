"""Broad questions wait for each other and hold up no narrow one. The store is a stand-in."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nostr_client.errors import QueryTimeout
from nostr_client.protocol.filters import Filter
from nostr_client.store.contract import EventStore, Page, Priority
from relays.config.sections import Limits
from relays.engine import queries
from relays.engine.actions import ClientSubscription, CountQuery, Subscribe
from relays.engine.queries import AT_ONCE, BROAD_QUEUE, MOST_BROAD, ClientQueries, QueryScheduler
from relays.engine.queries import NARROW as NARROW_VALUES
from relays.engine.session import RelaySession
from tests.relays.rules import plain_rules
from tests.relays.talk import NOW
from tests.waiting import until

LIMITS = Limits()
BROAD = {"kinds": [1, 2]}
NARROW = {"kinds": [1]}


class SlowStore:
    """Two kinds are too broad for a normal query; in the background they wait for `go`."""

    def __init__(self) -> None:
        self.go = asyncio.Semaphore(0)
        self.asked = {Priority.NORMAL: 0, Priority.BACKGROUND: 0}
        self.at_once = 0
        self.slow_now = 0

    async def _run(self, filters: Sequence[Filter], priority: Priority) -> None:
        self.asked[priority] += 1
        if len(filters[0].kinds or ()) > 1:
            if priority is Priority.NORMAL:
                raise QueryTimeout("too broad")
            self.slow_now += 1
            assert self.slow_now == 1
            await self.go.acquire()
            self.slow_now -= 1

    async def page(self, filters: Sequence[Filter], *, priority: Priority, **_: object) -> Page:
        await self._run(filters, priority)
        return Page([], True, 0)

    def page_at_once(self, filters: Sequence[Filter], *, seconds: float, **_: object) -> Page:
        self.at_once += 1
        if len(filters[0].kinds or ()) > 1:
            raise QueryTimeout("too broad")
        return Page([], True, 0)

    async def count(self, filters: Sequence[Filter], *, priority: Priority, **_: object) -> int:
        await self._run(filters, priority)
        return 0


class Client:
    """Asks without a socket; `answers` holds what was answered, by id."""

    def __init__(self, line: QueryScheduler) -> None:
        self.session = RelaySession(plain_rules(LIMITS))
        self.queries = ClientQueries(self.session)
        self._queue = line

    def enqueue(
        self, id: str, f: dict[str, Any], label: str = "REQ", *, at_once: bool = False
    ) -> ClientSubscription | None:
        """`at_once`: as a relay does that has the message from its socket."""
        action = self.session.receive(json.dumps([label, id, f]).encode(), NOW)
        found = None
        if isinstance(action, Subscribe):
            found = self.queries.scans[id] = action.subscription
        else:
            assert isinstance(action, CountQuery)
            self.queries.counts.append(action)
        if not (at_once and self._queue.answer_at_once(self.queries)):
            self._queue.enqueue(self.queries)
        return found


class Bench:
    """Queries at work over a `SlowStore`."""

    def __init__(self) -> None:
        self.store = SlowStore()
        self.answers: dict[ClientQueries, list[tuple[str, bytes]]] = {}
        self.scheduler = QueryScheduler(
            cast(EventStore, self.store),
            plain_rules(LIMITS),
            self._deliver,
            flush=lambda: None,
            live_seq=lambda: 0,
        )

    def _deliver(
        self, to: ClientQueries, asked: ClientSubscription | CountQuery, frames: bytes
    ) -> None:
        id = asked.id if isinstance(asked, ClientSubscription) else asked.query_id
        self.answers.setdefault(to, []).append((id, frames))

    def client(self) -> Client:
        return Client(self.scheduler)

    def ids(self, client: Client) -> list[str]:
        return [id for id, _ in self.answers.get(client.queries, [])]


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    working = asyncio.create_task(made.scheduler.run())
    yield made
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)


async def settled(bench: Bench) -> None:
    """Returns when nothing goes on but what waits for `go`."""
    before = None
    while before != (now := (dict(bench.store.asked), bench.store.slow_now)):
        before = now
        for _ in range(200):
            await asyncio.sleep(0)


@pytest.mark.parametrize("label", ["REQ", "COUNT"])
async def test_narrow_questions_do_not_wait_for_broad_ones(bench: Bench, label: str) -> None:
    broad = [bench.client() for _ in range(3 * AT_ONCE)]
    for client in broad:
        client.enqueue("b", BROAD, label)
    await settled(bench)
    narrow = bench.client()
    narrow.enqueue("n", NARROW)
    broad[0].enqueue("n", NARROW, label)
    await settled(bench)
    assert bench.ids(narrow) == bench.ids(broad[0]) == ["n"]
    for _ in broad:
        bench.store.go.release()
    await settled(bench)
    assert bench.ids(broad[0]) == ["n", "b"]
    assert all(bench.ids(client) == ["b"] for client in broad[1:])
    assert bench.store.asked[Priority.BACKGROUND] == len(broad)


async def test_who_asks_broadly_again_and_again_waits(bench: Bench) -> None:
    client, other = bench.client(), bench.client()
    for number in range(10):
        client.enqueue(f"{number}", BROAD)
    await settled(bench)
    other.enqueue("b", BROAD)
    client.enqueue("n", NARROW)
    await settled(bench)
    assert bench.store.asked[Priority.NORMAL] <= MOST_BROAD + 2
    assert bench.ids(client) == []
    bench.store.go.release()
    bench.store.go.release()
    await settled(bench)
    assert bench.ids(other) == ["b"], "it had its turn before the others of the first"
    for _ in range(10):
        bench.store.go.release()
    await settled(bench)
    assert sorted(bench.ids(client)) == [*map(str, range(10)), "n"]


async def test_the_line_of_broad_questions_is_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "REST", 0.3)
    clients = [bench.client() for _ in range(BROAD_QUEUE + 3)]
    for client in clients:
        client.enqueue("b", BROAD)
        await settled(bench)
    refused = [client for client in clients if bench.ids(client)]
    assert len(refused) == 2, "one runs"
    assert b"rate-limited:" in bench.answers[refused[0].queries][0][1]
    refused[0].enqueue("n", NARROW)
    await settled(bench)
    assert bench.ids(refused[0]) == ["b"], "it rests"
    await until(lambda: bench.ids(refused[0]) == ["b", "n"])


async def test_nobody_is_asked_for_who_has_left(bench: Bench) -> None:
    first, closed, gone, paused = (bench.client() for _ in range(4))
    first.enqueue("b", BROAD)
    closed.enqueue("b", BROAD)
    gone.enqueue("b", BROAD, "COUNT")
    paused.enqueue("b", BROAD)
    await settled(bench)
    closed.session.receive(b'["CLOSE","b"]', NOW)
    gone.queries.end()
    paused.queries.paused = True
    for _ in range(4):
        bench.store.go.release()
    await settled(bench)
    assert bench.store.asked[Priority.BACKGROUND] == 1
    assert bench.ids(closed) == bench.ids(gone) == bench.ids(paused) == []
    paused.queries.paused = False
    bench.scheduler.enqueue(paused.queries)
    await settled(bench)
    assert bench.ids(paused) == ["b"]


async def test_a_narrow_question_is_answered_while_it_is_asked(bench: Bench) -> None:
    client = bench.client()
    client.enqueue("n", NARROW, at_once=True)
    assert bench.ids(client) == ["n"]
    await settled(bench)
    assert bench.ids(client) == ["n"]
    assert bench.store.asked[Priority.NORMAL] == 0


async def test_what_is_too_broad_to_be_answered_at_once_goes_into_the_line(bench: Bench) -> None:
    client = bench.client()
    client.enqueue("b", BROAD, at_once=True)
    client.enqueue("n", NARROW, at_once=True)  # it waits behind the first
    assert bench.store.at_once == 1
    assert bench.ids(client) == []
    await settled(bench)
    assert bench.ids(client) == ["n"]
    bench.store.go.release()
    await settled(bench)
    assert bench.ids(client) == ["n", "b"]


async def test_what_does_not_look_narrow_is_not_tried_at_once(bench: Bench) -> None:
    client = bench.client()
    authors = [f"{number:064x}" for number in range(NARROW_VALUES + 1)]
    client.enqueue("b", {"authors": authors}, at_once=True)
    await settled(bench)
    assert bench.ids(client) == ["b"]
    assert (bench.store.at_once, bench.store.asked[Priority.NORMAL]) == (0, 1)


async def test_a_burst_has_its_time_on_the_loop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = bench.client()
    ticks = (n * queries.TURN / 2 for n in itertools.count())
    monkeypatch.setattr(queries, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    for number in range(5):
        client.enqueue(f"{number}", NARROW, at_once=True)
    assert bench.store.at_once == 2
    await settled(bench)
    assert sorted(bench.ids(client)) == ["0", "1", "2", "3", "4"]
    bench.scheduler.spent = 0.0
    client.enqueue("next", NARROW, at_once=True)
    assert bench.store.at_once == 3


async def test_no_answer_at_once_to_one_who_does_not_read(bench: Bench) -> None:
    client = bench.client()
    client.queries.paused = True
    client.enqueue("n", NARROW, at_once=True)
    await settled(bench)
    assert bench.ids(client) == []
    client.queries.paused = False
    bench.scheduler.enqueue(client.queries)
    await settled(bench)
    assert bench.ids(client) == ["n"]
