"""Proof of work (NIP-13): an id that begins with zero bits, and the aim its author committed to.

The commitment matters: without it, who sprays events at a low difficulty gets some through at a
higher one by luck.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import PublicKey

MOST_BITS: Final = 256
_NONCE: Final = "nonce"
_DIGITS: Final = 16
"""Of every nonce: one width, so that only these bytes differ from try to try."""
_encode = msgspec.json.Encoder().encode


def difficulty(event_id: str) -> int:
    """Zero bits that an id (64 hex digits) begins with."""
    return MOST_BITS - int(event_id, 16).bit_length()


def commitment(event: Event) -> int | None:
    """The bits that its author set out to show; None where none are named."""
    for tag in event.tags:
        if tag[0] == _NONCE and len(tag) > 2:
            aim = tag[2]
            if aim.isascii() and aim.isdigit() and len(aim) <= 3:
                return int(aim)
            return None
    return None


def work(event: Event) -> int:
    """Bits of work that count: those of the id, and not more than were committed to."""
    aim = commitment(event)
    return 0 if aim is None else min(aim, difficulty(event.id))


def mine(
    draft: Draft, pubkey: str, bits: int, *, start: int = 0, tries: int = 1 << 20
) -> Draft | None:
    """`draft` with a nonce that gives its id `bits` zero bits, once `pubkey` (hex) signs it.

    Looks at the nonces from `start` on, `tries` of them; None when none of them does: go on with
    `start + tries`, or give up. On the average it takes 2 ** bits tries of about 1 µs each. The
    draft must have a `created_at`, since the id depends on it; a nonce that it has is replaced.
    Raises InvalidData for what cannot be mined.
    """
    if draft.created_at is None:
        raise InvalidData("only a draft with created_at can be mined")
    if not 0 <= bits <= MOST_BITS:
        raise InvalidData(f"work is a number of bits from 0 to {MOST_BITS}")
    if start < 0 or start + tries > 10**_DIGITS:
        raise InvalidData(f"a nonce has at most {_DIGITS} digits")
    place = "0" * _DIGITS
    tags = (*(tag for tag in draft.tags if tag[0] != _NONCE), (_NONCE, place, str(bits)))
    head, tail = _around(PublicKey(pubkey).hex, draft, tags, place)
    begun = sha256(head)
    over = MOST_BITS - bits
    for number in range(start, start + tries):
        attempt = begun.copy()
        attempt.update(b"%016d" % number)
        attempt.update(tail)
        if int.from_bytes(attempt.digest(), "big").bit_length() <= over:
            mined = (*tags[:-1], (_NONCE, f"{number:016d}", str(bits)))
            return Draft(draft.kind, draft.content, mined, draft.created_at)
    return None


def _around(
    pubkey: str, draft: Draft, tags: tuple[tuple[str, ...], ...], place: str
) -> tuple[bytes, bytes]:
    """What is hashed for the id, before the nonce and after it."""
    # The nonce's tag is the last one, and only the content comes behind it.
    before = _encode((0, pubkey, draft.created_at, draft.kind, tags))
    cut = before.rindex(place.encode())
    tail = before[cut + len(place) : -1] + b"," + _encode(draft.content) + b"]"
    return before[:cut], tail
