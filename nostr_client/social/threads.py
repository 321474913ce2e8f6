"""Threads: a conversation as a tree, from the store; `fetch` asks relays for it first.

The tree begins with the top of the chain over the note that is opened. In it stand all notes that
answer one that stands in it, and those that name its first note as their root: so whatever a note's
count of answers counts is shown, or counted as `hidden`.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from nostr_client.net.outcome import End
from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.courier import Courier
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.ancestors import (
    ancestors_of,
    answered_by,
    begun_by,
    fetch_ancestors,
    held,
)
from nostr_client.social.note_views import ANSWERS, MOST_COUNTED, NoteViews
from nostr_client.social.referenced_events import ReferencedEvents
from nostr_client.social.thread_folds import folded_notes
from nostr_client.social.views import ThreadView
from nostr_client.store.rules import address_filter

MOST_NOTES: Final = 500
"""Notes of one thread that are shown."""
MOST_LEVELS: Final = 500
"""Steps downwards from answer to answer, where the notes do not name what began the thread."""
FETCH_LIMIT: Final = 8.0
ROUND_LIMIT: Final = 3.0
"""Seconds for each further look at relays which have answered already."""
MOST_ROUNDS: Final = 8
"""Further looks: for answers to what the looks before brought."""
MOST_ASKED: Final = 100
"""Notes whose answers are asked for in one of them."""
MOST_RELAYS: Final = 16
MOST_RELAYS_OF_POLL: Final = 4
_COMMENTS: Final = frozenset(kinds.COMMENTS)
_REPLIES: Final = frozenset({kinds.NOTE, *kinds.COMMENTS})


class Threads:
    """Conversations around a note."""

    def __init__(
        self,
        courier: Courier,
        views: NoteViews,
        missing: ReferencedEvents,
        acquaintances: Acquaintances,
    ) -> None:
        self._courier = courier
        self._store = courier.store
        self._views = views
        self._missing = missing
        self._acquaintances = acquaintances

    async def load(self, event_id: str) -> ThreadView:
        """The thread that `event_id` belongs to, as far as the store has it."""
        events, root = await self._collect(event_id)
        root_id = root.key
        places = {root.address: root_id} | _places(events.values())
        parents = {id: _parent_of(note, root_id, places) for id, note in events.items()}
        order = _reading_order(events, parents, root_id)
        shown = _around(order, event_id)
        views = await self._views.of([events[id] for _, id in shown])
        missing = sorted({p for p in parents.values() if p and p not in events})
        views = [replace(v, orphan_of=_absent(parents[v.entry.id], events)) for v in views]
        items = tuple((depth, view) for (depth, _), view in zip(shown, views, strict=True))
        if root_id not in events and root_id not in missing:
            missing.append(root_id)
        authors = {view.event.pubkey for view in views}
        strangers = self._acquaintances.known_strangers(authors)
        return ThreadView(
            focus=event_id,
            root=next((view for _, view in items if view.event.id == root_id), None),
            items=items,
            missing=tuple(missing),
            hidden=len(order) - len(shown),
            folded=folded_notes(items, strangers, event_id),
        )

    async def judge(self, thread: ThreadView) -> bool:
        """See who in it is a stranger; true where that is news: then it is loaded once more. Raises
        StoreError."""
        authors = {view.event.pubkey for _, view in thread.items}
        before = self._acquaintances.known_strangers(authors)
        await self._acquaintances.strangers(authors)
        return self._acquaintances.known_strangers(authors) != before

    async def fetch(
        self,
        event_id: str,
        *,
        relays: Collection[str] = (),
        author: str = "",
        limit: float = FETCH_LIMIT,
        in_passing: bool = False,
    ) -> ThreadView:
        """Ask relays for the thread, at most `limit` seconds for the note itself and as long for
        what is around it, then load it; the view's `ends` tell what each relay did.

        They are: the client's own, `relays` (hints), and those where the people in it, and
        `author` (hex, if known), read and write. Offline it is what the store has.
        `in_passing`: the person did not open it, and no relay is asked that only strangers name.
        """
        loop, asked_for = asyncio.get_running_loop(), not in_passing
        asked = FetchReport()
        focus = await self._store.get(event_id)
        if focus is None:
            authors = [author] if author else []
            asked = await self._courier.fetch_ids(
                [event_id], near=relays, authors=authors, limit=limit, asked_for=asked_for
            )
            focus = await self._store.get(event_id)
            if focus is None:
                return replace(await self.load(event_id), ends=asked.ends)
        end = loop.time() + limit
        around = await self._fetch_around(focus, relays, asked_for, limit)
        asked.add(around)
        left = max(end - loop.time(), ROUND_LIMIT)
        _, above = await fetch_ancestors(self._courier, focus, limit=left, asked_for=asked_for)
        asked.add(above)
        done = {event_id, *(ref.id for ref in _named_by(focus))}
        urls = [url for url in asked.answered if url in around.ends or url in above.ends]
        asked.add(await self._fetch_answers(event_id, done, urls, end))
        view = await self.load(event_id)
        if await self.judge(view):
            view = await self.load(event_id)
        shown = [note for _, note in view.items]
        if await self._missing.fetch(shown, opened=event_id if asked_for else ""):
            view = await self.load(event_id)
        return replace(view, ends=asked.ends)

    async def newest(
        self, address: str, *, relays: Collection[str] = (), limit: float = FETCH_LIMIT
    ) -> tuple[Event | None, Mapping[str, End]]:
        """The newest version of what has an address: relays are asked for it, those of `relays`
        (hints) and where its author writes, at most `limit` seconds. With it what each did.
        Raises StoreError."""
        asked = await self._courier.fetch_ids([], addresses=[address], near=relays, limit=limit)
        return await self._store.get_address(address), asked.ends

    async def _fetch_around(
        self, focus: Event, relays: Collection[str], asked_for: bool, limit: float
    ) -> FetchReport:
        """Ask for what `focus` names as root and parent, and for what answers them and it."""
        policy = self._courier.book.policy
        near = [u for hint in relays if (u := policy.from_stranger(hint, asked=asked_for))]
        refs = _named_by(focus)
        people = {focus.pubkey, *(ref.pubkey for ref in refs if ref.pubkey)}
        for ref in refs:
            hint = policy.from_stranger(ref.relay, asked=asked_for)
            near += [hint] if hint else []
        itself = nip10.Ref(focus.id, address=focus.address or "")
        ids = frozenset({focus.id, *(ref.id for ref in refs if ref.id)})
        placed = (address_filter(ref.address) for ref in refs if ref.address)
        scoped = focus.kind != kinds.NOTE
        filters = [Filter(ids=ids), *filter(None, placed)]
        filters += _answers_to((itself, *refs), scoped=scoped)
        if focus.kind == kinds.POLL:  # its votes are where it says
            votes = Filter(kinds=frozenset({kinds.VOTE}), tags={"e": frozenset({focus.id})})
            filters.append(votes.changed(limit=MOST_COUNTED))
            named = list(focus.values("relay"))[:MOST_RELAYS_OF_POLL]
            near += [u for hint in named if (u := policy.from_stranger(hint, asked=asked_for))]
        firm, others = await self._relays_around(people, asked_for)
        urls = list(dict.fromkeys((*firm, *near, *others)))[:MOST_RELAYS]
        return await self._courier.fetch_routes(
            dict.fromkeys(urls, filters), limit=limit, firm=firm
        )

    async def _fetch_answers(
        self, event_id: str, done: set[str], urls: Sequence[str], end: float
    ) -> FetchReport:
        """Ask `urls`, which have answered, for answers to what came; and again for answers to
        those, until nothing comes, at most until `end` on the loop's clock."""
        loop, asked = asyncio.get_running_loop(), FetchReport()
        for _ in range(MOST_ROUNDS):
            events, root = await self._collect(event_id)
            ids = dict.fromkeys((*events, root.id))
            new = [id for id in ids if id and id not in done][:MOST_ASKED]
            left = min(end - loop.time(), ROUND_LIMIT)
            if not (new and urls and left > 0):
                break
            done.update(new)
            filters = _answers_to(map(nip10.Ref, new))
            asked.add(await self._courier.fetch_from(filters, urls, timeout=left))
        return asked

    async def _relays_around(
        self, people: Collection[str], asked: bool
    ) -> tuple[list[str], tuple[str, ...]]:
        """The own read relays and those of the people, and those that may know it as well."""
        await self._courier.fetch_lists(people)
        ours = await self._courier.book.client_relays()
        relays = await self._courier.book.relays_of_many(people, asked=asked)
        near = [url for person in relays.values() for url in (*person.read[:3], *person.write[:3])]
        firm = dict.fromkeys((*ours.read, *near))
        return list(firm)[: MOST_RELAYS - 4], ours.common

    async def _collect(self, event_id: str) -> tuple[dict[str, Event], nip10.Ref]:
        """The notes of the thread that are here, and the one it begins with."""
        focus = await self._store.get(event_id)
        if focus is None:
            events, root = {}, nip10.Ref(event_id)
        else:
            chain = await ancestors_of(self._store, focus)
            events = {note.id: note for note in (focus, *chain.above)}
            root = chain.root
        if root.id not in events and (begun := await held(self._store, root)) is not None:
            events[begun.id] = begun
            root = nip10.Ref(begun.id, root.relay, begun.pubkey, begun.address or "")
        first = events.get(root.id)
        if first is None or first.kind != kinds.NOTE:
            events |= await self._comments(root)
        new = {root.id, *events} - {""}
        for _ in range(MOST_LEVELS):
            if not new or len(events) >= MOST_COUNTED:
                break
            found = await self._answers(new, events, root)
            new = found.keys() - events.keys()
            events |= found
        return events, root

    async def _comments(self, root: nip10.Ref) -> dict[str, Event]:
        """The comments that name `root` as what they are about (NIP-22)."""
        scopes = {"E": root.id, "A": root.address}
        wanted = [
            Filter(kinds=_COMMENTS, tags={name: frozenset({key})}, limit=MOST_COUNTED)
            for name, key in scopes.items()
            if key
        ]
        return {event.id: event for event in await self._store.query(wanted)} if wanted else {}

    async def _answers(
        self, ids: Collection[str], known: Mapping[str, Event], root: nip10.Ref
    ) -> dict[str, Event]:
        """The notes that answer one of `ids`, or name `root` as their root; one that merely
        mentions a note is no part of its thread."""
        wanted = Filter(kinds=_REPLIES, tags={"e": frozenset(ids)}, limit=MOST_COUNTED)
        places = _places(known.values())
        return {
            event.id: event
            for event in await self._store.query([wanted])
            if event.id not in known
            and (_parent_of(event, "", places) in ids or _names(event, root))
        }


def _answers_to(refs: Iterable[nip10.Ref], *, scoped: bool = False) -> list[Filter]:
    """What asks for answers to `refs`; `scoped`: they may be what comments name as their root."""
    refs = list(refs)
    tags = {"e": frozenset(ref.id for ref in refs if ref.id)}
    if addresses := frozenset(ref.address for ref in refs if ref.address):
        tags["a"] = addresses
    if scoped:
        tags |= {name.upper(): values for name, values in tags.items()}
    return [
        Filter(kinds=ANSWERS, tags={name: values}, limit=MOST_NOTES)
        for name, values in tags.items()
        if values
    ]


def _named_by(note: Event) -> list[nip10.Ref]:
    """What `note` names as the root of its thread and as what it answers."""
    return [ref for ref in (begun_by(note), answered_by(note)) if ref is not None]


def _absent(parent: str, events: Collection[str]) -> str:
    return "" if parent in events else parent


def _places(events: Iterable[Event]) -> dict[str, str]:
    """Address -> the id of the version that is here."""
    return {event.address: event.id for event in events if event.address}


def _names(note: Event, root: nip10.Ref) -> bool:
    """Does `note` name `root` as the beginning of its thread?"""
    named = begun_by(note)
    if named is None:
        return False
    return (named.id != "" and named.id == root.id) or (
        named.address != "" and named.address == root.address
    )


def _parent_of(note: Event, root_id: str, places: Mapping[str, str]) -> str:
    """What a note answers: an id, or the address of what is not here; "" for the root itself."""
    ref = None if note.id == root_id else answered_by(note)
    if ref is None:
        return ""
    return (ref.address and places.get(ref.address)) or ref.key


def _reading_order(
    events: dict[str, Event], parents: dict[str, str], root_id: str
) -> list[tuple[int, str]]:
    """(depth, id): each note after the one it answers, answers by age.

    What answers a note that is not here stands under the root. Nobody can make a loop out of
    hashes, but positional tags may claim anything, so every note is placed once.
    """

    def age(note_id: str) -> tuple[int, str]:
        return events[note_id].created_at, note_id

    answers: dict[str, list[str]] = defaultdict(list)
    for id, parent in parents.items():
        if id != root_id:
            answers[parent if parent in events and parent != id else root_id].append(id)
    for ids in answers.values():
        ids.sort(key=age)
    order: list[tuple[int, str]] = []
    placed: set[str] = set()

    def walk(start: str, depth: int) -> None:
        stack = [(depth, start)]
        while stack:
            depth, id = stack.pop()
            if id in placed:
                continue
            placed.add(id)
            if id in events:
                order.append((depth, id))
            stack += [(depth + 1, answer) for answer in reversed(answers[id])]

    walk(root_id, 0)
    for id in sorted(events, key=age):
        if id not in placed:  # a circle of claims
            walk(id, 1)
    return order


def _around(order: list[tuple[int, str]], focus: str) -> list[tuple[int, str]]:
    """At most `MOST_NOTES` of a thread, the one in focus among them."""
    if len(order) <= MOST_NOTES:
        return order
    at = next((i for i, (_, id) in enumerate(order) if id == focus), 0)
    start = max(1, min(at - MOST_NOTES // 2, len(order) - MOST_NOTES + 1))
    return [order[0], *order[start : start + MOST_NOTES - 1]]
