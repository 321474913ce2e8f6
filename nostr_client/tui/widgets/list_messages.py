"""What a list says. Handlers are called `on_windowed_list_...`."""

from __future__ import annotations

from typing import Any

from textual.message import Message
from textual.widget import Widget

from nostr_client.errors import NostrError


class _ListMessage(Message, namespace="windowed_list"):
    """Something that a list says; `list` is the one."""

    def __init__(self, sender: Widget) -> None:
        super().__init__()
        self.list = sender


class Highlighted(_ListMessage, namespace="windowed_list"):
    """Another item is selected, or none."""

    def __init__(self, sender: Widget, item: Any) -> None:
        super().__init__(sender)
        self.item = item


class Chosen(Highlighted, namespace="windowed_list"):
    """The selected item was opened."""


class Unseen(_ListMessage, namespace="windowed_list"):
    """How many arrivals have not been in view yet."""

    def __init__(self, sender: Widget, count: int) -> None:
        super().__init__(sender)
        self.count = count


class Filled(_ListMessage, namespace="windowed_list"):
    """The list was read anew, or got its first item; `empty` when it holds nothing."""

    def __init__(self, sender: Widget, empty: bool) -> None:
        super().__init__(sender)
        self.empty = empty


class Failed(_ListMessage, namespace="windowed_list"):
    """The source could not be read."""

    def __init__(self, sender: Widget, error: NostrError) -> None:
        super().__init__(sender)
        self.error = error
