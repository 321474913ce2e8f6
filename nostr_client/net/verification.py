"""Between sockets and subscriptions: which events are true, with as few checks as that takes.

It judges; `incoming` drops what is forged, and the session counts it against the relay.

Rules
- Only a verified event makes others superfluous: `_held` maps the ids of verified events to their
  signatures. An event equal to one held there, signature included, is true without a check; so is
  one equal to what the store holds (`known`).
- An event whose equal, signature included, is being checked waits for that verdict. One that claims
  the same id with another signature is checked on its own: neither verdict says anything about it.
- A check, once begun, is finished whatever becomes of the connection it came from, since others may
  wait for it.
- A few events are judged where they stand, if the verifier does that: to look for them in the
  store, or to hand them to a thread, takes longer than to check them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol, runtime_checkable

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event

_log = logging.getLogger(__name__)

HELD: Final = 65_536
"""Verified ids that are remembered, the oldest forgotten first."""

Known = Callable[[Collection[str]], Awaitable[Mapping[str, bytes]]]
"""What is held of these ids: each event's JSON, or its signature (raw or in hex)."""


class EventVerifier(Protocol):
    """What verification needs of a verifier."""

    async def verify_all(self, events: Sequence[Event]) -> list[bool]:
        """Are the signatures those of their authors?"""


@runtime_checkable
class VerifiesFew(Protocol):
    """A verifier that also judges a few events at once, on the loop."""

    def verify_few(self, events: Sequence[Event]) -> list[bool] | None:
        """As `verify_all` would; None where that is to be asked."""


class VerificationBatch:
    """Events under judgement: await `done`, then `verdicts` holds one bool for each."""

    __slots__ = ("_waits", "done", "events", "verdicts")

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.verdicts: list[bool] = []
        self.done = asyncio.Event()
        self._waits: dict[int, tuple[VerificationBatch, int]] = {}


class Verification:
    """Judges events for every connection of a pool."""

    def __init__(
        self,
        verifier: EventVerifier,
        known: Known | None,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """`spawn` starts a task that lives as long as the pool."""
        self._verifier = verifier
        self._few = verifier.verify_few if isinstance(verifier, VerifiesFew) else None
        self._known = known
        self._spawn = spawn
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._flying: dict[str, tuple[str, VerificationBatch, int]] = {}

    def submit(self, events: list[Event]) -> VerificationBatch:
        """Begin to judge `events`, in order."""
        check = VerificationBatch(events)
        held, flying = self._held, self._flying
        open_indices: list[int] = []
        for index, event in enumerate(events):
            id, sig = event.id, event.sig
            known = held.get(id)
            if known is not None and known == bytes.fromhex(sig):
                continue
            flight = flying.get(sig)
            if flight is None:
                flying[sig] = (id, check, index)
            elif flight[0] == id:
                check._waits[index] = flight[1:]
                continue
            open_indices.append(index)
        check.verdicts = [True] * len(events)
        if check._waits or not self._judged_at_once(check, open_indices):
            self._spawn(self._settle(check, open_indices))
        else:
            check.done.set()
        return check

    def _judged_at_once(self, check: VerificationBatch, indices: list[int]) -> bool:
        if not indices:
            return True
        if self._few is None:
            return False
        found = self._few([check.events[index] for index in indices])
        if found is None:
            return False
        for index, verdict in zip(indices, found, strict=True):
            check.verdicts[index] = verdict
        self._remember(check, indices)
        return True

    async def _settle(self, check: VerificationBatch, open_indices: list[int]) -> None:
        events, verdicts = check.events, check.verdicts
        pending = open_indices
        if pending:
            held = await self._held_in_store([events[index].id for index in pending])
            if held:
                pending = [i for i in pending if not _equal(held.get(events[i].id), events[i])]
        if pending:
            found = await self._verifier.verify_all([events[index] for index in pending])
            for index, verdict in zip(pending, found, strict=True):
                verdicts[index] = verdict
        self._remember(check, open_indices)
        for index, (other, place) in check._waits.items():
            if other is not check:
                await other.done.wait()
            verdicts[index] = other.verdicts[place]
        check.done.set()

    def _remember(self, check: VerificationBatch, indices: list[int]) -> None:
        """Those of `check` that were open are judged, and under way no longer."""
        for index in indices:
            event = check.events[index]
            if check.verdicts[index]:
                self._held[event.id] = bytes.fromhex(event.sig)
            flight = self._flying.get(event.sig)
            if flight is not None and flight[1] is check and flight[2] == index:
                del self._flying[event.sig]
        while len(self._held) > HELD:
            self._held.popitem(last=False)

    async def _held_in_store(self, ids: list[str]) -> Mapping[str, bytes]:
        if self._known is None:
            return {}
        try:
            return await self._known(ids)
        except StoreError as error:  # the store only saves checks; without it, all are made
            _log.warning("the store could not say what it holds: %s", error)
            return {}


def _equal(held: bytes | None, event: Event) -> bool:
    return held is not None and held in (event.json, event.sig.encode(), bytes.fromhex(event.sig))
