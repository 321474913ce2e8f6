"""The field in which a note is written."""

from __future__ import annotations

from textual import events
from textual.widgets import TextArea

_KEPT = frozenset("\n\t")


def typeable(text: str) -> str:
    """What may stand in a note of one's own: no control characters, whatever the clipboard held."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in _KEPT or not (ord(c) < 32 or 127 <= ord(c) < 160))


class Writing(TextArea):
    """A text area that wraps, and whose pasted text cannot command the terminal."""

    def __init__(self, text: str = "", id: str | None = None) -> None:
        super().__init__(
            typeable(text),
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=False,
            highlight_cursor_line=False,
            id=id,
        )

    async def _on_paste(self, event: events.Paste) -> None:
        event.text = typeable(event.text)
        await super()._on_paste(event)
