"""The ancestors of an event: what it answers, and so on up to the root of its thread (NIP-10; for
comments NIP-22).

As far as they can be had: step by step from the store, and by `fetch_ancestors` from relays.
Bounded in steps and in time, whatever the tags of strangers claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from nostr_client.nips import nip10, nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.routing.courier import Courier
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.store.contract import EventStore

MOST_STEPS: Final = 500
"""Notes above one, as far as they are here."""
MOST_FETCHED: Final = 40
"""Of those, how many are fetched at once, one after the other."""
MOST_TAGGED: Final = 3
"""People tagged in an answer who may have written what it answers."""


@dataclass(slots=True)
class Ancestors:
    """`above` are the notes over `note`, the one it answers first; `missing` is the one over them
    that is not here, None where the chain is whole."""

    note: Event
    above: list[Event] = field(default_factory=list)
    missing: nip10.Ref | None = None
    _hint: str = ""

    @property
    def top(self) -> Event:
        """The highest note that is here."""
        return self.above[-1] if self.above else self.note

    @property
    def root(self) -> nip10.Ref:
        """The note that began the thread: the top of a whole chain; else what the highest note
        that names one says it is."""
        if self.missing is None:
            return nip10.Ref(self.top.id, self._hint, self.top.pubkey, self.top.address or "")
        for note in (*reversed(self.above), self.note):
            root = begun_by(note)
            if root is not None and (note.kind != kinds.NOTE or nip10.names_root(note)):
                same = root.address != "" and root.address == self.missing.address
                return self.missing if same else root
        return self.missing

    async def climb(self, store: EventStore, known: Mapping[str, Event] | None = None) -> None:
        """Go on upwards as far as the notes are in `known` or the store."""
        seen = {self.note.id, *(note.id for note in self.above)}
        while (ref := answered_by(self.top)) is not None:
            note = (known or {}).get(ref.id) or await held(store, ref)
            if note is None or note.id in seen or len(self.above) >= MOST_STEPS:
                self.missing = ref
                return
            seen.add(note.id)
            self.above.append(note)
            self._hint = ref.relay
        self.missing = None


async def ancestors_of(
    store: EventStore, note: Event, known: Mapping[str, Event] | None = None
) -> Ancestors:
    """The chain over `note` as far as it is here. Raises StoreError."""
    above = Ancestors(note)
    await above.climb(store, known)
    return above


async def fetch_ancestors(
    courier: Courier, note: Event, *, limit: float, asked_for: bool = True
) -> tuple[Ancestors, FetchReport]:
    """The same; what is missing is fetched, for at most `limit` seconds and `MOST_FETCHED` notes.

    Hints of strangers are used where `asked_for`: the person opens or answers it.
    Raises StoreError.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + limit
    chain, asked = await ancestors_of(courier.store, note), FetchReport()
    for _ in range(MOST_FETCHED):
        ref, left = chain.missing, end - loop.time()
        if ref is None or left <= 0:
            break
        authors = [ref.pubkey] if ref.pubkey else nip10.people_of(chain.top)[:MOST_TAGGED]
        asked.add(
            await courier.fetch_ids(
                [ref.id] if ref.id else [],
                addresses=[ref.address] if ref.address else [],
                near=[ref.relay],
                authors=authors,
                limit=left,
                asked_for=asked_for,
            )
        )
        await chain.climb(courier.store)
        if chain.missing == ref:
            break
    return chain, asked


async def held(store: EventStore, ref: nip10.Ref) -> Event | None:
    """What `ref` names, if it is here: of what is replaced the newest version."""
    event = await store.get_address(ref.address) if ref.address else None
    return event if event is not None or not ref.id else await store.get(ref.id)


def answered_by(note: Event) -> nip10.Ref | None:
    """What `note` answers directly; None for the beginning of a thread, and for a comment on what
    is not on Nostr."""
    if note.kind == kinds.NOTE:
        return nip10.thread_refs(note).reply
    if note.kind in kinds.COMMENTS:
        scopes = nip22.scopes(note)
        return _ref(scopes.parent or scopes.root)
    return None


def begun_by(note: Event) -> nip10.Ref | None:
    """What `note` names as the beginning of its thread, if anything."""
    if note.kind == kinds.NOTE:
        return nip10.thread_refs(note).root
    return _ref(nip22.scopes(note).root) if note.kind in kinds.COMMENTS else None


def _ref(scope: nip22.Scope | None) -> nip10.Ref | None:
    if scope is None or not (scope.id or scope.address):
        return None
    return nip10.Ref(scope.id, scope.relay, scope.pubkey, scope.address)
