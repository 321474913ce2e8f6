"""What those who keep each other's events say to each other: rumors in gift wraps (pure).

A rumor of kind 78 (NIP-78, application-specific data) with the `d` tag `NAME`; its content is one
JSON object. Somebody asks another who keeps him, and gets one answer, or none:

    {"type": "sample", "nonce": hex, "ids": [...]}            have you these?
    {"type": "proof", "nonce": hex, "proof": hex, "missing": [ids],
     "events": n, "size": bytes, "since": seconds}            all but these; and so much in all
    {"type": "restore", "relays": [urls]}                     bring mine to these relays
    {"type": "restoring", "relays": [urls], "events": n}      so many are on their way

The proof is the SHA-256 of the nonce's bytes and of each event that is not missing, in the order of
their ids, as JSON with the fields id, pubkey, created_at, kind, tags, content, sig and no white
space: nobody can give it who does not have the events when he is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Annotated, Final

import msgspec

from nostr_client.protocol.event import MALFORMED, Event
from nostr_client.protocol.keys import is_hex64

KIND: Final = 78
NAME: Final = "nostr-client/mutual-aid"
MOST_IDS: Final = 16
"""Events in one sample."""
MOST_RELAYS: Final = 4
LONGEST: Final = 8_192
"""Characters of a message."""
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Ids = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_IDS)]
_Urls = Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_RELAYS)]


class AskedSample(msgspec.Struct, frozen=True, tag_field="type", tag="sample"):
    """Have you these events? `nonce` is 64 hex digits."""

    nonce: str
    ids: _Ids


class GivenProof(msgspec.Struct, frozen=True, tag_field="type", tag="proof"):
    """All of them but the `missing`; and what is kept in all."""

    nonce: str
    proof: str
    missing: _Ids = ()
    events: _Number = 0
    size: _Number = 0
    since: _Number = 0


class AskedBack(msgspec.Struct, frozen=True, tag_field="type", tag="restore"):
    """Bring all that you keep of mine to these relays."""

    relays: _Urls


class GivenBack(msgspec.Struct, frozen=True, tag_field="type", tag="restoring"):
    """So many are on their way to these relays."""

    relays: _Urls
    events: _Number = 0


AidMessage = AskedSample | GivenProof | AskedBack | GivenBack
_decode: Final = msgspec.json.Decoder(AidMessage).decode


def encode_aid(message: AidMessage) -> str:
    """As a rumor's content has it."""
    return msgspec.json.encode(message).decode()


def parse_aid(content: str) -> AidMessage | None:
    """None for what is none of them."""
    if len(content) > LONGEST:
        return None
    try:
        message: AidMessage = _decode(content)
    except MALFORMED:
        return None
    if isinstance(message, AskedSample | GivenProof):
        ids = message.ids if isinstance(message, AskedSample) else message.missing
        if not is_hex64(message.nonce) or not all(map(is_hex64, ids)):
            return None
    return message


def proof_of(nonce: str, events: Iterable[Event]) -> str:
    """What shows that whoever gives it has these events now. `nonce` in hex."""
    digest = sha256(bytes.fromhex(nonce))
    for event in sorted(events, key=lambda event: event.id):
        digest.update(event.json)
    return digest.hexdigest()
