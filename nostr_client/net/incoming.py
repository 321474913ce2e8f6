"""What comes from one relay: from its session to its subscriptions, a short pipeline, in order.

What `verification` finds forged is dropped here, and counted against the relay.

It outlives the socket, so what was received is never lost with it. A subscription whose reader is
slow stops the pipeline, and the pipeline stops the socket. If he reads nothing for `STALL_LIMIT`
seconds, his subscription is closed at the relay until he does, and resumed then: the others go on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec

from nostr_client.net.health import RelayHealth
from nostr_client.net.outcome import Cause, How
from nostr_client.net.session.effects import (
    Effect,
    Effects,
    EventsReceived,
    StoredEnded,
    SubscriptionStopped,
)
from nostr_client.net.session.session import ClientSession
from nostr_client.net.subscription import Ended, EndOfStored, Subscription
from nostr_client.net.verification import Verification, VerificationBatch
from nostr_client.protocol.event import Event

PIPELINE: Final = 8
"""Batches between socket and subscriptions."""
STALL_LIMIT: Final = 30.0
"""Seconds that a reader may hold up the socket before only his subscription is paused."""

_Batch = tuple[list[Effect], VerificationBatch | None]


class Owner(msgspec.Struct, frozen=True):
    """What incoming events ask of their connection."""

    carry_out: Callable[[Effects], None]
    aside: Callable[[Coroutine[Any, Any, None]], None]
    now: Callable[[], int]


class IncomingEvents:
    """The subscriptions of one relay by key, and the pipeline that leads to them."""

    def __init__(
        self, health: RelayHealth, session: ClientSession, verification: Verification, owner: Owner
    ) -> None:
        self._health = health
        self._session = session
        self._verification = verification
        self._owner = owner
        self._subs: dict[int, Subscription] = {}
        self._keys: dict[Subscription, int] = {}
        self._paused: set[int] = set()
        self._batches: deque[_Batch] = deque()
        self._full: deque[tuple[int, Subscription]] = deque()
        self._ending = False
        self._filled = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    def add(self, key: int, sub: Subscription) -> None:
        self._subs[key], self._keys[sub] = sub, key

    def remove(self, sub: Subscription) -> int | None:
        """The key it had, if any; what is on the way to it is dropped."""
        key = self._keys.pop(sub, None)
        if key is not None:
            del self._subs[key]
            self._paused.discard(key)
        return key

    async def room(self) -> None:
        """Wait until the pipeline takes another batch: before it is made of what came, so that
        nobody who is cancelled while he waits has anything to lose."""
        await self._has_room.wait()

    def put(self, effects: list[Effect]) -> None:
        """Events and what happened to subscriptions, in order."""
        events: list[Event] = []
        for effect in effects:
            if isinstance(effect, EventsReceived):
                events += effect.events
        check = self._verification.submit(events) if events else None
        if check is not None and check.done.is_set() and not self._batches and not self._full:
            # Nothing is before it: it need not wait for another turn of the loop.
            self._deliver(effects, check.verdicts)
        else:
            self._batches.append((effects, check))
        self._filled.set()
        if len(self._batches) >= PIPELINE:
            self._has_room.clear()

    def end(self) -> None:
        """Let `run` return when everything is delivered."""
        self._ending = True
        self._filled.set()

    async def run(self) -> None:
        """The pipeline's other end."""
        while True:
            if self._full:
                await self._wait_for_reader(*self._full[0])
                self._full.popleft()
            elif self._batches:
                effects, check = self._batches[0]
                if check is not None:
                    await check.done.wait()
                self._deliver(effects, check.verdicts if check else [])
                self._batches.popleft()
                self._has_room.set()
            elif self._ending:
                self._ending = False
                return
            else:
                self._filled.clear()
                await self._filled.wait()

    def _deliver(self, effects: list[Effect], verdicts: list[bool]) -> None:
        """To the subscriptions, in order; whose readers are to be waited for is in `_full` then."""
        place = 0
        for effect in effects:
            if isinstance(effect, EventsReceived):
                end = place + len(effect.events)
                self._hand_over(effect, verdicts[place:end])
                place = end
            elif isinstance(effect, StoredEnded):
                said = EndOfStored(
                    self._health.url,
                    effect.complete,
                    effect.pages,
                    effect.crowded,
                    effect.left_out,
                )
                self._tell(effect.key, said)
            elif isinstance(effect, SubscriptionStopped):
                self._stopped(effect)

    def _stopped(self, effect: SubscriptionStopped) -> None:
        self._tell(effect.key, Ended(self._health.url, effect.cause, effect.final))

    def _tell(self, key: int, item: EndOfStored | Ended) -> None:
        sub = self._subs.get(key)
        if sub is not None:
            sub.happened(item)

    def _hand_over(self, effect: EventsReceived, verdicts: list[bool]) -> None:
        events = effect.events
        if not all(verdicts):
            events = [event for event, good in zip(events, verdicts, strict=True) if good]
            self._owner.carry_out(self._session.forged(len(verdicts) - len(events)))
        sub = self._subs.get(effect.key)
        if sub is not None:
            repeated = sub.arrived(self._health.url, events, effect.live)
            self._health.counters.repeated += repeated
            self._health.counters.delivered += len(events) - repeated
            if not sub.has_room and effect.key not in self._paused:
                self._full.append((effect.key, sub))

    async def _wait_for_reader(self, key: int, sub: Subscription) -> None:
        if key in self._paused:
            return  # one batch may have brought him events more than once
        try:
            async with asyncio.timeout(STALL_LIMIT):
                await sub.room()
        except TimeoutError:
            self._paused.add(key)
            self._owner.carry_out(self._session.pause(key))
            words = f"paused, since nothing was read for {STALL_LIMIT:g} s"
            sub.happened(Ended(self._health.url, Cause(How.LOST, words), final=False))
            self._owner.aside(self._go_on(key, sub))

    async def _go_on(self, key: int, sub: Subscription) -> None:
        await sub.room()
        if key in self._paused:
            self._paused.discard(key)
            self._owner.carry_out(self._session.go_on(key, self._owner.now()))
