"""Asking a relay for events by their ids, until it is sure which of them it does not have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import msgspec

from nostr_client.net.outcome import End
from nostr_client.protocol.filters import Filter

IDS: Final = 250
"""Events in one REQ: what relays that cap a page still answer whole."""

AskIds = Callable[[Filter], Awaitable[tuple[Collection[str], End]]]
"""Asks for a filter of ids: which of them came, and how it ended."""


class AskedById(msgspec.Struct):
    """`absent`: the relay does not have these; `came`: it has these. Whatever is in neither was not
    answered: `failed` says how, or the requests were used up (`whole` is False)."""

    absent: set[str]
    came: set[str]
    requests: int = 0
    failed: End | None = None
    whole: bool = True


async def ask_by_id(
    ids: Collection[str],
    ask: AskIds,
    most: int | None = None,
    *,
    size: int = IDS,
    patience: int | None = None,
) -> AskedById:
    """Ask for `ids` (hex), `size` in a request and in at most `most` of them, again until none
    comes any more: a relay may send a part at a time. After `patience` requests in a row that
    brought nothing the rest is left."""
    result, ordered, asked, idle = AskedById(set(), set()), sorted(ids), 0, 0
    for start in range(0, len(ordered), size):
        open_ids = set(ordered[start : start + size])
        while open_ids:
            if asked == most or (patience is not None and idle >= patience):
                result.whole = False
                return result
            asked += 1
            came, end = await ask(Filter(ids=frozenset(open_ids)))
            result.requests += max(1, end.pages)
            if not end.answered:
                result.failed, result.whole = end, False
                return result
            found = open_ids.intersection(came)
            if not found:
                idle += 1
                result.absent |= open_ids
                break
            idle = 0
            result.came |= found
            open_ids -= found
    return result
