"""One second of which a peer shows less than it holds: asked for in parts, by kind, author and tag.

A page cannot be asked for "after this event", only until a second. So where one second has more
events than a page, its filter is cut until each part fits into one. Kinds cut it without a rest,
and so do authors and tag values that were asked for; who else wrote in that second, and with which
tags, nobody can say, so those who are known are tried. A peer that counts (NIP-45) says when all is
there.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from nostr_client.errors import Refused
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import MAX_KIND

QUESTIONS: Final = 300
"""Parts that are asked for, at most, of one second."""
KINDS: Final = 8000
"""Kinds in one filter: some 48 kB."""

NAMED: Final = 10
"""Seconds that words name one by one."""
_LAST_DAY: Final = 253_402_300_800
"""A date from here on has more than four digits of a year."""

Ask = Callable[[Filter], Awaitable[tuple[Sequence[Event], bool]]]
"""The events of a filter, and whether these are all that the peer has of it."""


class FilterParts(NamedTuple):
    """What a filter was cut into; `exact`: together they ask for all that it asked for."""

    filters: list[Filter]
    exact: bool


async def read_second(
    asked: Filter, ask: Ask, *, count: int | None, authors: Collection[str]
) -> bool:
    """Ask for all of `asked`, which is one second; is it certain that everything came?

    `count`: how many events the peer says that it has, None if it does not; `authors`: who may
    have written some of them. Raises RelayError but for Refused, which makes a part uncertain.
    """
    seen: set[str] = set()
    todo, certain = [asked], True
    for _ in range(QUESTIONS):
        if not todo:
            return certain
        part = todo.pop()
        try:
            events, whole = await ask(part)
        except Refused:
            events, whole, certain = (), True, False
        seen.update(event.id for event in events)
        if count is not None and len(seen) >= count:
            return True
        if not whole:
            filters, exact = cut(part, events, authors)
            certain = certain and exact
            todo += filters
    return False


def cut(asked: Filter, events: Sequence[Event], authors: Collection[str]) -> FilterParts:
    """Smaller filters in place of `asked`, of which `events` are known."""
    if asked.kinds is None:
        seen = {event.kind for event in events}
        others = [kind for kind in range(MAX_KIND + 1) if kind not in seen]
        groups = [others[at : at + KINDS] for at in range(0, len(others), KINDS)]
        kinds = [*groups, *([kind] for kind in sorted(seen))]
        return FilterParts([asked.changed(kinds=frozenset(group)) for group in kinds], True)
    if len(asked.kinds) > 1:
        return FilterParts([asked.changed(kinds=half) for half in _halves(asked.kinds)], True)
    if asked.authors is not None and len(asked.authors) > 1:
        return FilterParts([asked.changed(authors=half) for half in _halves(asked.authors)], True)
    for name, values in asked.tags.items():
        if len(values) > 1:
            return FilterParts(
                [asked.changed(tags={**asked.tags, name: half}) for half in _halves(values)], True
            )
    if asked.authors is None:
        known = frozenset(authors).union(event.pubkey for event in events)
        return FilterParts([asked.changed(authors=known)] if known else [], False)
    if not asked.tags:
        return FilterParts([asked.changed(tags=one) for one in _tags(events)], False)
    return FilterParts([], False)


def seconds_in_words(seconds: Sequence[int]) -> str:
    """Seconds since 1970, as a keeper can read them; the first ones by name."""
    named = ", ".join(map(_date, seconds[:NAMED]))
    more = f" and {len(seconds) - NAMED} more" if len(seconds) > NAMED else ""
    return f"second{'s' if len(seconds) > 1 else ''} {named}{more}"


def _date(at: int) -> str:
    if not 0 <= at < _LAST_DAY:
        return str(at)
    return f"{at} ({time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))} UTC)"


def _halves(values: frozenset[Any]) -> Iterator[frozenset[Any]]:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return iter((frozenset(ordered[:middle]), frozenset(ordered[middle:])))


def _tags(events: Sequence[Event]) -> Iterator[dict[str, frozenset[str]]]:
    """The tags that can be asked for, by name."""
    found: dict[str, set[str]] = {}
    for event in events:
        for tag in event.tags:
            if len(tag) > 1 and len(tag[0]) == 1 and tag[0].isascii() and tag[0].isalpha():
                found.setdefault(tag[0], set()).add(tag[1])
    for name, values in found.items():
        # Relays refuse a whole filter for one of these that is no id or key.
        good = {value for value in values if name not in "ep" or is_hex64(value)}
        if good:
            yield {name: frozenset(good)}
