"""How a subscription's filters become REQs: cut to a size relays take, and resumed (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from nostr_client.protocol.filters import Filter

MAX_REQUEST: Final = 48 * 1024
"""Bytes of filters in one REQ: common relays refuse messages from 64 KiB on."""
MAX_FILTERS: Final = 10
"""Filters in one REQ: common relays take no more."""
OVERLAP: Final = 15 * 60
"""Seconds that a resumed subscription reads again: events reach a relay late and out of order."""

Filters = tuple[Filter, ...]
_encode = msgspec.json.Encoder().encode


def requests_for(
    filters: Sequence[Filter], most: int = MAX_FILTERS, size: int = MAX_REQUEST
) -> list[Filters]:
    """The filters, in as many REQs as relays need, each of at most so many filters and bytes of
    them; together they ask for exactly the same.

    A `limit` holds for each piece of a cut filter, so more may come than one REQ would bring. A
    filter that can never hold is not sent: relays differ in what an empty list means to them.
    """
    requests: list[Filters] = []
    pack: list[Filter] = []
    taken = 0
    for filter in filters:
        for piece in () if _never_holds(filter) else _pieces(filter, size):
            more = _size(piece)
            if pack and (taken + more > size or len(pack) == most):
                requests.append(tuple(pack))
                pack, taken = [], 0
            pack.append(piece)
            taken += more
    if pack:
        requests.append(tuple(pack))
    return requests


def resumed(filters: Sequence[Filter], last_seen: int, now: int) -> Filters:
    """What is still to be asked after stored history was read and `last_seen` was the newest event.

    An event dated in the future does not push the mark past `now`. Filters that name their
    events by id are asked again as they are, since what they wait for may be of any age.
    """
    since = max(0, min(last_seen, now) - OVERLAP)
    return tuple(
        filter
        if filter.ids is not None or filter.search is not None
        else filter.changed(since=max(filter.since or 0, since), limit=None)
        for filter in filters
        if filter.until is None or filter.until >= since or filter.ids is not None
    )


def size_of(filters: Sequence[Filter]) -> int:
    """Bytes that these take in a REQ."""
    return sum(map(_size, filters))


def _never_holds(filter: Filter) -> bool:
    return any(not values for _, values in _lists(filter))


def _size(filter: Filter) -> int:
    return len(_encode(filter.to_dict())) + 1


def _pieces(filter: Filter, size: int) -> Iterator[Filter]:
    if _size(filter) <= size:
        yield filter
        return
    name, values = max(_lists(filter), key=lambda item: len(item[1]), default=("", frozenset()))
    if len(values) < 2:
        yield filter  # one giant value: the relay has to judge
        return
    ordered = sorted(values)
    middle = len(ordered) // 2
    for half in (frozenset(ordered[:middle]), frozenset(ordered[middle:])):
        if name.startswith("#"):
            yield from _pieces(filter.changed(tags={**filter.tags, name[1:]: half}), size)
        else:
            yield from _pieces(filter.changed(**{name: half}), size)


def _lists(filter: Filter) -> Iterator[tuple[str, frozenset[Any]]]:
    if filter.ids is not None:
        yield "ids", filter.ids
    if filter.authors is not None:
        yield "authors", filter.authors
    if filter.kinds is not None:
        yield "kinds", filter.kinds
    for name, values in filter.tags.items():
        yield f"#{name}", values
