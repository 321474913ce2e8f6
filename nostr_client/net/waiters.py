"""Who waits for what a relay says: futures for the OKs, COUNTs and reconciliations under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from nostr_client.net.outcome import Cause
from nostr_client.net.session.effects import CountReceived, NegentropyReceived, OkReceived


class Unanswered(NamedTuple):
    """Why there is no OK; `handed`: the relay may have the event."""

    cause: Cause
    handed: bool = False


OkWaiter = asyncio.Future[OkReceived | Unanswered]
CountWaiter = asyncio.Future[CountReceived]
NegentropyWaiter = asyncio.Future[NegentropyReceived]
_T = TypeVar("_T")


def told(answer: _T) -> asyncio.Future[_T]:
    """What somebody would wait for, and who knows it already."""
    waiter: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
    waiter.set_result(answer)
    return waiter


class Waiters:
    """Those of one relay: OKs by the event's id, the others by their key."""

    def __init__(self) -> None:
        self._oks: dict[str, list[OkWaiter]] = {}
        self._counts: dict[int, CountWaiter] = {}
        self._reconciliations: dict[int, NegentropyWaiter] = {}

    def for_ok(self, event_id: str) -> OkWaiter:
        """Several may wait for the same."""
        waiter: OkWaiter = asyncio.get_running_loop().create_future()
        self._oks.setdefault(event_id, []).append(waiter)
        return waiter

    def for_count(self, key: int) -> CountWaiter:
        waiter = self._counts[key] = asyncio.get_running_loop().create_future()
        return waiter

    def for_negentropy(self, key: int) -> NegentropyWaiter:
        """The relay's next word in a reconciliation."""
        waiter = self._reconciliations[key] = asyncio.get_running_loop().create_future()
        return waiter

    def forget_ok(self, event_id: str, waiter: OkWaiter) -> bool:
        """He does not wait any longer; is nobody left who does?"""
        waiters = self._oks.get(event_id, [])
        if waiter in waiters:
            waiters.remove(waiter)
        if waiters:
            return False
        self._oks.pop(event_id, None)
        return True

    def forget(self, key: int) -> None:
        """Whoever asked for this count or reconciliation does not wait any longer."""
        self._counts.pop(key, None)
        self._reconciliations.pop(key, None)

    # What came

    def ok(self, answer: OkReceived) -> bool:
        """Did anybody wait for it?"""
        waiters = self._oks.pop(answer.event_id, [])
        _tell(waiters, answer)
        return bool(waiters)

    def count(self, answer: CountReceived) -> None:
        waiter = self._counts.pop(answer.key, None)
        _tell([waiter] if waiter else [], answer)

    def negentropy(self, answer: NegentropyReceived) -> None:
        waiter = self._reconciliations.get(answer.key)
        _tell([waiter] if waiter else [], answer)

    def fail(self, cause: Cause, was_sent: Callable[[str], bool]) -> tuple[list[str], list[int]]:
        """No OK and no count will come soon; the events and the keys that nobody waits for now.
        `was_sent`: was this event handed to the relay?"""
        events, keys = list(self._oks), list(self._counts)
        for event_id, waiters in self._oks.items():
            _tell(waiters, Unanswered(cause, was_sent(event_id)))
        for key, waiter in self._counts.items():
            _tell([waiter], CountReceived(key, None, cause=cause))
        self._oks.clear()
        self._counts.clear()
        return events, keys


def _tell(waiters: Iterable[asyncio.Future[Any]], answer: object) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(answer)
