"""Many copies at a time to one relay, and no faster than it will have them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nostr_client.net.report import Answer, PublishReport
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.copy_sending import IN_FLIGHT, CopySender, RelayPace
from nostr_client.store.contract import ClientStore, Copy, CopyState
from nostr_client.store.opening import open_store
from nostr_client.tasks import together
from tests.sending import sent
from tests.waiting import until

KEY = SecretKey.generate()
A, B = "wss://a.example", "wss://b.example"


class Bucket:
    """A relay's limit: so many at once, and so many a second."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.left, self.at = rate, burst, burst, 0.0

    def takes(self, now: float) -> bool:
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def test_a_relay_that_limits_gets_its_pace_and_takes_nearly_all_that_it_may() -> None:
    pace, relay = RelayPace(), Bucket(10, 10)
    now, taken, refused = 0.0, 0, 0
    while taken < 300:
        for _ in range(min(pace.room(now), 300 - taken)):
            pace.sent()
            if relay.takes(now):
                taken += 1
                pace.taken()
            else:
                refused += 1
                assert pace.limited(now) > 0, "a matter of pace: nothing is put off for long"
                break
        now += max(0.005, pace.opens_in(now))
    assert now < 300 / 10 * 1.2, "it is slower than the relay would have it"
    assert refused < 30, "it is hammered"


def test_one_that_takes_nothing_is_left_alone() -> None:
    pace = RelayPace()
    assert pace.limited(1.0) == 0.0
    pace.taken()
    now, waits = 2.0, []
    while wait := pace.limited(now):
        waits.append(wait)
        now += wait
    assert waits == sorted(waits)
    assert len(waits) == 5
    assert pace.window == 1


class Answers:
    """Stands in for the pool: it answers once `open` is set, and says no where `limits` does."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.under_way = 0
        self.most = 0
        self.sent: list[tuple[str, str]] = []
        self.limits: dict[str, Bucket] = {}
        self.prompt: set[str] = set()

    async def publish(self, event: Event, urls: Iterable[str], *, timeout: float) -> PublishReport:
        (url,) = urls
        self.sent.append((event.content, url))
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        if url not in self.prompt:
            await self.open.wait()
        await asyncio.sleep(0)
        self.under_way -= 1
        bucket = self.limits.get(url)
        fine = bucket is None or bucket.takes(time.monotonic())
        answer = Answer.of_ok(url, fine, "" if fine else "rate-limited: slow down")
        return PublishReport(event.id, (answer,))


@asynccontextmanager
async def notes(folder: Path, count: int) -> AsyncIterator[tuple[ClientStore, list[Event]]]:
    async with open_store(folder / "events.db") as store:
        events = [Draft(1, f"{n}", created_at=1000 + n).sign(KEY, 0) for n in range(count)]
        await store.save(events)
        for event in events:
            await store.ledger.want(event.id, [A])
        yield store, events


async def over(event: Event) -> None:
    raise AssertionError(event)


def sender_of(store: ClientStore, pool: Any, clock: Callable[[], float]) -> CopySender:
    return CopySender(
        store, pool, on_over=over, holds_key=lambda event: False, limit=5.0, clock=clock
    )


async def test_one_event_first_and_then_as_many_as_may_be(tmp_path: Path) -> None:
    async with notes(tmp_path, 100) as (store, _):
        pool: Any = Answers()
        sender = sender_of(store, pool, time.time)
        sending = asyncio.create_task(sent(sender, await store.ledger.due(time.time(), 100)))
        while not pool.sent:
            await asyncio.sleep(0)
        assert pool.sent == [("99", A)], "the newest, and no other before it was taken"
        pool.open.set()
        assert len(await sending) == 100
        assert 1 < pool.most <= IN_FLIGHT
        assert await store.ledger.due(time.time()) == []


async def test_what_a_pace_holds_up_is_neither_put_off_nor_refused(tmp_path: Path) -> None:
    async with notes(tmp_path, 40) as (store, events):
        pool: Any = Answers()
        pool.open.set()
        pool.limits[A] = Bucket(0.0, 12)
        sender = sender_of(store, pool, lambda: 5000.0)
        dealt = await sent(sender, await store.ledger.due(5000.0, 100))
        assert sender.busy() == [A]
        assert 0 < sender.opens_in() <= 2
        found = await store.ledger.copies_of([event.id for event in events])
        states = [copies[0].state for copies in found.values()]
        assert states.count(CopyState.CONFIRMED) == 12
        untried = [c[0] for c in found.values() if not c[0].attempts and c[0].next_try == 0]
        assert len(untried) == len(events) - len(dealt) + 12
        late = [c[0].next_try for c in found.values() if c[0].state is CopyState.FAILED]
        assert late
        assert max(late) <= 5002


async def test_a_relay_that_hangs_holds_up_no_other(tmp_path: Path) -> None:
    async with notes(tmp_path, 4) as (store, events):
        pool: Any = Answers()
        sender = sender_of(store, pool, time.time)
        rounds: list[list[Copy]] = []
        async with together() as group:
            sender.begin(group, await store.ledger.due(time.time(), 4), rounds.append)
            await until(lambda: pool.under_way)
            for event in events[:2]:  # what comes meanwhile, one after the other
                pool.prompt = {B}
                await store.ledger.want(event.id, [B])
                due = await store.ledger.due(time.time(), besides=sender.busy())
                assert [copy.url for copy in due] == [B], "it is not asked for twice"
                before = len(rounds)
                assert sender.begin(group, due, rounds.append)
                await until(lambda before=before: len(rounds) > before)
            assert sender.is_at_work, "the other one has not answered yet"
            pool.open.set()
        assert [len(copies) for copies in rounds] == [1, 1, 4]
