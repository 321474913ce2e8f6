"""A list that fetches something for what comes into view and stays there a moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from textual.timer import Timer
from textual.worker import Worker

from nostr_client.social.views import Profile
from nostr_client.tui.avatars import Avatars
from nostr_client.tui.widgets.items import ItemRenderer
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

T = TypeVar("T")

SETTLED: Final = 0.15
"""Seconds without movement after which what is in view is looked at: who scrolls by fetches
nothing."""
AT_ONCE: Final = 3
"""What one list waits for: one host that says nothing does not hold up the others."""
Load = Callable[[Callable[[], None]], Awaitable[object]]
"""Fetches one thing, and calls what it is given when that looks different."""


class FetchingList(WindowedList[T]):
    """`wanted_by` tells what is to be fetched for an item."""

    fetches = True
    """Can it be that anything is?"""
    _due: Timer | None = None
    _fetchers: Sequence[Worker[None]] = ()

    def wanted_by(self, item: T) -> Load | None:
        """What is to be shown of an item, is not here, and is fetched by nobody."""
        raise NotImplementedError

    def _resized(self, shift: int) -> None:
        super()._resized(shift)
        self._look_soon()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._look_soon()

    def _look_soon(self) -> None:
        if not self.fetches or not self.is_attached:
            return
        if self._due is not None:
            self._due.stop()
        self._due = self.set_timer(SETTLED, self._look)

    def _look(self) -> None:
        """Fetch what is in view and is to be shown."""
        self._fetchers = [worker for worker in self._fetchers if not worker.is_finished]
        if self._next() is not None and len(self._fetchers) < AT_ONCE:
            fetcher = start_worker(self, self._fetch, "pictures")
            self._fetchers = [*self._fetchers, fetcher]

    async def _fetch(self) -> None:
        """One after the other, as long as there is something; others fetch beside this."""
        while (wanted := self._next()) is not None:
            key, load = wanted
            await load(partial(self._changed, key))

    def _changed(self, key: str) -> None:
        if self.is_attached:
            self.redraw([key])

    def _next(self) -> tuple[str, Load] | None:
        """The first in view that nobody fetches."""
        if not self.is_attached or not self.display:
            return None
        for item in self.in_view:
            if (load := self.wanted_by(item)) is not None:
                return self.renderer.key(item), load
        return None


class PersonList(FetchingList[T]):
    """A list in which rows are people; `person_of` gives that of an item. Their pictures come where
    there is room for them."""

    def __init__(
        self,
        renderer: ItemRenderer[T],
        person_of: Callable[[T], Profile | None],
        avatars: Avatars | None,
        *,
        id: str | None = None,
    ) -> None:
        super().__init__(renderer, gap=0, id=id)
        self.fetches = avatars is not None and avatars.on
        self._person_of = person_of
        self._avatars = avatars

    def wanted_by(self, item: T) -> Load | None:
        person, avatars = self._person_of(item), self._avatars
        if person is None or avatars is None or not avatars.is_missing(person):
            return None
        return partial(avatars.load, person)
