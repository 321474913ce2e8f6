"""Guards on what relays obey for good: a request to vanish, and deletions in a mass.

**Kind 62** (NIP-62) is always grave.

**Kind 5** (NIP-09) names what goes, so a deletion is its own confirmation; but no more than `MOST`
events and addresses in `WINDOW` seconds, whoever has them signed: this program, a script, the
programs that a bunker serves. What was signed is counted in a file of the account, so that every
process knows. Beyond that each one is grave, and what a person then confirms is not counted. Grave
in any case is one that names a list by which the account lives (`list_loss.GRAVE`), by its address
or by the id of the version in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.paths import patient_lock, private_folder, translated, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Draft, Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.list_dates import AHEAD
from nostr_client.routing.list_loss import GRAVE
from nostr_client.routing.list_reading import name_of
from nostr_client.signing.guards import Objection
from nostr_client.store.rules import ALL_RELAYS, read_address

MOST: Final = 20
"""Events and addresses that may be deleted in `WINDOW` without a question."""
WINDOW: Final = 86_400
"""Seconds for which a deletion counts."""
TURN_LIMIT: Final = 10.0
"""Seconds to wait for another process that counts."""
NAMED: Final = 3
"""Relays of a request to vanish that are said."""

Held = Callable[[Collection[str]], Awaitable[list[Event]]]
"""Those events of these ids that the store has."""


async def vanishing(draft: Draft) -> Objection | None:
    """A `Guard` on requests to vanish."""
    if draft.kind != kinds.VANISH:
        return None
    named = [tag[1] for tag in draft.tags if tag[0] == "relay" and len(tag) > 1]
    if ALL_RELAYS in named:
        where = "every relay"
    else:
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        where = f"{', '.join(named[:NAMED])}{more}" if named else "relays"
    return Objection(
        f"it asks {where} to delete, for good, all that this account ever wrote, and the private"
        " messages to it",
        "vanish",
    )


class _Signed(msgspec.Struct, frozen=True, array_like=True):
    """A deletion of so many, at `at` (seconds since 1970)."""

    at: int
    count: int


class MassDeletion:
    """A `Guard` on deletions by the account `pubkey` (hex). `folder` (data) holds the count, `held`
    finds what is named by its id."""

    def __init__(self, pubkey: str, folder: Path, held: Held, clock: Callable[[], float]) -> None:
        self._pubkey = pubkey
        self._path = folder / f"deletions-{pubkey[:16]}.json"
        self._held = held
        self._clock = clock

    async def __call__(self, draft: Draft) -> Objection | None:
        """Counts what it lets pass. Raises StoreError."""
        if draft.kind != kinds.DELETION:
            return None
        named = {tag[:2] for tag in draft.tags if tag[0] in ("e", "a") and len(tag) > 1}
        ids = {value for name, value in named if name == "e" and is_hex64(value)}
        held = [event for event in await self._held(ids) if event.pubkey == self._pubkey]
        if grave := self._lists([value for name, value in named if name == "a"], held):
            words = " and ".join(f"the {name_of(kind)}" for kind in grave)
            return Objection(f"it deletes {words}", "delete")
        twice = {event.id for event in held if ("a", event.address) in named}
        count = max(1, len(named) - len(twice))
        before = await self._count(count)
        if before + count <= MOST:
            return None
        events = "1 event" if count == 1 else f"{count} events"
        lately = f", after {before} within a day" if before else ""
        return Objection(f"it deletes {events}{lately}", "delete")

    def _lists(self, addresses: Sequence[str], held: Sequence[Event]) -> list[int]:
        """The kinds of the lists by which the account lives that are named, by their addresses or
        as the version in force; one that a wrong clock dated is not in force (`list_dates`)."""
        latest = self._clock() + AHEAD
        found = [read_address(address) for address in addresses]
        named = {each[0] for each in found if each and each[1] == self._pubkey}
        named |= {event.kind for event in held if event.created_at <= latest}
        return sorted(named & GRAVE.keys())

    async def _count(self, more: int) -> int:
        """How many were deleted lately; `more` are added where they may be."""
        private_folder(self._path.parent)
        async with patient_lock(self._path.with_suffix(".lock"), TURN_LIMIT):
            return await asyncio.to_thread(self._counted, more)

    def _counted(self, more: int) -> int:
        now = int(self._clock())
        lately = [
            _Signed(min(one.at, now), one.count)  # a clock that was set back holds up nobody
            for one in self._read(now)
            if now - one.at < WINDOW
        ]
        before = sum(one.count for one in lately)
        if before + more <= MOST:
            write_private(self._path, msgspec.json.encode([*lately, _Signed(now, more)]))
        return before

    def _read(self, now: int) -> list[_Signed]:
        """What is damaged counts as all that is allowed."""
        with translated(f"cannot read {self._path}"):
            try:
                return msgspec.json.decode(self._path.read_bytes(), type=list[_Signed])
            except FileNotFoundError:
                return []
            except MALFORMED:
                spent = [_Signed(now, MOST)]
                write_private(self._path, msgspec.json.encode(spent))
                return spent
