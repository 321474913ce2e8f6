"""The CopyLedger of a store in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from msgspec.structs import replace

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import KindClass, kind_class
from nostr_client.store.contract import (
    FIRST_AUDIT,
    GONE,
    INSIDE,
    Audited,
    Copy,
    CopyGrade,
    CopyState,
    Refuser,
)
from nostr_client.store.memory.held import HeldEvents

_WAITING = (CopyState.WANTED, CopyState.FAILED)


class MemoryCopyLedger:
    """See `CopyLedger`."""

    def __init__(self, held: HeldEvents, clock: Callable[[], float]) -> None:
        self._held = held
        self._clock = clock
        self._copies: dict[str, dict[str, Copy]] = {}
        """By id and URL, in the order in which relays were first named."""

    async def want(self, event_id: str, urls: Collection[str], *, anew: bool = True) -> None:
        await self.want_all({event_id: urls}, anew=anew)

    async def want_all(self, wanted: Mapping[str, Collection[str]], *, anew: bool = True) -> None:
        now = int(self._clock())
        for event_id, url in ((event_id, url) for event_id, urls in wanted.items() for url in urls):
            copy = self._get(event_id, url)
            if copy.state in GONE and anew:
                copy = replace(copy, state=CopyState.WANTED, next_try=0, updated_at=now)
            elif copy.state is CopyState.CONFIRMED and not copy.wanted:
                copy = replace(copy, audit_at=now + FIRST_AUDIT)
            self._put(replace(copy, wanted=True))

    async def unwant(self, event_id: str, urls: Collection[str]) -> None:
        known = self._copies.get(event_id, {})
        for url in urls:
            copy = known.get(url)
            if copy is not None and copy.state is CopyState.CONFIRMED:
                self._put(replace(copy, wanted=False, audit_at=0))
            elif copy is not None:
                del known[url]

    async def confirm(
        self, pairs: Sequence[tuple[str, str]], grade: CopyGrade = CopyGrade.SAID
    ) -> None:
        now = int(self._clock())
        for event_id, url in pairs:
            known = url in self._copies.get(event_id, {})
            copy = self._get(event_id, url)
            copy = copy if known else replace(copy, wanted=False)
            if copy.state is not CopyState.CONFIRMED:
                audit_at = now + FIRST_AUDIT if copy.wanted else copy.audit_at
                copy = replace(
                    copy, updated_at=now, grade=CopyGrade.NONE, audit_at=audit_at, audits=0
                )
            copy = replace(copy, state=CopyState.CONFIRMED, next_try=0, prefix="", reason="")
            self._put(replace(copy, grade=max(copy.grade, grade)))

    async def adopt(self, copies: Sequence[Copy]) -> None:
        for copy in copies:
            if copy.url not in self._copies.get(copy.event_id, {}):
                self._put(copy)

    async def audits_due(
        self, pubkeys: Collection[str], now: float, limit: int, *, besides: Collection[str] = ()
    ) -> list[Copy]:
        waiting = [
            copy
            for event in self._by(pubkeys)
            for copy in self._of(event.id)
            if 0 < copy.audit_at <= int(now) and copy.url not in besides
        ]
        return sorted(waiting, key=lambda copy: copy.audit_at)[:limit]

    async def audited(self, results: Sequence[Audited]) -> None:
        now = int(self._clock())
        for result in results:
            copy = self._get(result.event_id, result.url)
            if copy.state is CopyState.CONFIRMED:
                self._put(
                    replace(
                        copy,
                        state=result.state,
                        grade=result.grade,
                        audit_at=result.audit_at,
                        reason=result.reason,
                        audits=result.audits,
                        updated_at=copy.updated_at if result.state is copy.state else now,
                    )
                )

    async def refuse(
        self,
        event_id: str,
        url: str,
        prefix: str,
        reason: str,
        *,
        final: bool,
        next_try: int,
        handed: bool = True,
    ) -> None:
        copy = self._get(event_id, url)
        was_handed = handed or copy.state is CopyState.FAILED
        waits = CopyState.FAILED if was_handed else CopyState.WANTED
        self._put(
            replace(
                copy,
                state=CopyState.REFUSED if final else waits,
                attempts=copy.attempts + 1,
                next_try=next_try,
                prefix=prefix,
                reason=reason,
                updated_at=int(self._clock()),
                grade=CopyGrade.NONE,
                audit_at=0,
            )
        )

    async def copies(self, event_id: str) -> list[Copy]:
        return self._of(event_id)

    async def copies_of(self, ids: Collection[str]) -> dict[str, list[Copy]]:
        return {event_id: self._of(event_id) for event_id in ids}

    async def due(
        self,
        now: float,
        limit: int = 100,
        *,
        besides: Collection[str] = (),
        each: int | None = None,
    ) -> list[Copy]:
        chosen: list[Copy] = []
        places: Counter[str] = Counter()
        for event in sorted(self._held.all(), key=_place):
            for copy in self._of(event.id):
                waits = copy.state in _WAITING and copy.next_try <= int(now)
                if waits and copy.url not in besides:
                    places[copy.url] += 1
                    if each is None or places[copy.url] <= each:
                        chosen.append(copy)
        return chosen[:limit]

    async def holders(self, limit: int) -> list[str]:
        held = Counter(
            copy.url
            for known in self._copies.values()
            for copy in known.values()
            if copy.state is CopyState.CONFIRMED
        )
        return sorted(held, key=lambda url: (-held[url], url))[:limit]

    async def refusers(
        self, pubkeys: Collection[str], prefixes: Collection[str], least: int
    ) -> list[Refuser]:
        refused: dict[str, list[Copy]] = {}
        taken: dict[str, int] = {}
        for copy in (copy for event in self._by(pubkeys) for copy in self._of(event.id)):
            if copy.state is CopyState.REFUSED and copy.prefix.lower() in prefixes:
                refused.setdefault(copy.url, []).append(copy)
            elif copy.state is CopyState.CONFIRMED and copy.wanted:
                taken[copy.url] = max(taken.get(copy.url, 0), copy.updated_at)
        found: list[Refuser] = []
        for url in sorted(refused):
            since = [copy for copy in refused[url] if copy.updated_at > taken.get(url, 0)]
            if len(since) >= least:
                last = max(since, key=lambda copy: copy.updated_at)
                found.append(Refuser(url, len(since), last.updated_at, last.prefix, last.reason))
        return found

    async def hurry(self, prefix: str = "") -> None:
        for known in self._copies.values():
            for copy in known.values():
                if copy.state in _WAITING and (not prefix or copy.prefix.lower() == prefix):
                    known[copy.url] = replace(copy, next_try=0)

    async def set_back(self, now: float) -> None:
        at = int(now)
        for known in self._copies.values():
            for copy in known.values():
                if copy.state in _WAITING and copy.updated_at > at:
                    wait = copy.next_try - copy.updated_at
                    next_try = at + wait if wait > 0 else copy.next_try
                    known[copy.url] = replace(copy, next_try=next_try, updated_at=at)

    async def unplanned(self, pubkeys: Collection[str]) -> list[str]:
        return [event.id for event in self._by(pubkeys) if not self._of(event.id)]

    async def tracked(self, pubkeys: Collection[str]) -> list[str]:
        return [
            event.id
            for event in self._by(pubkeys)
            if any(copy.wanted for copy in self._of(event.id))
        ]

    async def strays(self, pubkeys: Collection[str], besides: Collection[int] = ()) -> list[str]:
        return [
            event.id
            for event in self._by(pubkeys)
            if event.kind not in besides and not self.is_wanted(event.id)
        ]

    async def tally(self, pubkeys: Collection[str]) -> dict[str, dict[CopyState, int]]:
        found: dict[str, Counter[CopyState]] = {}
        for event in self._by(pubkeys):
            for copy in self._of(event.id):
                if copy.wanted:
                    found.setdefault(copy.url, Counter())[copy.state] += 1
        return {url: dict(states) for url, states in found.items()}

    async def unsent(self, pubkeys: Collection[str], besides: Collection[str] = ()) -> int:
        def waits(copies: list[Copy]) -> bool:
            elsewhere = [copy for copy in copies if copy.url not in besides]
            return any(copy.state in _WAITING for copy in copies) and not any(
                copy.state is CopyState.CONFIRMED for copy in elsewhere
            )

        return sum(waits(self._of(event.id)) for event in self._by(pubkeys))

    def bringer(self, event_id: str) -> str:
        """The relay that brought it first; `INSIDE` where none did."""
        copies = self._copies.get(event_id, {}).values()
        confirmed = [copy for copy in copies if copy.state is CopyState.CONFIRMED]
        first = min(confirmed, key=lambda copy: copy.updated_at, default=None)
        return INSIDE if first is None else first.url

    def is_wanted(self, event_id: str) -> bool:
        """Is a copy of it to be somewhere, or was it, for us?"""
        return any(copy.wanted for copy in self._copies.get(event_id, {}).values())

    def forget(self, event_id: str) -> None:
        """What is known of copies of this event."""
        self._copies.pop(event_id, None)

    def _get(self, event_id: str, url: str) -> Copy:
        """What is known of it, or a new copy that is wanted from now on."""
        now = int(self._clock())
        new = Copy(event_id, url, CopyState.WANTED, 0, 0, "", "", now)
        return self._copies.get(event_id, {}).get(url, new)

    def _put(self, copy: Copy) -> None:
        self._copies.setdefault(copy.event_id, {})[copy.url] = copy

    def _of(self, event_id: str) -> list[Copy]:
        return sorted(self._copies.get(event_id, {}).values(), key=lambda copy: copy.url)

    def _by(self, pubkeys: Collection[str]) -> list[Event]:
        own = [event for event in self._held.all() if event.pubkey in pubkeys]
        return sorted(own, key=_place)


def _place(event: Event) -> tuple[bool, int]:
    """Replaceable events first, then the newest."""
    return kind_class(event.kind) is not KindClass.REPLACEABLE, -event.created_at
