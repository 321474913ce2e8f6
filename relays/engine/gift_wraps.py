"""Private messages (NIP-04, 17, 59): who may know of them. Who may see them, the store says."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from nostr_client.protocol.filters import Filter
from nostr_client.store.visibility import PRIVATE


def asks_private(filters: Iterable[Filter], open: Collection[int] = ()) -> bool:
    """Does one of `filters` ask for private kinds and nothing else? `open` are those that are not
    private here."""
    private = PRIVATE.difference(open)
    return any(one.kinds and private.issuperset(one.kinds) for one in filters)
