"""What the terminal client remembers from one day to the next: its theme, and where each account
was. No content; what a file grown too large says is forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.paths import Paths, private_folder, write_private
from nostr_client.tui.widgets.list_place import ListPlace

MOST_BYTES: Final = 262_144
MOST_ACCOUNTS: Final = 20
_CHANGE: Final = threading.Lock()


class AccountPlace(msgspec.Struct, frozen=True):
    """Where an account was: its section, the place in the list of each, its columns."""

    section: str = ""
    lists: Mapping[str, ListPlace] = msgspec.field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    """None: none were chosen yet."""


class Preferences(msgspec.Struct, frozen=True):
    """The person's choices, empty where none was made; and where each account (hex) was, the one
    that was used last at the end."""

    theme: str = ""
    places: Mapping[str, AccountPlace] = msgspec.field(default_factory=dict)


def _file(paths: Paths) -> Path:
    return paths.state / "terminal.json"


def load_preferences(paths: Paths) -> Preferences:
    """The choices of last time. A file that cannot be read counts as none: it holds only taste."""
    try:
        with _file(paths).open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        return msgspec.json.decode(text, type=Preferences)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Preferences()


def change_preferences(paths: Paths, change: Callable[[Preferences], Preferences]) -> None:
    """Keep what `change` makes of the choices. Blocks. Raises StoreError."""
    with _CHANGE:
        private_folder(paths.state)
        write_private(_file(paths), msgspec.json.encode(change(load_preferences(paths))))


def save_theme(paths: Paths, theme: str) -> None:
    """Keep the choice of colours. Blocks. Raises StoreError."""
    change_preferences(paths, lambda kept: msgspec.structs.replace(kept, theme=theme))


def save_place(paths: Paths, pubkey: str, place: AccountPlace) -> None:
    """Keep where an account (hex) was. Blocks. Raises StoreError."""

    def change(kept: Preferences) -> Preferences:
        others = {key: where for key, where in kept.places.items() if key != pubkey}
        newest = list(others.items())[-(MOST_ACCOUNTS - 1) :]
        return msgspec.structs.replace(kept, places={**dict(newest), pubkey: place})

    change_preferences(paths, change)
