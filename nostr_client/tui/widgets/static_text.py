"""Text that is put into a screen while it may be closing."""

from __future__ import annotations

from textual.content import Content
from textual.dom import DOMNode
from textual.widgets import Static


def set_text(node: DOMNode, selector: str, text: Content | str) -> bool:
    """Put `text` into the `Static` that `selector` names below `node`; False where it is gone.

    What was asked for while a screen was open may come when it is closing, and `is_mounted` is true
    of it for ever.
    """
    found = list(node.query(selector).results(Static))
    for static in found:
        static.update(text)
    return bool(found)
