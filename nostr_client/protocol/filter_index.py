"""Many live filters: which of them does an event meet?

Every filter lies under the values of one of its conditions, the one that fewest events meet: ids,
else the shortest of authors and tags, else kinds. An event looks only under its own values, and
what it finds there is asked in full, so the answer is that of `Filter.matches` for each filter.
"""

from __future__ import annotations

import builtins
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

K = TypeVar("K", bound=Hashable)
_Place = tuple[str, str | int]
"""A kind of condition and one of its values; a tag's kind of condition is `#` and its name."""

_ANYWHERE: _Place = ("", "")


class FilterIndex(Generic[K]):
    """Filters by key, say one key for each live subscription."""

    def __init__(self) -> None:
        self._filters: dict[K, tuple[Filter, ...]] = {}
        self._places: dict[_Place, dict[tuple[K, int], Filter]] = {}

    def set(self, key: K, filters: Iterable[Filter]) -> None:
        """Give `key` these filters, of which an event needs to meet one, in place of its old."""
        self.remove(key)
        self._filters[key] = kept = tuple(filters)
        for number, one in enumerate(kept):
            for place in _places_of(one):
                self._places.setdefault(place, {})[key, number] = one

    def remove(self, key: K) -> None:
        """Forget `key`, if it is there."""
        for number, one in enumerate(self._filters.pop(key, ())):
            for place in _places_of(one):
                entries = self._places[place]
                del entries[key, number]
                if not entries:
                    del self._places[place]

    def match(self, event: Event) -> builtins.set[K]:
        """The keys with at least one filter that `event` meets."""
        found: dict[tuple[K, int], Filter] = {}
        for place in _places_to_look(event):
            entries = self._places.get(place)
            if entries:
                found |= entries
        matched: builtins.set[K] = builtins.set()
        for (key, _), one in found.items():
            if key not in matched and one.matches(event):
                matched.add(key)
        return matched

    def __len__(self) -> int:
        """How many keys have filters."""
        return len(self._filters)

    def __contains__(self, key: object) -> bool:
        return key in self._filters


def _places_of(one: Filter) -> Iterator[_Place]:
    if one.ids is not None:
        return (("id", value) for value in one.ids)
    lists = [(f"#{name}", values) for name, values in one.tags.items()]
    if one.authors is not None:
        lists.append(("author", one.authors))
    if lists:
        name, values = min(lists, key=lambda pair: len(pair[1]))
        return ((name, value) for value in values)
    if one.kinds is not None:
        return (("kind", kind) for kind in one.kinds)
    return iter((_ANYWHERE,))


def _places_to_look(event: Event) -> Iterable[_Place]:
    places: set[_Place] = {(f"#{tag[0]}", tag[1]) for tag in event.tags if len(tag) > 1}
    places |= {("id", event.id), ("author", event.pubkey), ("kind", event.kind), _ANYWHERE}
    return places
