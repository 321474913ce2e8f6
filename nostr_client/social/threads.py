"""Threads: a conversation as a tree, from the store; `fetch` asks relays for it first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.arrivals import Asked
from nostr_client.routing.courier import Courier
from nostr_client.social.note_views import ANSWERS, NoteViews
from nostr_client.social.views import ThreadView

MOST_NOTES: Final = 500
"""Notes of one thread that are shown."""
MOST_STEPS: Final = 50
"""Answers upwards that are walked from a note to find where it hangs."""
FETCH_LIMIT: Final = 8.0
MOST_RELAYS: Final = 16


class Threads:
    """Conversations around a note."""

    def __init__(self, courier: Courier, views: NoteViews) -> None:
        self._courier = courier
        self._store = courier.store
        self._views = views

    async def load(self, event_id: str) -> ThreadView:
        """The thread that `event_id` belongs to, as far as the store has it."""
        focus = await self._store.get(event_id)
        root_id = _root_of(focus) if focus else event_id
        notes = await self._notes(root_id)
        above = await self._above(focus) if focus else []
        events = {note.id: note for note in (*notes, *above)}
        if focus is not None:
            events[focus.id] = focus
        if root_id not in events:
            root = await self._store.get(root_id)
            if root is not None:
                events[root_id] = root
        parents = {id: _parent_of(note, root_id) for id, note in events.items()}
        order = _reading_order(events, parents, root_id)
        shown = _around(order, event_id)
        views = await self._views.of([events[id] for _, id in shown])
        items = tuple((depth, view) for (depth, _), view in zip(shown, views, strict=True))
        missing = sorted({p for p in parents.values() if p and p not in events})
        if root_id not in events and root_id not in missing:
            missing.append(root_id)
        return ThreadView(
            focus=event_id,
            root=next((view for _, view in items if view.event.id == root_id), None),
            items=items,
            missing=tuple(missing),
            hidden=len(order) - len(shown),
        )

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
        policy, wanted_here = self._courier.book.policy, not in_passing
        near = [u for hint in relays if (u := policy.from_stranger(hint, asked=wanted_here))]
        focus = await self._store.get(event_id)
        asked = Asked()
        if focus is None:
            authors = [author] if author else []
            asked = await self._courier.find([event_id], near=near, authors=authors, limit=limit)
            focus = await self._store.get(event_id)
            if focus is None:
                return replace(await self.load(event_id), ends=asked.ends)
        ids = {event_id}
        people: set[str] = set()
        if focus is not None:
            refs = nip10.thread_refs(focus)
            people = {focus.pubkey}
            for ref in (refs.root, refs.reply):
                if ref is not None:
                    ids.add(ref.id)
                    people |= {ref.pubkey} if len(ref.pubkey) == 64 else set()
                    hint = policy.from_stranger(ref.relay, asked=wanted_here)
                    near += [hint] if hint else []
        wanted = frozenset(ids)
        filters = [
            Filter(ids=wanted),
            Filter(kinds=ANSWERS, tags={"e": wanted}, limit=MOST_NOTES),
        ]
        firm, others = await self._around_people(people, wanted_here)
        urls = list(dict.fromkeys((*firm, *near, *others)))[:MOST_RELAYS]
        asked.add(
            await self._courier.ask_each(dict.fromkeys(urls, filters), limit=limit, firm=firm)
        )
        return replace(await self.load(event_id), ends=asked.ends)

    async def _around_people(
        self, people: Collection[str], asked: bool
    ) -> tuple[list[str], tuple[str, ...]]:
        """The own read relays and those of the people, and those that may know it as well."""
        await self._courier.learn(people)
        places = await self._courier.book.places()
        relays = await self._courier.book.of_many(people, asked=asked)
        near = [url for person in relays.values() for url in (*person.read[:3], *person.write[:3])]
        firm = dict.fromkeys((*places.read, *near))
        return list(firm)[: MOST_RELAYS - 4], places.common

    async def _notes(self, root_id: str) -> Sequence[Event]:
        wanted = Filter(
            kinds=frozenset({kinds.NOTE}), tags={"e": frozenset({root_id})}, limit=2 * MOST_NOTES
        )
        notes = await self._store.query([wanted])
        # A note that only mentions the root is no part of its thread.
        return [n for n in notes if _root_of(n) == root_id or _parent_of(n, "") == root_id]

    async def _above(self, note: Event) -> list[Event]:
        """The notes that `note` answers, upwards, as far as they are here."""
        found: list[Event] = []
        seen = {note.id}
        for _ in range(MOST_STEPS):
            parent_id = _parent_of(note, "")
            if not parent_id or parent_id in seen:
                break
            seen.add(parent_id)
            parent = await self._store.get(parent_id)
            if parent is None:
                break
            found.append(parent)
            note = parent
        return found


def _root_of(note: Event) -> str:
    """The id of the first note of the thread: its own, if it answers nothing."""
    if note.kind != kinds.NOTE:
        return note.id
    root = nip10.thread_refs(note).root
    return root.id if root else note.id


def _parent_of(note: Event, root_id: str) -> str:
    """What a note answers; "" for the root itself."""
    if note.id == root_id or note.kind != kinds.NOTE:
        return ""
    reply = nip10.thread_refs(note).reply
    return reply.id if reply else ""


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
