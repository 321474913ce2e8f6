"""What of a set is worth comparing: not what retention would take out again at once.

A comparison tells ids and no more, so what is not wanted must be left out of its filter. Where all
kinds are asked for, what is older than anything that goes by its age is compared only of the kinds
that stay whatever their age: profiles, lists and the like, so far as they are in use.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DELETION, VANISH
from relays.policies.retention import RetentionPolicy

STAYING: Final = frozenset(
    {0, 3, DELETION, VANISH, *range(10_000, 10_103), *range(30_000, 30_100), *range(39_000, 39_010)}
)
"""Kinds that retention never takes out: the replaceable ones that are in use."""
_SOMEBODY: Final = frozenset({"0" * 64})
"""An author of whom no rule says anything."""


def worth_comparing(filter: Filter, keeping: RetentionPolicy, now: float) -> list[Filter]:
    """`filter`, in as many filters as it takes to leave out what is not kept."""
    if not keeping.is_on:
        return [filter]
    rules = keeping.settings.rules
    if filter.kinds is not None:
        parts = _by_bounds(filter, filter.kinds, keeping, now)
    else:
        named = {kind for rule in rules for kind in (*rule.kinds, *rule.except_kinds)}
        other = next(kind for kind in range(1, 65_536) if kind not in named | STAYING)
        newer = next(iter(_by_bounds(filter, {other}, keeping, now)), None)
        bound = None if newer is None else newer.since
        if newer is not None and bound == filter.since:
            return [filter]
        staying = STAYING.union(*(rule.except_kinds for rule in rules))
        parts = [] if newer is None else [newer.changed(kinds=None)]
        until = filter.until if bound is None else _least(filter.until, bound - 1)
        parts += _by_bounds(filter.changed(until=until), staying, keeping, now)
    spared = keeping.settings.spared
    if spared and filter.authors is None:
        parts.append(filter.changed(authors=frozenset(spared)))
    return parts


def _by_bounds(
    filter: Filter, kinds: Collection[int], keeping: RetentionPolicy, now: float
) -> list[Filter]:
    """One filter for all `kinds` that are kept equally long."""
    authors = _SOMEBODY if filter.authors is None else filter.authors
    groups: dict[int | None, set[int]] = {}
    for kind in kinds:
        asked = filter.changed(kinds=frozenset({kind}), authors=authors)
        groups.setdefault(keeping.narrowed(asked, now).since, set()).add(kind)
    return [
        filter.changed(kinds=frozenset(group), since=since)
        for since, group in groups.items()
        if since is None or filter.until is None or since <= filter.until
    ]


def _least(until: int | None, bound: int) -> int:
    return bound if until is None else min(until, bound)
