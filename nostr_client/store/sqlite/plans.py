"""From a filter to a plan: which index is walked, and what is checked on the way. No SQL here.

A filter takes one index, whose entries stand in NIP-01's order within each *segment*: one tag
value, one (author, kind), one kind, or all of time. What the index does not settle is the *rest*,
checked entry by entry. Where several indexes would do (tags and authors, or tags of several names),
the data decide: `choices` says what to count, `plan` takes the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from enum import Enum
from math import prod
from typing import Any, Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import DIRECT_MESSAGE
from nostr_client.store.sqlite.index_keys import MAX, IndexKeys, id_key
from nostr_client.store.visibility import FilterOf
from nostr_client.store.words import phrases

INLINE: Final = 16
"""Longer lists of the rest are bound as one JSON array."""
LISTED_KINDS: Final = 16
"""With more kinds than these, those that exist are looked up first."""
_PROBED: Final = 8
_Columns = tuple[tuple[int, ...], ...]
"""Of each of an index's columns, the values: each combination is a segment."""
_Left = list[tuple[str, Sequence[int | None]]]
"""A column or `tag`, and the values of which one must stand there."""


class Cursor(NamedTuple):
    """A place in NIP-01's order: results come after it."""

    created_at: int
    tie: int
    seq: int


NEWEST: Final = Cursor(MAX, MAX, MAX)


class Index(Enum):
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

    `keys`: for each of the index's columns its values; each combination is a segment. `values` are
    bound for `rest`. `ids`: a JSON object, id to tie, for `Index.IDS`. `words`: what FTS5 is to
    look for, for `Index.SEARCH`.
    """

    by: Index
    keys: _Columns
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
    """An index that would do: count the entries of some segments, and multiply by `scale`."""

    letter: str
    """Of the tag; empty for the authors."""
    by: Index
    keys: _Columns
    scale: float


def choices(f: Filter, keys: IndexKeys) -> list[Choice]:
    """The indexes among which only the data can choose; none where there is no choice."""
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
        found.append(Choice(letter, Index.TAG, (some,), len(values) / len(some)))
    if f.authors is not None:
        authors = tuple(keys.author(author) for author in sorted(f.authors)[:_PROBED])
        scale = len(f.authors) / len(authors)
        if f.kinds is None:
            found.append(Choice("", Index.AUTHOR_ANY, (authors,), scale))
        else:
            kinds = tuple(sorted(f.kinds)[: max(1, 2 * _PROBED // len(authors))])
            scale *= len(f.kinds) / len(kinds)
            found.append(Choice("", Index.AUTHOR, (authors, kinds), scale))
    return found


def plan(f: Filter, keys: IndexKeys, after: Cursor = NEWEST, choice: Choice | None = None) -> Plan:
    """How to answer `f`, which is not empty, from `after` on; `choice` is one of `choices`."""
    by, columns, left = _index_for(f, keys, choice)
    rest, values = _rest((name, items) for name, items in left if items)
    ids = "" if f.ids is None else _id_keys(f.ids)
    if ids and by is not Index.IDS:
        rest, values, ids = (*rest, Condition("id", 0)), (*values, ids), ""
    if isinstance(f, FilterOf):
        own, named = _own(f, keys)
        rest, values = rest + own, values + named
    words = "" if f.search is None else _expression(f.search)
    until = MAX if f.until is None else f.until
    upper = min(after, Cursor(until, MAX, MAX))
    return Plan(by, columns, rest, values, f.since or 0, upper, ids, words)


def _index_for(f: Filter, keys: IndexKeys, choice: Choice | None) -> tuple[Index, _Columns, _Left]:
    """Which index is walked, with the values of its columns, and what is left to be checked."""
    tags = dict(f.tags)
    authors = tuple(keys.author(author) for author in f.authors or ())
    kinds = tuple(sorted(f.kinds or ()))
    columns: _Columns = ()
    left: _Left = [("author", authors), ("kind", kinds)]
    if f.search is not None:
        by = Index.SEARCH
    elif f.ids is not None:
        by = Index.IDS
    elif tags and (choice is None or choice.letter):
        letter = choice.letter if choice else next(iter(tags))
        by, columns = Index.TAG, (tuple(keys.tag(letter, v) for v in tags.pop(letter)),)
    else:
        by, columns = _untagged(authors, kinds)
        left = []
    left += [("tag", [keys.tag(name, v) for v in values]) for name, values in sorted(tags.items())]
    return by, columns, left


def _own(f: FilterOf, keys: IndexKeys) -> tuple[tuple[Condition, ...], tuple[Any, ...]]:
    """That of what is hidden, an event is its reader's."""
    tags: list[int | None] = [keys.tag("p", pubkey) for pubkey in f.reader]
    if DIRECT_MESSAGE not in f.hidden:
        return _rest([("reader", tags or [None])])
    authors: list[int | None] = [keys.author(pubkey) for pubkey in f.reader]
    [condition], named = _rest([("party", tags or [None])])
    return (condition,), (*named, *_rest([("party", authors or [None])])[1])


def _id_keys(ids: Iterable[str]) -> str:
    return json.dumps({event_id: id_key(event_id) for event_id in ids})


def _expression(search: str) -> str:
    """In FTS5's language: all of these phrases, whose words have no sign that means anything."""
    return " ".join(f'"{" ".join(phrase)}"' for phrase in phrases(search))


def _untagged(authors: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[Index, _Columns]:
    few = len(kinds) <= LISTED_KINDS
    if authors and not kinds:
        return Index.AUTHOR_ANY, (authors,)
    if authors:
        return (Index.AUTHOR if few else Index.AUTHOR_FOUND), (authors, kinds)
    if kinds:
        return (Index.KIND if few else Index.KIND_FOUND), (kinds,)
    return Index.TIME, ()


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
