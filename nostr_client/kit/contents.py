"""What belongs in the kit of an account, read from its store and folder while others work there.

- Lists come first, each with its superseded versions: where everybody is, and what is hardest to
  make anew. Deletions come last, behind all that they delete.
- Memory is bounded by a slice of the store, and by the longest history of one list.
- What is stored meanwhile may be left out. What was there before is not: which lists there are is
  looked at first, and a list that is replaced meanwhile is still found, at its address.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.kit.records import KitCopy, KitEvent, KitFile, KitPart, KitRecord, KitSection
from nostr_client.paths import translated
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import is_replaceable
from nostr_client.protocol.urls import is_loopback
from nostr_client.store.contract import ClientStore
from nostr_client.store.rules import UNDELETABLE, deletion_of

PART: Final = 1 << 20
"""Bytes of a small file in one record."""
MOST_WAITING: Final = 10_000
"""Events of others' making (gift wraps to them) that wait to be sent: so many are kept."""
_SLICE: Final = 200
_LATER: Final = 1 << 60
"""A time, in seconds, at which everything is due."""
_LISTS: Final = (
    *(kinds.METADATA, kinds.FOLLOWS, kinds.MUTES, kinds.RELAY_LIST, kinds.BOOKMARKS),
    *(kinds.PRIVATE_RELAYS, kinds.ENCRYPTION_KEY, kinds.DM_RELAYS),
)
"""Lists that are looked for although no version of them may be in use."""
_OF_CONTACTS: Final = frozenset({kinds.METADATA, kinds.RELAY_LIST, kinds.DM_RELAYS})
NAMED: Final = (KitFile.DRAFT, KitFile.SCHEDULED)
"""Small files of which there may be several, each with its name."""
is_name: Final = re.compile("[0-9a-z-]{1,80}").fullmatch


def file_path(data: Path, pubkey: str, file: KitFile, name: str) -> Path:
    """Where a small file of the account lies; `name` is that of a `NAMED` one."""
    short = pubkey[:16]
    match file:
        case KitFile.DRAFT:
            return data / "drafts" / pubkey / f"{name}.txt"
        case KitFile.SCHEDULED:
            return data / "scheduled" / pubkey / f"{name}.json"
        case KitFile.MESSAGES:
            return data / f"messages-{short}.sealed"
        case KitFile.AUTH:
            return data / f"auth-{short}.json"
        case KitFile.FOUND:
            return data / f"lists-{short}.found.json"
        case KitFile.RESERVES:
            return data / f"reserves-{short}.json"
        case KitFile.KEPT:
            return data / f"kept-{short}.json"
        case KitFile.BUNKER_KEY:
            return data / "bunker" / pubkey / "key.json"
        case KitFile.BUNKER_CLIENTS:
            return data / "bunker" / pubkey / "clients.json"


async def contents(
    store: ClientStore, data: Path, pubkey: str
) -> AsyncGenerator[list[KitRecord], None]:
    """All of it but the start and the end. Raises StoreError."""
    named = await asyncio.to_thread(_named, data, pubkey)
    bunker = (KitFile.BUNKER_KEY, KitFile.BUNKER_CLIENTS)  # the key says whose clients they are
    small = (KitFile.AUTH, KitFile.FOUND, KitFile.RESERVES, KitFile.KEPT, *bunker)
    for file, name in (*((file, "") for file in small), *named):
        async for part in _parts(data, pubkey, file, name):
            yield [part]
    async for records in _events(store, pubkey):
        yield records
    async for part in _parts(data, pubkey, KitFile.MESSAGES, ""):
        yield [part]


async def _events(store: ClientStore, pubkey: str) -> AsyncIterator[list[KitRecord]]:
    own = Filter(authors=frozenset({pubkey}))
    addresses = await _addresses(store, own, pubkey)
    for address in addresses:
        current = await store.get_address(address)
        yield await _with_copies(store, KitSection.OWN, [] if current is None else [current])
        versions = await store.history(address)
        yield await _with_copies(store, KitSection.VERSION, versions)
    async for events in store.stream([own]):
        notes = [e for e in events if not is_replaceable(e.kind) and e.kind not in UNDELETABLE]
        yield await _with_copies(store, KitSection.OWN, notes)
    me = frozenset({pubkey})
    received = [Filter(kinds=frozenset({*kinds.GIFT_WRAPS, kinds.DIRECT_MESSAGE}), tags={"p": me})]
    async for events in store.stream(received):
        messages = [event for event in events if event.pubkey != pubkey]
        yield await _with_copies(store, KitSection.MESSAGE, messages)
    async for events in _waiting(store, pubkey):
        yield await _with_copies(store, KitSection.MESSAGE, events)
    async for events in _of_contacts(store, pubkey):
        yield await _with_copies(store, KitSection.CONTACT, events)
    async for events in store.stream([Filter(authors=me, kinds=UNDELETABLE)]):
        yield await _with_copies(store, KitSection.OWN, events)


async def _addresses(store: ClientStore, own: Filter, pubkey: str) -> list[str]:
    """Of every list of the account, also of those that were deleted."""
    found = {event_address(kind, pubkey) for kind in _LISTS}
    async for events in store.stream([own]):
        for event in events:
            if event.address is not None:
                found.add(event.address)
            elif event.kind == kinds.DELETION:
                found |= deletion_of(event).addresses
    return sorted(found, key=lambda address: (int(address.partition(":")[0]), address))


async def _waiting(store: ClientStore, pubkey: str) -> AsyncIterator[list[Event]]:
    """What is signed by keys made for it alone, and no relay has yet: own gift wraps to others."""
    due = await store.ledger.due(_LATER, MOST_WAITING)
    for ids in _slices(list(dict.fromkeys(copy.event_id for copy in due))):
        wraps = Filter(ids=frozenset(ids), kinds=frozenset(kinds.GIFT_WRAPS))
        found = await store.query([wraps])
        yield [event for event in found if pubkey not in event.values("p")]


async def _of_contacts(store: ClientStore, pubkey: str) -> AsyncIterator[list[Event]]:
    follows = await store.get_address(event_address(kinds.FOLLOWS, pubkey))
    people = {name for name in follows.values("p") if is_hex64(name)} if follows else set()
    for authors in _slices(sorted(people - {pubkey})):
        yield await store.query([Filter(authors=frozenset(authors), kinds=_OF_CONTACTS)])


async def _with_copies(
    store: ClientStore, section: KitSection, events: Sequence[Event]
) -> list[KitRecord]:
    copies = await store.ledger.copies_of([event.id for event in events]) if events else {}
    return [
        *(KitEvent(section, event.json) for event in events),
        *(KitCopy.of(copy) for known in copies.values() for copy in known if _leads_out(copy.url)),
    ]


def _leads_out(url: str) -> bool:
    """The own relay is this machine's: what is at its address elsewhere is another program."""
    try:
        return not is_loopback(url)
    except InvalidData:
        return False


def _slices(items: Sequence[str]) -> Iterator[Sequence[str]]:
    return (items[start : start + _SLICE] for start in range(0, len(items), _SLICE))


# Small files


def _named(data: Path, pubkey: str) -> list[tuple[KitFile, str]]:
    found: list[tuple[KitFile, str]] = []
    for file in NAMED:
        path = file_path(data, pubkey, file, "any")
        with translated(f"cannot read {path.parent}"):
            there = path.parent.glob(f"*{path.suffix}")
            found += ((file, one.stem) for one in sorted(there) if is_name(one.stem))
    return found


async def _parts(data: Path, pubkey: str, file: KitFile, name: str) -> AsyncIterator[KitPart]:
    """The file in pieces, as it was when it was opened; nothing where there is none."""
    path = file_path(data, pubkey, file, name)
    with translated(f"cannot read {path}"):
        try:
            source = await asyncio.to_thread(path.open, "rb")
        except FileNotFoundError:
            return
        with source:
            piece = await asyncio.to_thread(source.read, PART)
            while True:
                following = await asyncio.to_thread(source.read, PART)
                yield KitPart(file, name, piece, not following)
                if not following:
                    return
                piece = following
