"""An app in which bindings have the keys that the person chose for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from textual.dom import DOMNode
from textual.widget import Widget

from nostr_client.tui.thrifty_app import ThriftyApp

R = TypeVar("R")


class OwnKeysApp(ThriftyApp[R]):
    """Textual's `set_keymap` has every binding of every widget around the focus looked up again
    with each key that is pressed: here a widget is given its keys once, when it is put in."""

    def __init__(self) -> None:
        super().__init__()
        self._chosen_keys: Mapping[str, str] = {}

    def choose_keys(self, keymap: Mapping[str, str]) -> None:
        """Keys, with commas between them, by the ids of bindings: for the app itself, and for all
        widgets that are put in from now on."""
        self._chosen_keys = keymap
        if keymap:
            self._bindings.apply_keymap(keymap)

    def _register_child(
        self, parent: DOMNode, child: Widget, before: int | None, after: int | None
    ) -> None:
        if self._chosen_keys and child not in self._registry:
            child._bindings.apply_keymap(self._chosen_keys)
        super()._register_child(parent, child, before, after)
