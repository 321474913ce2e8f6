"""Text that is put into a screen while it may be closing."""

from __future__ import annotations

from textual.content import Content
from textual.dom import DOMNode
from textual.visual import VisualType
from textual.widgets import Static


class StillText(Static):
    """Text that says the same again at no cost, and where its height is fixed moves nothing."""

    def __init__(self, text: str = "", *, classes: str | None = None) -> None:
        super().__init__(text, markup=False, classes=classes)

    def update(self, content: VisualType = "", *, layout: bool = True) -> None:
        if content == self.content:
            return
        height = self.styles.height
        super().update(content, layout=layout and (height is None or height.is_auto))


def set_text(node: DOMNode, selector: str, text: Content | str) -> bool:
    """Put `text` into the `Static` that `selector` names below `node`; False where it is gone.

    What was asked for while a screen was open may come when it is closing, and `is_mounted` is true
    of it for ever.
    """
    found = list(node.query(selector).results(Static))
    for static in found:
        static.update(text)
    return bool(found)
