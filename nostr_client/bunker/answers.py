"""Each request is answered once: the same again gets the same answer (pure).

A client that heard nothing asks again, with the same id, and relays bring one request several
times. What was answered is remembered within bounds; what was signed is remembered by the event's
id too, and beyond a restart (`signed_file`), so that nothing is signed twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.nips.nip46 import BunkerRequest, BunkerResponse
from nostr_client.protocol.event import Draft, Event, event_digest

MOST_ANSWERS: Final = 4096
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_SIGNED: Final = 4096

RequestKey = tuple[str, bytes]
"""A client's key, and the SHA-256 of what it asked, with its id: some programs begin to count anew
each time they start, and an id alone would then give them the answer to another question."""


def request_key(client: str, request: BunkerRequest) -> RequestKey:
    """What makes a request this one."""
    return client, sha256(msgspec.json.encode(request)).digest()


class GivenAnswers:
    """What was answered lately, and what is being worked on."""

    def __init__(self) -> None:
        self._under_way: set[RequestKey] = set()
        self._given: dict[RequestKey, BunkerResponse] = {}
        self._bytes = 0

    def begin(self, key: RequestKey) -> bool:
        """Begin to work on it; False if somebody does."""
        if key in self._under_way:
            return False
        self._under_way.add(key)
        return True

    def given(self, key: RequestKey) -> BunkerResponse | None:
        """What was answered to it before."""
        return self._given.get(key)

    def end(self, key: RequestKey, response: BunkerResponse | None) -> None:
        """It was answered; None: it was not, and may be asked again."""
        self._under_way.discard(key)
        if response is None or key in self._given:
            return
        self._given[key] = response
        self._bytes += _size(response)
        while len(self._given) > MOST_ANSWERS or self._bytes > MOST_BYTES:
            self._bytes -= _size(self._given.pop(next(iter(self._given))))

    def forget(self, client: str) -> None:
        """A client is gone, and with it what it was told."""
        for key in [key for key in self._given if key[0] == client]:
            self._bytes -= _size(self._given.pop(key))


class SignedEvent(msgspec.Struct, frozen=True):
    """That an event was signed, without what it says. `request` is the `fingerprint` of what asked
    for it, of `client` (a key; empty in older files), `at` when that was, in seconds."""

    id: str
    sig: str
    created_at: int
    request: str
    at: int
    client: str = ""


def fingerprint(key: RequestKey) -> str:
    """A request in one word."""
    return sha256(key[0].encode() + key[1]).hexdigest()


def event_id(draft: Draft, pubkey: str) -> str:
    """The id that `draft` gets when `pubkey` signs it; empty where it has no date yet."""
    if draft.created_at is None:
        return ""
    return event_digest(pubkey, draft.created_at, draft.kind, draft.tags, draft.content).hex()


class SignedEvents:
    """What was signed lately, the oldest forgotten first."""

    def __init__(self, entries: Iterable[SignedEvent] = ()) -> None:
        self._by_id: dict[str, SignedEvent] = {}
        self._by_request: dict[str, SignedEvent] = {}
        for entry in entries:
            self.add(entry)

    def add(self, entry: SignedEvent) -> None:
        """One more."""
        self._by_id[entry.id] = self._by_request[entry.request] = entry
        while len(self._by_id) > MOST_SIGNED:
            oldest = self._by_id.pop(next(iter(self._by_id)))
            self._by_request.pop(oldest.request, None)

    def event(self, draft: Draft, pubkey: str, key: RequestKey) -> Event | None:
        """The event that `draft` became when `pubkey` signed it before: for this request, or, where
        the draft has a date of its own, for any."""
        asked = self._by_request.get(fingerprint(key))
        if draft.created_at is None and asked is not None:
            draft = msgspec.structs.replace(draft, created_at=asked.created_at)
        entry = self._by_id.get(event_id(draft, pubkey))
        if entry is None:
            return None
        fields = msgspec.structs.asdict(draft)
        return Event.from_dict({**fields, "pubkey": pubkey, "id": entry.id, "sig": entry.sig})

    def was_for(self, event: Event, client: str) -> bool:
        """Was it signed for this client? Another has to be permitted before it gets it, too."""
        return self._by_id[event.id].client == client

    def all(self) -> tuple[SignedEvent, ...]:
        """Oldest first."""
        return tuple(self._by_id.values())


def _size(response: BunkerResponse) -> int:
    return len(response.result or "") + len(response.error or "") + 256
