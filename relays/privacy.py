"""Messages wrapped for one person (NIP-17, NIP-59): who may see them, and who may know of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import EPHEMERAL_GIFT_WRAP, GIFT_WRAP

PRIVATE: Final = frozenset({GIFT_WRAP, EPHEMERAL_GIFT_WRAP})
"""Kinds that only the people whom they name may see, once they are authenticated."""


def may_see(event: Event, keys: Collection[str]) -> bool:
    """May one who is authenticated as `keys` see `event`?"""
    return event.kind not in PRIVATE or any(pubkey in keys for pubkey in event.values("p"))


def asks_private(filters: Iterable[Filter]) -> bool:
    """Does one of `filters` ask for private kinds and nothing else?"""
    return any(one.kinds and PRIVATE.issuperset(one.kinds) for one in filters)
