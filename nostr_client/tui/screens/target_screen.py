"""A screen that shows one target: it can be gone back to, and opened again."""

from __future__ import annotations

from typing import ClassVar

from textual.screen import Screen

from nostr_client.tui.keymap import KeyGroup
from nostr_client.tui.targets import Target


class TargetScreen(Screen[None]):
    """Shows `target`. `key_groups` are the keys that work on it, for the help."""

    key_groups: ClassVar[tuple[KeyGroup, ...]] = ()

    def __init__(self, target: Target) -> None:
        super().__init__()
        self.target: Target = target

    async def refresh_target(self) -> None:
        """Show what is known by now: an act was done from here. Raises NostrError."""
