"""From a filter to the index that answers it: which one is walked, and what is left to be checked.

A filter takes one index, whose entries stand in NIP-01's order within each *segment*: one tag
value, one (author, kind), one kind, or all of time. What the index does not settle is left, and
checked entry by entry. Where several indexes would do (tags and authors, or tags of several names),
the data decide: `choices` says what an engine is to count, `index_for` takes the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.store.index_keys import MAX, IndexKeys
from nostr_client.store.visibility import FilterOf

LISTED_KINDS: Final = 16
"""With more kinds than these, those that exist are looked up first."""
_PROBED: Final = 8
Columns = tuple[tuple[int, ...], ...]
"""Of each of an index's columns, the values: each combination is a segment."""
Left = list[tuple[str, Sequence[int]]]
"""A column or `tag`, and the values of which one must stand there; none: whichever."""


class Cursor(NamedTuple):
    """A place in NIP-01's order: results come after it."""

    created_at: int
    tie: int
    seq: int


NEWEST: Final = Cursor(MAX, MAX, MAX)


class Slice(NamedTuple):
    """Rows of one filter, newest first, as `Event.json`; `seq`: the last commit that was seen."""

    events: list[bytes]
    complete: bool
    split: bool
    """The first one left out has the created_at of the last one here."""
    seq: int


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


class Choice(NamedTuple):
    """An index that would do: count the entries of some segments, and multiply by `scale`."""

    letter: str
    """Of the tag; empty for the authors."""
    by: Index
    keys: Columns
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


def index_for(
    f: Filter, keys: IndexKeys, choice: Choice | None = None
) -> tuple[Index, Columns, Left]:
    """Which index is walked, with the values of its columns, and what is left to be checked."""
    tags = dict(f.tags)
    authors = tuple(keys.author(author) for author in f.authors or ())
    kinds = tuple(sorted(f.kinds or ()))
    columns: Columns = ()
    left: Left = [("author", authors), ("kind", kinds)]
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


def _untagged(authors: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[Index, Columns]:
    few = len(kinds) <= LISTED_KINDS
    if authors and not kinds:
        return Index.AUTHOR_ANY, (authors,)
    if authors:
        return (Index.AUTHOR if few else Index.AUTHOR_FOUND), (authors, kinds)
    if kinds:
        return (Index.KIND if few else Index.KIND_FOUND), (kinds,)
    return Index.TIME, ()


def is_by_id(f: Filter, limit: int | None) -> bool:
    """Is it ids that `f` asks for, and no more of them than `limit`?"""
    return (
        f.ids is not None
        and (limit is None or len(f.ids) <= limit)
        and not f.tags
        and (f.kinds is None and f.authors is None and f.search is None)
        and (f.since is None and f.until is None)
        and not (isinstance(f, FilterOf) and f.reader)
    )
