"""The messages of a conversation as a list, which is read at its end."""

from __future__ import annotations

from collections.abc import Sequence

from nostr_client.social.messages.views import PrivateMessage
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.note_list import AGES_EVERY
from nostr_client.tui.widgets.windowed_list import WindowedList


class MessageList(WindowedList[PrivateMessage]):
    """The newest at the end."""

    def on_mount(self) -> None:
        self.set_interval(AGES_EVERY, self.repaint)

    @property
    def at_bottom(self) -> bool:
        """Is its very end in view?"""
        below = self._window.lines - self.scroll_offset.y
        return self._window.at_end and below <= self._view_height

    def change(self, messages: Sequence[PrivateMessage]) -> None:
        """A new state of the same conversation. The cursor stays on its message, or where that is
        gone on what stands in its place; at the bottom, what is new comes into view as far as the
        cursor stays there."""
        at_bottom, before = self.at_bottom, self.selected
        stays = "" if before is None else _in_place_of(before, messages)
        self.renew(FixedItems(messages, self.renderer.key))
        if stays:
            self.select(stays)
        if at_bottom:
            index = self._window.index_of(self._selected)
            end = max(self._window.lines - self._view_height, 0)
            self._scroll(end if index is None else min(end, self._window.top(index)))


def _in_place_of(gone: PrivateMessage, messages: Sequence[PrivateMessage]) -> str:
    """Of what is gone, the message with its time by its author, which an edit has, or the nearest;
    empty where it is there still, or nothing is."""
    if not messages or any(message.id == gone.id for message in messages):
        return ""

    def distance(one: PrivateMessage) -> tuple[int, bool]:
        return abs(one.created_at - gone.created_at), one.author != gone.author

    return min(messages, key=distance).id
