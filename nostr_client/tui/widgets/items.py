"""What a list shows and how: the two contracts between a `WindowedList` and who fills it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from textual.content import Content
from textual.style import Style

T = TypeVar("T")
Styles = Callable[[str], Style]
"""A component class's name -> its style in the present theme."""


@dataclass(frozen=True, slots=True)
class ItemPage(Generic[T]):
    """Consecutive items in display order; `more`: others lie beyond, in the direction asked."""

    items: Sequence[T]
    more: bool


class ItemSource(Protocol[T]):
    """Where a list reads from. Every page is in display order, at most `limit` long."""

    async def first(self, limit: int) -> ItemPage[T]:
        """The top of the list."""

    async def last(self, limit: int) -> ItemPage[T]:
        """The end of the list."""

    async def after(self, item: T, limit: int) -> ItemPage[T]:
        """What follows right below `item`."""

    async def before(self, item: T, limit: int) -> ItemPage[T]:
        """What stands right above `item`."""


class ItemRenderer(ABC, Generic[T]):
    """How items look, what they are called and what they are sorted by."""

    tail: ClassVar[int] = 0
    """How many of the last lines stand between this item and the next: never marked."""

    @abstractmethod
    def key(self, item: T) -> str:
        """Its name for good."""

    @abstractmethod
    def lines(self, item: T, width: int, style: Styles) -> list[Content]:
        """Its lines, at least one, each at most `width` cells wide."""

    def lead(self, item: T) -> int:
        """How many of the first lines head the items from this one on: never marked."""
        return 0

    def order(self, item: T) -> Any:
        """Its place among the others, top first. Only lists that take arrivals ask for it."""
        raise NotImplementedError


class FixedItems(Generic[T]):
    """A source of what is in memory already: a thread, the relays, the accounts."""

    def __init__(self, items: Sequence[T], key: Callable[[T], str]) -> None:
        self._items = list(items)
        self._place = {key(item): index for index, item in enumerate(self._items)}
        self._key = key

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: str) -> bool:
        return key in self._place

    def around(self, key: str, reach: int) -> tuple[Sequence[T], bool, bool]:
        """Items up to `reach` above and below `key`, from the top if it is gone.

        With it: do they begin at the start, do they end at the end?
        """
        place = self._place.get(key, 0)
        start, stop = max(place - reach, 0), place + reach
        return self._items[start:stop], start == 0, stop >= len(self._items)

    async def first(self, limit: int) -> ItemPage[T]:
        return ItemPage(self._items[:limit], len(self._items) > limit)

    async def last(self, limit: int) -> ItemPage[T]:
        start = max(len(self._items) - limit, 0)
        return ItemPage(self._items[start:], start > 0)

    async def after(self, item: T, limit: int) -> ItemPage[T]:
        start = self._place[self._key(item)] + 1
        return ItemPage(self._items[start : start + limit], len(self._items) > start + limit)

    async def before(self, item: T, limit: int) -> ItemPage[T]:
        stop = self._place[self._key(item)]
        start = max(stop - limit, 0)
        return ItemPage(self._items[start:stop], start > 0)
