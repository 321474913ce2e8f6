"""The sections of the main screen, in the order in which they are listed, and all keys there are.

Adding one means its module, and its place in `PANES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nostr_client.tui.keymap import (
    APP_KEYS,
    FORM,
    LIST,
    NOTE,
    PROFILE,
    WRITING,
    WRITING_NOTE,
    Key,
    KeyGroup,
)
from nostr_client.tui.panes import accounts, home, lists, mentions, messages, notes, relays
from nostr_client.tui.panes.pane import Pane
from nostr_client.tui.screens import (
    audit,
    copies,
    found_messages,
    log,
    message_details,
    private_compose,
    room,
    secret,
    sent,
    survival,
)

PANES: Final = (
    home.PANE,
    mentions.PANE,
    notes.PANE,
    relays.PANE,
    accounts.PANE,
    messages.PANE,
    lists.PANE,
)


def pane_named(name: str) -> Pane:
    """The section with a name. Raises StopIteration if there is none."""
    return next(pane for pane in PANES if pane.name == name)


EVERYWHERE: Final = KeyGroup(
    "Everywhere",
    (*(Key(pane.key, f"section('{pane.name}')", pane.says) for pane in PANES), *APP_KEYS),
)


OF_COPIES: Final = (copies.KEYS, survival.KEYS, audit.KEYS, sent.KEYS, log.KEYS)
OF_ROOMS: Final = (room.KEYS, message_details.KEYS, found_messages.KEYS)


def key_groups(here: Iterable[KeyGroup] = ()) -> tuple[KeyGroup, ...]:
    """All keys, those that work `here` first."""
    of_panes = (group for pane in PANES for group in pane.key_groups)
    every = (
        *here,
        EVERYWHERE,
        LIST,
        NOTE,
        PROFILE,
        *of_panes,
        *OF_COPIES,
        *OF_ROOMS,
        WRITING,
        WRITING_NOTE,
        private_compose.KEYS,
        FORM,
        secret.KEYS,
    )
    return tuple(dict.fromkeys(every))
