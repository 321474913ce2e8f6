"""What holds for every query, whoever keeps the relay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nostr_client.protocol.filters import Filter
from relays.config.sections import Limits
from relays.policies.verdict import ACCEPTED, Verdict, refused


def filter_values(filters: Iterable[Filter]) -> int:
    """What `filters` cost: one each, and one for every value in their lists."""
    total = 0
    for one in filters:
        total += 1
        for values in (one.ids, one.authors, one.kinds, *one.tags.values()):
            if values is not None:
                total += len(values)
    return total


def check_filters(filters: Sequence[Filter], limits: Limits, *, searches: bool = False) -> Verdict:
    """May a REQ or a COUNT ask this? A `limit` too large is no reason to refuse: it is clamped."""
    if len(filters) > limits.filters:
        return refused(f"invalid: {limits.filters} filters may be asked at once")
    for one in filters:
        if one.unknown:
            return refused(f"unsupported: unknown element of a filter: {one.unknown[0][:64]}")
        if one.search is not None and not searches:
            return refused("unsupported: this relay has no search")
        if filter_values((one,)) > limits.filter_values + 1:
            return refused(f"invalid: a filter may have {limits.filter_values} values")
    return ACCEPTED
