"""Rumors, seals and gift wraps (NIP-59): an event in an envelope in a parcel.

A **rumor** is an event that is never signed. A **seal** (kind 13), signed by its author, holds it
encrypted; a **gift wrap** (kind 1059, or 21059 where nobody is to keep it), signed by a key that is
used once, holds the seal. What encrypts is a signer, and it may be far away: so each step here
stands on either side of its work.

    text = rumor.json; seal = sign(seal_draft(encrypt(text))); wrap(seal, recipient)
    seal = parse_seal(decrypt(wrap)); verify the seal; rumor = open_seal(seal, decrypt(seal))

Every layer carries a time of its own, up to two days back, so that times tell nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from nostr_client.errors import AuthorsDisagree, InvalidEvent
from nostr_client.nips import nip44
from nostr_client.protocol import kinds
from nostr_client.protocol.event import (
    MALFORMED,
    Draft,
    Event,
    Tags,
    event_digest,
    reason_of,
)
from nostr_client.protocol.keys import SecretKey, is_hex64, wipe, wiping

TWO_DAYS: Final = 2 * 24 * 60 * 60
"""Seconds that a seal and a wrap may be dated back."""


class _Encoded(msgspec.Struct, frozen=True, gc=False):
    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str


class _Told(msgspec.Struct, frozen=True, gc=False):
    """A rumor as somebody sent it: `id` may be missing, `sig` must be."""

    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str
    id: str = ""
    sig: str | None = None


_decode = msgspec.json.Decoder(_Told).decode
_encode = msgspec.json.Encoder().encode


class Rumor(msgspec.Struct, frozen=True, gc=False):
    """An event that stays unsigned; `id` is what its signed form would have."""

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags
    content: str

    @classmethod
    def of(cls, draft: Draft, pubkey: str, now: int) -> Rumor:
        """`draft` as `pubkey` (hex) writes it; `now` (seconds) stands in for a missing date."""
        created_at = now if draft.created_at is None else draft.created_at
        digest = event_digest(pubkey, created_at, draft.kind, draft.tags, draft.content)
        return cls(digest.hex(), pubkey, created_at, draft.kind, draft.tags, draft.content)

    @classmethod
    def parse(cls, text: str | bytes) -> Rumor:
        """A rumor from JSON of unknown origin; its id is recomputed. Raises InvalidEvent.

        One that is signed is refused: whoever holds it could prove what was said in private.
        """
        try:
            told = _decode(text)
            # A draft's own checks of kind, date and tags.
            draft = Draft(told.kind, "", told.tags, told.created_at)
        except InvalidEvent:
            raise
        except MALFORMED as error:
            raise InvalidEvent(reason_of(error)) from None
        if told.sig:
            raise InvalidEvent("what is sealed is signed, and must not be")
        if not is_hex64(told.pubkey):
            raise InvalidEvent("pubkey is not 64 lowercase hex digits")
        digest = event_digest(told.pubkey, told.created_at, told.kind, draft.tags, told.content)
        if told.id and told.id != digest.hex():
            raise InvalidEvent("id does not match the event")
        return cls(digest.hex(), told.pubkey, told.created_at, told.kind, draft.tags, told.content)

    @property
    def json(self) -> str:
        """As a seal holds it."""
        encoded = _Encoded(
            self.id, self.pubkey, self.created_at, self.kind, self.tags, self.content
        )
        return _encode(encoded).decode()

    def values(self, name: str) -> Sequence[str]:
        """The second element of every tag called `name`."""
        return [tag[1] for tag in self.tags if len(tag) > 1 and tag[0] == name]

    def value(self, name: str) -> str | None:
        """The first of `values`, if any."""
        return next(iter(self.values(name)), None)


def seal_draft(payload: str, now: int, *, expiration: int | None = None) -> Draft:
    """The seal that holds a rumor encrypted as `payload`, for the rumor's author to sign."""
    return Draft(kinds.SEAL, payload, _expiring(expiration), past(now))


def wrap(
    seal: Event,
    recipient: str,
    now: int,
    *,
    relay: str = "",
    expiration: int | None = None,
    kind: int = kinds.GIFT_WRAP,
) -> Event:
    """`seal` wrapped for `recipient` (hex), by a key that is forgotten at once.

    `relay` is a hint where the recipient reads. Raises InvalidKey, PlaintextTooLong.
    """
    with wiping(SecretKey.generate()) as once:
        shared = nip44.conversation_key(once, recipient)
        payload = nip44.encrypt(seal.json.decode(), shared)
        wipe(shared)
        tag = ("p", recipient, relay) if relay else ("p", recipient)
        return Draft(kind, payload, (tag, *_expiring(expiration)), past(now)).sign(once, now)


def parse_seal(text: str | bytes) -> Event:
    """The seal that a wrap held. Its signature is NOT checked. Raises InvalidEvent."""
    seal = Event.parse(text)
    if seal.kind != kinds.SEAL:
        raise InvalidEvent("a gift wrap holds something that is no seal")
    return seal


def open_seal(seal: Event, text: str | bytes) -> Rumor:
    """The rumor that `seal`, whose signature was checked, held.

    Raises AuthorsDisagree when another's name stands in it, and InvalidEvent.
    """
    rumor = Rumor.parse(text)
    if rumor.pubkey != seal.pubkey:
        raise AuthorsDisagree("who sealed this is not who it says wrote it")
    return rumor


def encryption_key(seal: Event) -> str | None:
    """The key that a seal was encrypted by, where it is not its author's (NIP-4E, a draft)."""
    key = seal.value("n")
    return key if key is not None and is_hex64(key) and key != seal.pubkey else None


def past(now: int) -> int:
    """A random second of the two days before `now`."""
    return max(0, now - secrets.randbelow(TWO_DAYS))


def _expiring(expiration: int | None) -> Tags:
    return () if expiration is None else (("expiration", str(expiration)),)
