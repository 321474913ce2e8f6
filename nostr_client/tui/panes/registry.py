"""The sections of the main screen, in the order in which they are listed, and all keys there are.

A section is found by itself: each file of this folder that has a `PANE`, and what other packages
offer under the entry point group `nostr_client.panes` (each a `Pane`).
"""

from __future__ import annotations

import logging
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Final

from nostr_client.tui import panes, room_panel
from nostr_client.tui.acts.registry import NOTE, PERSON
from nostr_client.tui.keymap import (
    APP_KEYS,
    COLUMNS,
    FORM,
    LIST,
    OPEN_FEED,
    WRITING,
    WRITING_NOTE,
    Key,
    KeyGroup,
)
from nostr_client.tui.panes.pane import Pane
from nostr_client.tui.screens import (
    audit,
    copies,
    find,
    found_messages,
    log,
    message_details,
    private_compose,
    secret,
    sent,
    survival,
    why,
)

_log = logging.getLogger(__name__)

PLUGINS: Final = "nostr_client.panes"


def _own_panes() -> Iterator[Pane]:
    for module in pkgutil.iter_modules(panes.__path__):
        pane = getattr(import_module(f"{panes.__name__}.{module.name}"), "PANE", None)
        if isinstance(pane, Pane):
            yield pane


def _plugins() -> Iterator[Pane]:
    """Sections of other packages. One that cannot be loaded is left out, and written down."""
    for plugin in entry_points(group=PLUGINS):
        try:
            pane = plugin.load()
        except Exception:  # noqa: BLE001 - whatever a stranger's code raises must not keep the person out
            _log.exception("the plugin %s cannot be loaded", plugin.name)
            continue
        if isinstance(pane, Pane):
            yield pane
        else:
            _log.error("the plugin %s is no section but a %s", plugin.name, type(pane).__name__)


def in_order(found: Iterable[Pane]) -> tuple[Pane, ...]:
    """By place. Of two with one name the first stays, and of two with one key it has the key."""
    chosen: dict[str, Pane] = {}
    keys: set[str] = set()
    for pane in sorted(found, key=lambda pane: (pane.place, pane.name)):
        if pane.name in chosen:
            _log.error("two sections are called %s: the second is left out", pane.name)
            continue
        chosen[pane.name] = pane if pane.key not in keys else pane.without_key
        keys |= {pane.key} - {""}
    return tuple(chosen.values())


PANES: Final = in_order((*_own_panes(), *_plugins()))


def pane_named(name: str) -> Pane:
    """The section with a name. Raises StopIteration if there is none."""
    return next(pane for pane in PANES if pane.name == name)


EVERYWHERE: Final = KeyGroup(
    "Everywhere",
    (
        *(Key(pane.key, pane.action, pane.says, name=pane.name) for pane in PANES if pane.key),
        *APP_KEYS,
    ),
    "app",
)


OF_COPIES: Final = (*(copies.KEYS, survival.KEYS, audit.KEYS, sent.KEYS, log.KEYS, why.KEYS),)
OF_ROOMS: Final = (room_panel.KEYS, message_details.KEYS, found_messages.KEYS)


def key_groups(here: Iterable[KeyGroup] = ()) -> tuple[KeyGroup, ...]:
    """All keys, those that work `here` first."""
    of_panes = (group for pane in PANES for group in pane.key_groups)
    every = (
        *here,
        EVERYWHERE,
        LIST,
        NOTE,
        PERSON,
        OPEN_FEED,
        COLUMNS,
        *of_panes,
        *OF_COPIES,
        *OF_ROOMS,
        find.KEYS,
        WRITING,
        WRITING_NOTE,
        private_compose.KEYS,
        FORM,
        secret.KEYS,
    )
    return tuple(dict.fromkeys(every))
