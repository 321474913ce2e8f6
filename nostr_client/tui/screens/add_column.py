"""Asks which column is to be added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from textual.app import App

from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.screens.choice import ChoiceDialog, Offered
from nostr_client.tui.screens.dialogs import PromptDialog

TAG: Final = "#"
LONGEST: Final = 64


async def ask_for_column(app: App[Any], there: Sequence[str]) -> str:
    """A section that is not `there` yet, or a hashtag with its sign; empty for none."""
    sections = [Offered(p.name, p.says) for p in PANES if p.name not in there]
    choices = (Offered(TAG, "A hashtag …", key=TAG), *sections)
    chosen = await app.push_screen_wait(ChoiceDialog("Which column is to be added?", choices))
    if not chosen or chosen[0] != TAG:
        return chosen[0] if chosen else ""
    line = await app.push_screen_wait(PromptDialog("Which hashtag?", "#nostr", yes="add"))
    word = (line or "").strip().lstrip(TAG).lower()
    return f"{TAG}{word}" if word and not any(char.isspace() for char in word[:LONGEST]) else ""
