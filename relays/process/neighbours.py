"""What a worker tells the others, and what it does with what they tell.

| what | how |
| --- | --- |
| commits, changes of the keeper's records | a poke: who is told reads on by himself |
| events that are not stored | the event |
| rates spent, connections of a group | every `TELL_EVERY` seconds, together |
| how the whole does | asked for, and waited for `ANSWER_LIMIT` seconds |
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Final

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.store.contract import PassesOn, SharesCommits
from relays.policies.rates import RateLimiter
from relays.process.answering import Answering
from relays.process.bus import (
    ALL,
    Bus,
    Committed,
    Counted,
    CountsAsked,
    Missed,
    PassedOn,
    Present,
    RecordsChanged,
    SampleAsked,
    SampleTold,
    Spent,
    WorkerLeft,
)
from relays.process.sub_relay import ServedSubRelay
from relays.web.samples import HostSample, figures
from relays.web.status_page import Figures

TELL_EVERY: Final = 0.02
"""Seconds in which rates and connections are gathered: within them, and until the others have read
it, each worker may give what was left before."""
MOST_SPENT: Final = 10_000
"""Buckets that are told of together; with so many they are told at once."""
ANSWER_LIMIT: Final = 0.5
"""Seconds that the others have to say how they do, and that it is remembered."""
_EVERYTHING: Final = 2**62
_OPERATORS: Final = 1.0
"""Seconds between two looks at from where those who run the relay are connected."""


class Neighbours:
    """The others of so many `workers`, as this one knows them while `told`."""

    def __init__(self, bus: Bus, relay: Answering, workers: int) -> None:
        self._bus = bus
        self.workers = workers
        self._host, self._server = relay
        self._sub_relays = {one.name: one for one in self._host.sub_relays}
        self._spent: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        self._counted: set[str] = set()
        self._some = asyncio.Event()
        self._operators: frozenset[str] = frozenset()
        self._operators_elsewhere: dict[int, list[str]] = {}
        self._present = 1
        self._questions = count()
        self._answers: dict[int, asyncio.Queue[HostSample]] = {}
        self._gathering = asyncio.Lock()
        self._gathered: dict[bool, tuple[float, Sequence[HostSample]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def told(self) -> AsyncIterator[None]:
        """While the block runs, they know of this worker, and it of them."""
        self._hear()
        self._tell()
        self._bus.tell(self._counts(whole=True))
        self._look()
        tasks = [asyncio.create_task(run()) for run in (self._tell_often, self._look_at_operators)]
        try:
            yield
        finally:
            for task in (*tasks, *self._tasks):
                task.cancel()
            await asyncio.gather(*tasks, *self._tasks, return_exceptions=True)

    # Telling

    def _tell(self) -> None:
        host, bus = self._host, self._bus
        host.state.on_write(lambda: bus.tell(RecordsChanged()))
        for name, one in self._sub_relays.items():
            if isinstance(one.store, SharesCommits):
                one.store.on_commit(partial(self._tell_commit, name))
            if not isinstance(one.store, PassesOn):
                one.relay.on_unstored = partial(self._tell_event, name)
            for what, limiter in _limiters(one).items():
                limiter.tell_others = partial(self._note_spent, f"{name} {what}")
            one.figures = partial(self._figures, name)
        self._server.on_count = self._note_count
        own_addresses = host.actions.operator_addresses
        host.actions.operator_addresses = lambda: frozenset(own_addresses()).union(
            *self._operators_elsewhere.values()
        )
        self._own_addresses = own_addresses
        host.others = self

    def _tell_commit(self, name: str, seq: int) -> None:
        self._bus.tell(Committed(name, seq))

    def _tell_event(self, name: str, event: Event) -> None:
        self._bus.tell(PassedOn(name, event.json))

    def _note_spent(self, limiter: str, table: str, key: str, cost: float) -> None:
        self._spent[limiter, table, key] += cost
        self._some.set()
        if len(self._spent) >= MOST_SPENT:
            self._tell_spent()

    def _note_count(self, group: str) -> None:
        self._counted.add(group)
        self._some.set()

    async def _tell_often(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(TELL_EVERY)
            self._some.clear()
            self._tell_spent()
            if self._counted:
                self._bus.tell(self._counts())

    def _tell_spent(self) -> None:
        if self._spent:
            self._bus.tell(Spent([(*key, cost) for key, cost in self._spent.items()]))
            self._spent.clear()

    def _counts(self, *, whole: bool = False) -> Counted:
        held = self._server.groups
        named = held if whole else self._counted
        groups = {group: held.get(group, 0) for group in named if group}
        if not whole:
            self._counted = set()
        total = len(self._server.connections)
        return Counted(groups, total, sorted(self._operators), whole)

    async def _look_at_operators(self) -> None:
        while True:
            found = frozenset(self._own_addresses())
            if found != self._operators:
                self._operators = found
                self._bus.tell(self._counts())
            await asyncio.sleep(_OPERATORS)

    # Hearing

    def _hear(self) -> None:
        on, state = self._bus.on, self._host.state
        on(Committed, lambda _, told: self._look_at(told.store, told.seq))
        on(RecordsChanged, lambda *_: state.look())
        on(PassedOn, lambda _, told: self._pass_on(told))
        on(Spent, lambda _, told: self._pay(told))
        on(Counted, self._count)
        on(CountsAsked, lambda sender, _: self._bus.tell(self._counts(whole=True), sender))
        on(Missed, lambda *_: self._look())
        on(WorkerLeft, lambda _, told: self._forget(told.worker))
        on(Present, lambda _, told: self._see(told.workers))
        on(SampleAsked, self._answer)
        on(SampleTold, lambda _, told: self._take(told))

    def _look_at(self, name: str, seq: int) -> None:
        one = self._sub_relays.get(name)
        if one is not None and isinstance(one.store, SharesCommits):
            one.store.look(seq)

    def _look(self) -> None:
        """Something was missed, or nothing was heard yet: look at everything."""
        for name in self._sub_relays:
            self._look_at(name, _EVERYTHING)
        self._host.state.look()
        self._bus.tell(CountsAsked())

    def _pass_on(self, told: PassedOn) -> None:
        if (one := self._sub_relays.get(told.sub_relay)) is not None:
            one.relay.hear_passing([Event.from_trusted(told.json)])

    def _pay(self, told: Spent) -> None:
        now = self._host.state.clock()
        for limiter, table, key, cost in told.amounts:
            name, _, what = limiter.rpartition(" ")
            if (one := self._sub_relays.get(name)) is not None:
                _limiters(one)[what].paid_elsewhere(table, key, cost, now)

    def _count(self, worker: int, told: Counted) -> None:
        self._server.elsewhere.tell(worker, told.groups, told.total, whole=told.whole)
        self._operators_elsewhere[worker] = told.operators

    def _forget(self, worker: int) -> None:
        self._server.elsewhere.forget(worker)
        self._operators_elsewhere.pop(worker, None)

    def _see(self, workers: int) -> None:
        self._present = workers

    # How the whole does

    async def gather(self, *, health: bool = False) -> Sequence[HostSample]:
        """How the others do, as far as they answer within `ANSWER_LIMIT`; with `health`, each looks
        whether it can write."""
        async with self._gathering:
            at, held = self._gathered.get(health, (-ANSWER_LIMIT, ()))
            if time.monotonic() - at >= ANSWER_LIMIT:
                held = await self._ask(health)
                self._gathered[health] = time.monotonic(), held
            return held

    async def _ask(self, health: bool) -> list[HostSample]:
        question, found = next(self._questions), list[HostSample]()
        queue = self._answers[question] = asyncio.Queue[HostSample]()
        self._bus.tell(SampleAsked(question, health))
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                while len(found) < self._present - 1:
                    found.append(await queue.get())
        except TimeoutError:
            pass
        finally:
            del self._answers[question]
        return found

    def _answer(self, asker: int, asked: SampleAsked) -> None:
        if len(self._tasks) < ALL:
            task = asyncio.create_task(self._tell_sample(asker, asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell_sample(self, asker: int, asked: SampleAsked) -> None:
        sample = await self._host.sample(health=asked.health)
        self._bus.tell(SampleTold(asked.question, msgspec.msgpack.encode(sample)), asker)

    def _take(self, told: SampleTold) -> None:
        if (queue := self._answers.get(told.question)) is not None:
            queue.put_nowait(msgspec.msgpack.decode(told.sample, type=HostSample))

    async def _figures(self, name: str) -> Figures:
        return figures([await self._host.sample(), *await self.gather()], name)


def _limiters(one: ServedSubRelay) -> dict[str, RateLimiter]:
    """By what they rate."""
    rates = one.policies.rates
    return {
        "events": rates.events,
        "queries": rates.queries,
        "bytes": rates.bytes,
        "vanishing": one.policies.vanishing,
    }
