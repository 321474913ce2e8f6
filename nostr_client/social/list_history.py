"""The time machine of the account's lists: earlier versions, taken back, put together.

The store keeps every version of them. What is taken back or merged is published as a new version,
like any other change: the newest one is read first (`routing.list_guard`). Where that is not the
version that the person saw, because another device wrote meanwhile, what that one changed stays
(`list_versions.merge`), and what cannot be had both ways is said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from nostr_client.errors import InvalidEvent, SigningRefused
from nostr_client.protocol.event import Draft, Event, event_address
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import NO_WAIVER, Waiver, name_of
from nostr_client.routing.private_part import PrivatePart
from nostr_client.safe_text import safe_line
from nostr_client.social.list_versions import (
    HAS_NO_PRIVATE_PART,
    ItemChange,
    Items,
    MergedItems,
    draft_of,
    items_of,
    merge,
)
from nostr_client.social.lists import OwnList
from nostr_client.social.views import Posted

LEAST_PREFIX: Final = 6
"""Characters of an id that name a version."""


@dataclass(frozen=True, slots=True)
class ListVersion:
    """One version: the newest is number 1. `is_closed`: its private part cannot be read here."""

    number: int
    event: Event
    items: Items
    is_closed: bool = False


@dataclass(frozen=True, slots=True)
class Restored:
    """What taking back or merging came to. `posted` is None where nothing was to be changed;
    `conflicts` are what was changed on both sides: what stands now, and what gave way."""

    posted: Posted | None
    conflicts: tuple[ItemChange, ...] = ()


class ListHistory:
    """The versions of the account `owner`'s lists, by kind."""

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        self._courier = courier
        self._guard = guard
        self._owner = owner

    def list_of(self, kind: int) -> OwnList:
        """The list itself, to be fetched. Raises InvalidEvent for a kind that is none."""
        return OwnList(self._courier, self._guard, self._owner, kind)

    async def versions(self, kind: int) -> list[Event]:
        """All that were kept, the newest first. Raises StoreError."""
        store, address = self._courier.store, event_address(kind, self._owner)
        newest = await store.get_address(address)
        return [*([newest] if newest else []), *await store.history(address)]

    async def version(self, kind: int, which: str = "1") -> ListVersion:
        """The version that is meant by its number (the newest is 1) or the beginning of its id, its
        private part opened where there is a key.

        Raises InvalidEvent where there is none, or more than one; SignerUnavailable, StoreError.
        """
        each = list(enumerate(await self.versions(kind), 1))
        if which.isdecimal() and len(which) < LEAST_PREFIX:
            found = [one for one in each if one[0] == int(which)]
        else:
            wanted = which.lower() if len(which) >= LEAST_PREFIX else "none"
            found = [one for one in each if one[1].id.startswith(wanted)]
        if len(found) != 1:
            many = "several versions are" if found else "no version is"
            raise InvalidEvent(
                f"{many} meant by “{safe_line(which, 80)}”: of the {name_of(kind)} there are "
                f"{len(each)} here; a version is named by its number, from 1 for the newest, or by "
                f"{LEAST_PREFIX} or more characters of its id"
            )
        return await _opened(self._part(kind), *found[0])

    async def restore(
        self,
        version: ListVersion,
        seen: ListVersion,
        *,
        waiver: Waiver = NO_WAIVER,
        on_answer: OnAnswer | None = None,
    ) -> Restored:
        """Publish what `version` holds, in place of `seen`, the newest that the person saw.

        Raises ListNotRead, NotConfirmed and other SignerErrors, InvalidEvent, StoreError.
        """
        return await self._publish(version.event.kind, version.items, seen, waiver, on_answer)

    async def merge(
        self,
        mine: ListVersion,
        theirs: ListVersion,
        base: ListVersion,
        seen: ListVersion,
        *,
        waiver: Waiver = NO_WAIVER,
        on_answer: OnAnswer | None = None,
    ) -> Restored:
        """Publish what `mine` and `theirs`, both made from `base`, come to together.

        Raises as `restore` does.
        """
        merged = merge(base.items, mine.items, theirs.items)
        done = await self._publish(mine.event.kind, merged.items, seen, waiver, on_answer)
        return Restored(done.posted, (*merged.conflicts, *done.conflicts))

    # Inside

    async def _publish(
        self,
        kind: int,
        wanted: Items,
        seen: ListVersion,
        waiver: Waiver,
        on_answer: OnAnswer | None,
    ) -> Restored:
        part = self._guard.private_part() if kind not in HAS_NO_PRIVATE_PART else None
        merged = MergedItems(wanted)

        def change(last: Event | None) -> Draft | None:
            nonlocal merged
            held = _items(part, last) if last is not None else seen.items
            merged = merge(seen.items, wanted, held)
            return (
                None if last is not None and merged.items == held else draft_of(kind, merged.items)
            )

        done = await self._guard.edit(
            kind, change, waiver=waiver, on_answer=on_answer, private=part
        )
        return Restored(Posted(*done) if done else None, merged.conflicts)

    def _part(self, kind: int) -> PrivatePart | None:
        if kind in HAS_NO_PRIVATE_PART:
            return None
        try:
            return self._guard.private_part()
        except SigningRefused:  # watched only
            return None


async def _opened(part: PrivatePart | None, number: int, event: Event) -> ListVersion:
    opened = event if part is None else await part.open(event)
    may_be_closed = bool(event.content) and event.kind not in HAS_NO_PRIVATE_PART
    closed = may_be_closed and (part is None or part.tags(opened) is None)
    return ListVersion(number, event, _items(part, opened), closed)


def _items(part: PrivatePart | None, opened: Event) -> Items:
    private = part.tags(opened) if part is not None and opened.content else None
    return items_of(opened, private)
