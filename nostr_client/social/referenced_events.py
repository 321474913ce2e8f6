"""What views name and the store lacks: decided here and fetched by id, whoever shows the views.

A repost without its note (NIP-18), a note that is quoted (`q` tags, codes in the text), the note
that is answered where not even its author is known. What is not found is not looked for again for
a while. Hints of strangers are followed for the note that the person opened, not in passing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nostr_client.nips import nip10, nip19, nip22, nip27
from nostr_client.protocol.event import Event
from nostr_client.routing.courier import Courier
from nostr_client.social.ancestors import answered_by
from nostr_client.social.views import NoteView
from nostr_client.store.contract import EventStore
from nostr_client.store.rules import address_filter
from nostr_client.tasks import Turns

MOST_QUOTED: Final = 3
"""Notes that one note quotes, as far as they are shown with it."""
MOST_AT_ONCE: Final = 200
LIMIT: Final = 4.0
"""Seconds for one look at the relays."""
LOOK_AGAIN: Final = 300.0
"""Seconds after which what was not found is looked for again."""
MOST_REMEMBERED: Final = 5_000


class EventReference(NamedTuple):
    """An event that another one names, and what was said of where it is. What is replaced may be
    named by its `address` instead of an id."""

    id: str
    relays: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    address: str = ""

    @property
    def key(self) -> str:
        return self.id or self.address


def quoted_by(event: Event, parts: Iterable[nip27.Part]) -> list[EventReference]:
    """The first events that `event` quotes: in its text, whose `parts` are given, and by `q` tags.
    An address stands for the newest version there is."""
    found: dict[str, EventReference] = {}
    codes = (part.code for part in parts if isinstance(part, nip27.MentionPart))
    in_text = [code for code in codes if isinstance(code, nip19.Note | nip19.Nevent | nip19.Naddr)]
    names = [_of_code(code) for code in in_text] + _tagged(event)
    for one in names:
        if one.key not in (event.id, event.address) and (
            one.key in found or len(found) < MOST_QUOTED
        ):
            known = found.get(one.key, EventReference(one.id, address=one.address))
            found[one.key] = known._replace(
                relays=known.relays + one.relays, authors=known.authors + one.authors
            )
    return list(found.values())


def reposted_by(entry: Event) -> EventReference | None:
    """The event that a repost is of; None where it names none."""
    refs = nip10.refs_of(entry, "e")
    if not refs:
        return None
    named = _of_ref(refs[-1])
    return named._replace(authors=named.authors or tuple(nip10.people_of(entry)[-1:]))


def missing_from(view: NoteView) -> list[EventReference]:
    """What `view` names and lacks. A thread has looked for what its notes answer."""
    if view.missing:
        named = reposted_by(view.entry)
        return [named] if named else []
    absent = {quote.id for quote in view.quotes if quote.event is None}
    lacks = [named for named in quoted_by(view.event, view.parts) if named.key in absent]
    if view.reply_to is None and not view.orphan_of:
        parent = answered_by(view.event)
        lacks += [_of_ref(parent)] if parent else []
    return lacks


class ReferencedEvents:
    """Fetches what views lack. `clock` counts seconds, from any moment."""

    def __init__(self, courier: Courier, clock: Callable[[], float] = time.monotonic) -> None:
        self._courier = courier
        self._clock = clock
        self._sought: dict[str, float] = {}

    async def fetch(
        self, views: Sequence[NoteView], *, opened: str = "", limit: float = LIMIT
    ) -> bool:
        """Look for what `views` lack, at most `limit` seconds; is something of it here now?

        `opened` is the id of the note that the person opened. Raises StoreError.
        """
        asked: dict[str, EventReference] = {}
        passing: dict[str, EventReference] = {}
        for view in views:
            for named in missing_from(view):
                wanted = asked if opened in (view.event.id, view.missing or None) else passing
                wanted.setdefault(named.key, named)
        passing = {k: n for k, n in passing.items() if k not in asked and self._is_due(k)}
        here: set[str] = set()
        for wanted, asked_for in ((asked, True), (passing, False)):
            here |= await self._find(wanted, asked_for, limit)
        return bool(here)

    async def _find(
        self, wanted: Mapping[str, EventReference], asked_for: bool, limit: float
    ) -> set[str]:
        named = list(wanted.values())[:MOST_AT_ONCE]
        here = await held_of(self._courier.store, named)
        absent = [one for one in named if one.key not in here]
        if absent:
            self._remember(one.key for one in absent)
            await self._courier.fetch_ids(
                [one.id for one in absent if one.id],
                addresses=[one.address for one in absent if one.address],
                near=[url for one in absent for url in one.relays],
                authors={author for one in absent for author in one.authors},
                limit=limit,
                asked_for=asked_for,
            )
            here |= await held_of(self._courier.store, absent)
        return set(here)

    def _is_due(self, key: str) -> bool:
        at = self._sought.get(key)
        return at is None or self._clock() - at >= LOOK_AGAIN

    def _remember(self, keys: Iterable[str]) -> None:
        now = self._clock()
        for key in keys:
            self._sought.pop(key, None)
            self._sought[key] = now
        while len(self._sought) > MOST_REMEMBERED:
            del self._sought[next(iter(self._sought))]


async def held_of(store: EventStore, named: Iterable[EventReference]) -> dict[str, Event]:
    """Those of `named` that are here, by their keys: two questions, however many. Raises
    StoreError."""
    named = list(named)
    ids = [one.id for one in named if one.id]
    found = await decoded(await store.known(ids)) if ids else {}
    addresses = {one.address for one in named if not one.id}
    filters = [f for address in addresses if (f := address_filter(address)) is not None]
    for event in await store.query(filters) if filters else ():
        if event.address in addresses:
            found[event.address] = event
    return found


async def decoded(held: Mapping[str, bytes]) -> dict[str, Event]:
    """The events behind their bytes, in turns with whoever else wants the loop."""
    events: dict[str, Event] = {}
    turns = Turns()
    for id, data in held.items():
        await turns.rest()
        events[id] = Event.from_trusted(data)
    return events


def _tagged(event: Event) -> list[EventReference]:
    """What the `q` tags name: ids, and addresses."""
    found = [_of_ref(ref) for ref in nip10.refs_of(event, "q")]
    for tag in event.tags:
        if tag[0] == "q" and len(tag) > 1 and nip22.is_address(tag[1]):
            relays = (tag[2],) if len(tag) > 2 and tag[2] else ()
            found.append(EventReference("", relays, (tag[1].split(":")[1],), tag[1]))
    return found


def _of_code(code: nip19.Note | nip19.Nevent | nip19.Naddr) -> EventReference:
    match code:
        case nip19.Note(id=id):
            return EventReference(id)
        case nip19.Naddr(address=address, relays=relays, pubkey=pubkey):
            return EventReference("", tuple(relays), (pubkey,), address)
        case nip19.Nevent(id=id, relays=relays, author=author):
            return EventReference(id, tuple(relays), (author,) if author else ())


def _of_ref(ref: nip10.Ref) -> EventReference:
    relays = (ref.relay,) if ref.relay else ()
    return EventReference(ref.id, relays, (ref.pubkey,) if ref.pubkey else (), ref.address)
