"""Who may see what is private: messages wrapped for one person (NIP-59), and those of NIP-04."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DIRECT_MESSAGE, EPHEMERAL_GIFT_WRAP, GIFT_WRAP

PRIVATE: Final = frozenset({DIRECT_MESSAGE, GIFT_WRAP, EPHEMERAL_GIFT_WRAP})
"""Kinds that only those whom they are for may see. A direct message is its author's, too; the
author of a wrap is nobody."""


class Reader(msgspec.Struct, frozen=True):
    """Who asks: the pubkeys that he has shown to be, and the private kinds that anybody may see."""

    keys: frozenset[str] = frozenset()
    open: frozenset[int] = frozenset()


def reader_of(reader: Collection[str] | Reader) -> Reader:
    """A reader, from his pubkeys."""
    return reader if isinstance(reader, Reader) else Reader(frozenset(reader))


def may_see(event: Event, reader: Reader) -> bool:
    """May he have `event`?"""
    if event.kind not in PRIVATE or event.kind in reader.open:
        return True
    if event.kind == DIRECT_MESSAGE and event.pubkey in reader.keys:
        return True
    return any(pubkey in reader.keys for pubkey in event.values("p"))
