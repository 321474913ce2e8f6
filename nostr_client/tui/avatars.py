"""People's pictures, small: beside what they say of themselves, and in rows of people.

An option, and off: then there is no room for them. Where it is on the room is kept free from the
start, so nothing moves when one comes. Whose come by themselves is decided as for other pictures
(`pictures`): those of people who are followed; any other one when it is asked for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from textual.content import Content

from nostr_client.errors import NostrError
from nostr_client.nips.nip92 import MediaItem
from nostr_client.social.media.thumbnail_folder import Pixels
from nostr_client.social.views import Profile
from nostr_client.tui.half_blocks import half_blocks

ACROSS: Final = 4
ROWS: Final = 2
"""Cells and lines of one in a row of a list: a square."""
HEAD_ACROSS: Final = 14
HEAD_ROWS: Final = 7
"""The same at the head of a profile."""
GAP: Final = 2
MOST_KEPT: Final = 300
MOST_DRAWN: Final = 600
Fetch = Callable[[MediaItem, str], Awaitable[Pixels]]
"""A file that a person (hex) named, as a small picture. Raises NostrError."""


class Avatars:
    """Those that `fetch` brings. `on`: there is room for them. `near`: need this person's not be
    asked for?"""

    def __init__(self, fetch: Fetch, near: Callable[[str], bool], *, on: bool = False) -> None:
        self.on = on
        self._fetch = fetch
        self._near = near
        self._asked: set[str] = set()
        self._small: OrderedDict[str, Pixels | None] = OrderedDict()
        """By URL; None for one that could not be had."""
        self._drawn: dict[tuple[str, int], list[Content]] = {}
        self._loading: set[str] = set()

    def ask(self, profile: Profile) -> None:
        """The person wants to see this one, and what failed once more."""
        self._asked.add(profile.pubkey)
        if self._small.get(profile.picture, ...) is None:
            del self._small[profile.picture]

    def was_asked(self, profile: Profile) -> bool:
        return profile.pubkey in self._asked

    def is_missing(self, profile: Profile) -> bool:
        """Is it to be shown, not here, and not fetched just now?"""
        url = profile.picture
        if not url.startswith("https://") or url in self._small or url in self._loading:
            return False
        return profile.pubkey in self._asked or (self.on and self._near(profile.pubkey))

    async def load(self, profile: Profile, on_change: Callable[[], None]) -> str:
        """Fetch one; `on_change` is told when it is there. Why there is none, or nothing."""
        url = profile.picture
        self._loading.add(url)
        problem = ""
        try:
            self._small[url] = await self._fetch(MediaItem(url=url), profile.pubkey)
        except NostrError as error:
            self._small[url], problem = None, str(error)
        finally:
            self._loading.discard(url)
        while len(self._small) > MOST_KEPT:
            self._small.popitem(last=False)
        if not problem:
            on_change()
        return problem

    def lines(self, profile: Profile, across: int, rows: int) -> list[Content]:
        """The picture in exactly so much room, empty where it is not here."""
        found = self._small.get(profile.picture)
        if found is None:
            return [Content(" " * across)] * rows
        drawn = self._drawn.get((profile.picture, across))
        if drawn is None:
            if len(self._drawn) >= MOST_DRAWN:
                self._drawn.clear()
            drawn = half_blocks(found, across, rows)
            drawn += [Content("")] * (rows - len(drawn))
            drawn = [line.pad_right(across - line.cell_length) for line in drawn]
            self._drawn[profile.picture, across] = drawn
        return list(drawn)

    def beside(self, profile: Profile, lines: Sequence[Content]) -> list[Content]:
        """A row of a list with the person's picture at its left, `INDENT` cells wider."""
        face = self.lines(profile, ACROSS, ROWS)
        face += [Content(" " * ACROSS)] * (len(lines) - ROWS)
        words = [*lines, *[Content("")] * (ROWS - len(lines))]
        return [left + Content(" " * GAP) + line for left, line in zip(face, words, strict=True)]


INDENT: Final = ACROSS + GAP
