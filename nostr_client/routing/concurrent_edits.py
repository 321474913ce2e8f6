"""Other devices that change the same list at the same time, and how nothing of theirs is lost.

A relay keeps the newest version only. Two devices that read one version and publish one each make
the earlier of the two disappear, and each was told that it was accepted. So whoever changes a list
listens to its relays all the while, and once its own version was taken:

1. If another version won (a later one, or of one second that with the lower id), the change is made
   again on that version.
2. If it *replaced* one that it had not built on, it answers for what that one had changed: the
   change is carried over (`change_between`). Whose version was replaced may have looked already,
   and gone.

A version that was replaced is the newest of those that are older than the one that replaced it; for
those before it, its own device answers by the same rule.

What a version changed is told by the one it was built on. That is our own base, where this is older
than `READING`: whoever publishes now has read it. Where several devices are at it within seconds,
what theirs lacks may be what it did not know, so only what is new in it is carried over: it may
happen then that something comes back which was taken out, but nothing gets lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival, Subscription
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.filters import Filter
from nostr_client.routing.private_part import tags_of

READING: Final = 60
"""Seconds between reading a list and publishing its next version, at most."""

VersionChange = Callable[[Event], Event]
"""Makes on one version the change that another one had made."""

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class ConcurrentEdits:
    """The versions of one list that were heard while this device changes it."""

    def __init__(self) -> None:
        self._heard: dict[str, Event] = {}
        self._known: set[str] = set()

    def observe(self, event: Event) -> None:
        """A relay sent it."""
        self._heard[event.id] = event

    def mark_known(self, *versions: Event | None) -> None:
        """These were built on, or are our own."""
        self._known |= {version.id for version in versions if version is not None}

    def replaced(self, base: Event | None, ours: Event) -> Event | None:
        """What `ours`, built on `base`, replaced without having been built on it, if anything."""
        older = [
            event
            for event in self._heard.values()
            if event.address == ours.address
            and event.id not in self._known
            and event.order > ours.order
            and (base is None or event.order < base.order)
        ]
        return min(older, key=lambda event: event.order, default=None)

    async def listen(self, subscription: Subscription) -> None:
        """Hear what comes, until the subscription is closed."""
        async for item in subscription:
            if isinstance(item, Arrival):
                self.observe(item.event)


@asynccontextmanager
async def listen_for_edits(
    pool: RelayPool, filters: Sequence[Filter], urls: Sequence[str]
) -> AsyncIterator[ConcurrentEdits]:
    """Hear what `urls` have of a list and are sent of it, until the block ends."""
    others = ConcurrentEdits()
    async with pool.subscribe(filters, urls) as subscription:
        listener = asyncio.create_task(others.listen(subscription))
        try:
            yield others
        finally:
            subscription.close()
            await listener


def change_between(base: Event | None, theirs: Event) -> VersionChange:
    """What `theirs` changed of `base`, as a change to be made on another version. Pure."""
    tags, content = (base.tags, base.content) if base else ((), "")
    known = base is None or theirs.created_at - base.created_at > READING
    new = _without(theirs.tags, set(tags))
    gone = set(tags) - set(theirs.tags) if known else set()

    def carry(version: Event) -> Event:
        kept = _without(version.tags, gone)
        return version.read_as(
            tags=(*kept, *_without(new, set(kept))),
            content=_merged(content, theirs.content, version.content, known),
        )

    return carry


def _without(tags: Tags, others: set[tuple[str, ...]]) -> Tags:
    return tuple(tag for tag in tags if tag not in others)


def _merged(base: str, theirs: str, ours: str, known: bool) -> str:
    """The content with both changes: whole, where one side made none, else by a JSON's fields, or
    by the tags of a private part that was opened."""
    if theirs in (base, ours):
        return ours
    if ours == base and known:
        return theirs
    lists = [tags_of(text) for text in (base, theirs, ours)]
    if None not in lists:
        was, others, mine = (each or () for each in lists)
        kept = _without(mine, set(was) - set(others) if known else set())
        tags = (*kept, *_without(_without(others, set(was)), set(kept)))
        return msgspec.json.encode(tags).decode() if tags else ""
    fields = [_fields(text) for text in (base, theirs, ours)]
    if any(each is None for each in fields):
        return theirs if ours == base else ours
    old, their, our = (each or {} for each in fields)
    merged = dict(our)
    for name in dict.fromkeys((*old, *their)):
        if their.get(name) == old.get(name) or not (known or name not in old):
            continue
        if name in their:
            merged[name] = their[name]
        else:
            merged.pop(name, None)
    return msgspec.json.encode({n: msgspec.Raw(v) for n, v in merged.items()}).decode()


def _fields(text: str) -> Mapping[str, bytes] | None:
    if not text:
        return {}
    try:
        return {name: bytes(value) for name, value in _decode(text).items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return None
