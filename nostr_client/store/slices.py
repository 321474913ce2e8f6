"""What every engine does alike with what it has read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION
from nostr_client.store import rules
from nostr_client.store.contract import EventStore
from nostr_client.store.index_keys import MAX

Place = tuple[int, bytes]
"""Of an event in NIP-01's order, as `place_of` says it."""
END: Final[Place] = (MAX, b"")
"""Behind all of them."""


async def merged(
    walks: Sequence[AsyncIterator[list[Event]]], size: int
) -> AsyncIterator[list[Event]]:
    """What several walks bring, each newest first, as one: each event once, in slices of at most
    `size`."""
    heads: list[list[Event]] = [await anext(walk, []) for walk in walks]
    while any(heads):
        # Up to the newest of the last ones, no walk can bring anything in between.
        edge = min(head[-1].order for head in heads if head)
        ready = {e.id: e for head in heads for e in head if e.order <= edge}
        out = sorted(ready.values(), key=lambda event: event.order)
        for start in range(0, len(out), size):
            yield out[start : start + size]
        for index, walk in enumerate(walks):
            had = bool(heads[index])
            heads[index] = [event for event in heads[index] if event.order > edge]
            if had and not heads[index]:
                heads[index] = await anext(walk, [])


def fitting(
    found: Mapping[Place, tuple[int, int]], edge: Place, most: int
) -> tuple[list[int], bool]:
    """Of places with their bytes and their numbers, those before `edge` that fit into `most` bytes:
    whole seconds if there is more than one, and at least one event. Their numbers, newest first,
    and whether `most` left nothing out."""
    taken: list[tuple[Place, int]] = []
    complete = True
    for place in sorted(place for place in found if place < edge):
        size, number = found[place]
        most -= size + 1
        if most < 0 and taken:
            complete, edge = False, place
            break
        taken.append((place, number))
    whole_seconds = [entry for entry in taken if entry[0][0] < edge[0]]
    return [number for _, number in whole_seconds or taken], complete


def lowest(*limits: int | None) -> int | None:
    """The least of those that are limits."""
    return min((limit for limit in limits if limit is not None), default=None)


async def deletion_frees_room(store: EventStore, event: Event) -> bool:
    """See `EventStore.frees_room`: is it a deletion that would take out something? Raises
    StoreError."""
    if event.kind != DELETION:
        return False
    targets = rules.deletion_of(event)
    named = [Event.from_trusted(data) for data in (await store.known(targets.ids)).values()]
    held = [await store.get_address(address) for address in targets.addresses]
    versions = [version for version in held if version is not None]
    return rules.deletion_frees_room(event, named, versions)
