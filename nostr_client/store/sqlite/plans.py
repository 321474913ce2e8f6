"""From a filter to a plan: which index is walked, and what is checked on the way. No SQL here.

A filter takes one *road*: an index whose entries stand in NIP-01's order within each *segment*,
which is one tag value, one (author, kind), one kind, or all of time. What the road does not settle
is the *rest*, checked entry by entry. Where several roads are open (tags and authors, or tags of
several names), the data decide: `choices` says what to count, `plan` takes the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from math import prod
from typing import Any, Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DIRECT_MESSAGE
from nostr_client.store.sqlite.index_keys import MAX, IndexKeys, tie_of
from nostr_client.store.visibility import FilterOf
from nostr_client.store.words import phrases

INLINE: Final = 16
"""Longer lists of the rest are bound as one JSON array."""
LISTED_KINDS: Final = 16
"""With more kinds than these, those that exist are looked up first."""
_PROBED: Final = 8


class Cursor(NamedTuple):
    """A place in NIP-01's order: results come after it."""

    created_at: int
    tie: int
    seq: int


NEWEST: Final = Cursor(MAX, MAX, MAX)


class Road(Enum):
    """Which index is walked, and what makes a segment of it."""

    IDS = "ids"
    SEARCH = "words"
    TAG = "tag"
    AUTHOR = "author and kind"
    AUTHOR_FOUND = "author, and those of the kinds that he has"
    AUTHOR_ANY = "author, and every kind that he has"
    KIND = "kind"
    KIND_FOUND = "those of the kinds that exist"
    TIME = "time"


class Condition(NamedTuple):
    """A part of the rest: a column, or a further tag, is one of `size` values (0: a JSON array).

    `reader`: if the event is a gift wrap, its `p` tags are meant. `party`: so they are of a direct
    message, too, or else its author, who has a value of his own. `id`: a JSON object, id to tie.
    """

    name: str
    size: int


class Plan(NamedTuple):
    """How one filter is answered.

    `keys`: for each of the road's columns its values; each combination is a segment. `values` are
    bound for `rest`. `ids`: a JSON object, id to tie, for the road `IDS`. `words`: what FTS5 is to
    look for, on the road `SEARCH`.
    """

    road: Road
    keys: tuple[tuple[int, ...], ...]
    rest: tuple[Condition, ...]
    values: tuple[Any, ...]
    since: int
    upper: Cursor
    ids: str = ""
    words: str = ""

    @property
    def segments(self) -> int:
        return prod(map(len, self.keys))


class Choice(NamedTuple):
    """A road that is open: count the entries of some segments, and multiply by `scale`."""

    letter: str
    """Of the tag; empty for the authors."""
    road: Road
    keys: tuple[tuple[int, ...], ...]
    scale: float


def choices(f: Filter, keys: IndexKeys) -> list[Choice]:
    """The roads among which only the data can choose; none where there is no choice."""
    if (
        f.ids is not None
        or f.search is not None
        or not f.tags
        or len(f.tags) + (f.authors is not None) < 2
    ):
        return []
    found = []
    for letter, values in sorted(f.tags.items()):
        some = tuple(keys.tag(letter, value) for value in sorted(values)[:_PROBED])
        found.append(Choice(letter, Road.TAG, (some,), len(values) / len(some)))
    if f.authors is not None:
        authors = tuple(keys.author(author) for author in sorted(f.authors)[:_PROBED])
        scale = len(f.authors) / len(authors)
        if f.kinds is None:
            found.append(Choice("", Road.AUTHOR_ANY, (authors,), scale))
        else:
            kinds = tuple(sorted(f.kinds)[: max(1, 2 * _PROBED // len(authors))])
            scale *= len(f.kinds) / len(kinds)
            found.append(Choice("", Road.AUTHOR, (authors, kinds), scale))
    return found


def plan(f: Filter, keys: IndexKeys, after: Cursor = NEWEST, choice: Choice | None = None) -> Plan:
    """How to answer `f`, which is not empty, from `after` on; `choice` is one of `choices`."""
    tags = dict(f.tags)
    authors = tuple(keys.author(author) for author in f.authors or ())
    kinds = tuple(sorted(f.kinds or ()))
    columns: tuple[tuple[int, ...], ...] = ()
    ids, words = "", ""
    left: list[tuple[str, Sequence[int | None]]] = [("author", authors), ("kind", kinds)]
    if f.search is not None:
        road, words = Road.SEARCH, _expression(f.search)
    elif f.ids is not None:
        road, ids = Road.IDS, _ties(f.ids)
    elif tags and (choice is None or choice.letter):
        letter = choice.letter if choice else next(iter(tags))
        road, columns = Road.TAG, (tuple(keys.tag(letter, v) for v in tags.pop(letter)),)
    else:
        left.clear()
        road, columns = _untagged(authors, kinds)
    left += [("tag", [keys.tag(name, v) for v in values]) for name, values in sorted(tags.items())]
    rest, values = _rest((name, items) for name, items in left if items)
    if f.ids is not None and road is not Road.IDS:
        rest, values = (*rest, Condition("id", 0)), (*values, _ties(f.ids))
    if isinstance(f, FilterOf):
        own, named = _own(f, keys)
        rest, values = rest + own, values + named
    until = MAX if f.until is None else f.until
    upper = min(after, Cursor(until, MAX, MAX))
    return Plan(road, columns, rest, values, f.since or 0, upper, ids, words)


def _own(f: FilterOf, keys: IndexKeys) -> tuple[tuple[Condition, ...], tuple[Any, ...]]:
    """That of what is hidden, an event is its reader's."""
    tags: list[int | None] = [keys.tag("p", pubkey) for pubkey in f.reader]
    if DIRECT_MESSAGE not in f.hidden:
        return _rest([("reader", tags or [None])])
    authors: list[int | None] = [keys.author(pubkey) for pubkey in f.reader]
    [condition], named = _rest([("party", tags or [None])])
    return (condition,), (*named, *_rest([("party", authors or [None])])[1])


def _ties(ids: Iterable[str]) -> str:
    return json.dumps({event_id: tie_of(event_id) for event_id in ids})


def _expression(search: str) -> str:
    """In FTS5's language: all of these phrases, whose words have no sign that means anything."""
    return " ".join(f'"{" ".join(phrase)}"' for phrase in phrases(search))


def _untagged(
    authors: tuple[int, ...], kinds: tuple[int, ...]
) -> tuple[Road, tuple[tuple[int, ...], ...]]:
    few = len(kinds) <= LISTED_KINDS
    if authors and not kinds:
        return Road.AUTHOR_ANY, (authors,)
    if authors:
        return (Road.AUTHOR if few else Road.AUTHOR_FOUND), (authors, kinds)
    if kinds:
        return (Road.KIND if few else Road.KIND_FOUND), (kinds,)
    return Road.TIME, ()


def _rest(
    left: Iterable[tuple[str, Sequence[int | None]]],
) -> tuple[tuple[Condition, ...], tuple[Any, ...]]:
    conditions: list[Condition] = []
    values: list[Any] = []
    for name, items in left:
        if len(items) > INLINE:
            conditions.append(Condition(name, 0))
            values.append(json.dumps(items))
        else:
            size = rounded(len(items))
            conditions.append(Condition(name, size))
            values += [*items, *[items[0]] * (size - len(items))]
    return tuple(conditions), tuple(values)


def rounded(count: int) -> int:
    """`count` or somewhat more: few different shapes make few different statements."""
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step
