"""Filters: what a subscription asks for (NIP-01; `search` is NIP-50's)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import msgspec

from nostr_client.errors import InvalidFilter
from nostr_client.protocol.event import MALFORMED, MAX_TIMESTAMP, Tags, reason_of
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import MAX_KIND

_is_tag_name = re.compile("#[a-zA-Z]").fullmatch
_object = msgspec.json.Decoder(dict[str, Any]).decode
_LISTS = {"ids", "authors", "kinds"}
_NUMBERS = {"since", "until", "limit"}


class Filterable(Protocol):
    """What a filter looks at in an event."""

    @property
    def id(self) -> str: ...
    @property
    def pubkey(self) -> str: ...
    @property
    def created_at(self) -> int: ...
    @property
    def kind(self) -> int: ...
    @property
    def tags(self) -> Tags: ...


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """All conditions that are given must hold; None means no condition, an empty set never holds.

    `tags` maps a single letter to the values of which an event needs one. `since` and `until`
    are inclusive seconds. `unknown` names the elements of the JSON that nobody here understands:
    a relay refuses those, since to ignore one would answer more than was asked.
    """

    ids: frozenset[str] | None = None
    authors: frozenset[str] | None = None
    kinds: frozenset[int] | None = None
    tags: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    limit: int | None = None
    search: str | None = None
    unknown: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        ids: Iterable[str] | None = None,
        authors: Iterable[str] | None = None,
        kinds: Iterable[int] | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        search: str | None = None,
        **tags: Iterable[str],
    ) -> Filter:
        """A filter as a script writes it: `Filter.of(kinds=[1], e=[note_id])`.

        Raises InvalidFilter.
        """
        lists: dict[str, Iterable[Any] | None] = {"ids": ids, "authors": authors, "kinds": kinds}
        lists |= {f"#{name}": values for name, values in tags.items()}
        value: dict[str, Any] = {
            name: _list(name, items) for name, items in lists.items() if items is not None
        }
        plain = {"since": since, "until": until, "limit": limit, "search": search}
        value |= {name: item for name, item in plain.items() if item is not None}
        parsed = cls.from_dict(value)
        if parsed.unknown:
            raise InvalidFilter(f"not an element of a filter: {', '.join(parsed.unknown)}")
        return parsed

    @classmethod
    def parse(cls, data: bytes | str | msgspec.Raw) -> Filter:
        """A filter from JSON of unknown origin. Raises InvalidFilter.

        Numbers that no event can have are no fault: they match what they say, mostly nothing.
        """
        try:
            value = _object(data)
        except MALFORMED as error:
            raise InvalidFilter(reason_of(error)) from None
        return cls.from_dict(_within_bounds(value))

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Filter:
        """A filter from a decoded JSON object, as a person writes it. Raises InvalidFilter."""
        fields: dict[str, Any] = {}
        tags: dict[str, frozenset[str]] = {}
        unknown: list[str] = []
        for name, item in value.items():
            if name in _LISTS:
                fields[name] = _numbers(item) if name == "kinds" else _strings(name, item)
            elif name in _NUMBERS:
                fields[name] = _number(name, item, MAX_TIMESTAMP)
            elif _is_tag_name(name):
                tags[name[1]] = _strings(name, item)
            elif name == "search":
                if not isinstance(item, str):
                    raise InvalidFilter("search is not a string")
                fields[name] = item
            else:
                unknown.append(name)
        return cls(**fields, tags=tags, unknown=tuple(unknown))

    def to_dict(self) -> dict[str, Any]:
        """The JSON object, lists sorted, so that equal filters are written alike."""
        lists = {"ids": self.ids, "authors": self.authors, "kinds": self.kinds}
        value: dict[str, Any] = {n: sorted(v) for n, v in lists.items() if v is not None}
        value |= {f"#{name}": sorted(values) for name, values in self.tags.items()}
        plain = {"since": self.since, "until": self.until, "limit": self.limit}
        value |= {name: item for name, item in plain.items() if item is not None}
        if self.search is not None:
            value["search"] = self.search
        return value

    def matches(self, event: Filterable) -> bool:
        """Does `event` meet every condition? `limit` and `search` are the store's affair."""
        if self.ids is not None and event.id not in self.ids:
            return False
        if self.authors is not None and event.pubkey not in self.authors:
            return False
        if self.kinds is not None and event.kind not in self.kinds:
            return False
        if self.since is not None and event.created_at < self.since:
            return False
        if self.until is not None and event.created_at > self.until:
            return False
        for name, wanted in self.tags.items():
            for tag in event.tags:
                if len(tag) > 1 and tag[0] == name and tag[1] in wanted:
                    break
            else:
                return False
        return True

    def __hash__(self) -> int:
        parts = (self.ids, self.authors, self.kinds, frozenset(self.tags.items()))
        return hash((*parts, self.since, self.until, self.limit, self.search, self.unknown))

    def changed(self, **fields: Any) -> Filter:
        """A copy with some fields set anew."""
        return msgspec.structs.replace(self, **fields)


def matches_any(filters: Iterable[Filter], event: Filterable) -> bool:
    """Does `event` meet at least one filter?"""
    return any(f.matches(event) for f in filters)


def _within_bounds(value: dict[str, Any]) -> dict[str, Any]:
    """The same filter with numbers that `Filter` holds."""
    kinds = value.get("kinds")
    if isinstance(kinds, list):
        value["kinds"] = [kind for kind in kinds if type(kind) is not int or 0 <= kind <= MAX_KIND]
    for name in _NUMBERS:
        number = value.get(name)
        if type(number) is not int or 0 <= number <= MAX_TIMESTAMP:
            continue
        if (name == "since") == (number > 0) and name != "limit":
            value["kinds"] = []  # before all time, or after it
        if number > 0 or name != "limit":
            value[name] = MAX_TIMESTAMP if number > 0 else 0
    return value


def _list(name: str, items: object) -> list[Any]:
    if isinstance(items, str | bytes) or not isinstance(items, Iterable):
        raise InvalidFilter(f"{name} is not a list")
    return list(items)


def _strings(name: str, item: object) -> frozenset[str]:
    if not isinstance(item, list) or not all(isinstance(value, str) for value in item):
        raise InvalidFilter(f"{name} is not a list of strings")
    if name in ("ids", "authors", "#e", "#p") and not all(map(is_hex64, item)):
        raise InvalidFilter(f"{name} holds something that is not 64 lowercase hex digits")
    return frozenset(item)


def _numbers(item: object) -> frozenset[int]:
    if not isinstance(item, list):
        raise InvalidFilter("kinds is not a list")
    return frozenset(_number("kinds", value, MAX_KIND) for value in item)


def _number(name: str, item: object, most: int) -> int:
    if type(item) is not int or not 0 <= item <= most:
        raise InvalidFilter(f"{name} is not a whole number from 0 to {most}")
    return item
