"""What views name and the store lacks: decided here and fetched by id, whoever shows the views.

A repost without its note (NIP-18), a note that is quoted (`q` tags, codes in the text), the note
that is answered where not even its author is known. What is not found is not looked for again for
a while. Hints of strangers are followed for the note that the person opened, not in passing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from nostr_client.nips import nip10, nip19, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.routing.courier import Courier
from nostr_client.social.views import NoteView

MOST_QUOTED: Final = 3
"""Notes that one note quotes, as far as they are shown with it."""
MOST_AT_ONCE: Final = 200
LIMIT: Final = 4.0
"""Seconds for one look at the relays."""
LOOK_AGAIN: Final = 300.0
"""Seconds after which what was not found is looked for again."""
MOST_REMEMBERED: Final = 5_000


class EventReference(NamedTuple):
    """An event that another one names, and what was said of where it is."""

    id: str
    relays: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()


def quoted_by(event: Event, parts: Iterable[nip27.Part]) -> list[EventReference]:
    """The first events that `event` quotes: in its text, whose `parts` are given, and by `q` tags.

    What names an address (naddr) is no event's id and is left out.
    """
    found: dict[str, EventReference] = {}
    codes = (part.code for part in parts if isinstance(part, nip27.MentionPart))
    in_text = [code for code in codes if isinstance(code, nip19.Note | nip19.Nevent)]
    tagged = nip10.refs_of(event, "q")
    names = [_of_code(code) for code in in_text] + [_of_ref(ref) for ref in tagged]
    for one in names:
        if one.id != event.id and (one.id in found or len(found) < MOST_QUOTED):
            known = found.get(one.id, EventReference(one.id))
            found[one.id] = EventReference(
                one.id, known.relays + one.relays, known.authors + one.authors
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
    lacks = [named for named in quoted_by(view.event, view.parts) if named.id in absent]
    if view.reply_to is None and not view.orphan_of and view.event.kind == kinds.NOTE:
        parent = nip10.thread_refs(view.event).reply
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
                wanted.setdefault(named.id, named)
        passing = {id: n for id, n in passing.items() if id not in asked and self._is_due(id)}
        here: set[str] = set()
        for wanted, asked_for in ((asked, True), (passing, False)):
            here |= await self._find(wanted, asked_for, limit)
        return bool(here)

    async def _find(
        self, wanted: Mapping[str, EventReference], asked_for: bool, limit: float
    ) -> set[str]:
        ids = list(wanted)[:MOST_AT_ONCE]
        here = set(await self._courier.store.known(ids)) if ids else set()
        named = [wanted[id] for id in ids if id not in here]
        if named:
            self._remember(one.id for one in named)
            await self._courier.fetch_ids(
                [one.id for one in named],
                near=[url for one in named for url in one.relays],
                authors={author for one in named for author in one.authors},
                limit=limit,
                asked_for=asked_for,
            )
            here |= set(await self._courier.store.known(ids))
        return here

    def _is_due(self, id: str) -> bool:
        at = self._sought.get(id)
        return at is None or self._clock() - at >= LOOK_AGAIN

    def _remember(self, ids: Iterable[str]) -> None:
        now = self._clock()
        for id in ids:
            self._sought.pop(id, None)
            self._sought[id] = now
        while len(self._sought) > MOST_REMEMBERED:
            del self._sought[next(iter(self._sought))]


def _of_code(code: nip19.Note | nip19.Nevent) -> EventReference:
    if isinstance(code, nip19.Note):
        return EventReference(code.id)
    return EventReference(code.id, tuple(code.relays), (code.author,) if code.author else ())


def _of_ref(ref: nip10.Ref) -> EventReference:
    relays = (ref.relay,) if ref.relay else ()
    return EventReference(ref.id, relays, (ref.pubkey,) if ref.pubkey else ())
