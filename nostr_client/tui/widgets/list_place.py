"""Where one is in a list, in few words: enough to come back to it another day."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from nostr_client.tui.widgets.items import ItemPage

T = TypeVar("T")


class ListPlace(msgspec.Struct, frozen=True):
    """The selected item, and the one at the top of the view, by their keys.

    `hidden` lines of the top one are above the view. Of a timeline also the second of the top item
    (`at`), and that of the newest item that was seen (`seen_at`), both in unix time.
    """

    selected: str = ""
    top: str = ""
    hidden: int = 0
    at: int = 0
    seen_at: int = 0


@dataclass(frozen=True)
class ListStart(Generic[T]):
    """A list that begins at a place: `read` reads the page (at most `int` items) that holds it."""

    place: ListPlace
    read: Callable[[int], Awaitable[ItemPage[T]]]
