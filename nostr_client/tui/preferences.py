"""What the screen remembers from one day to the next: at present the theme. No content."""

from __future__ import annotations

from pathlib import Path

import msgspec

from nostr_client.paths import Paths, private_folder, write_private


class Preferences(msgspec.Struct, frozen=True):
    """The person's choices; empty where none was made."""

    theme: str = ""


def _file(paths: Paths) -> Path:
    return paths.state / "terminal.json"


def load_preferences(paths: Paths) -> Preferences:
    """The choices of last time. A file that cannot be read counts as none: it holds only taste."""
    try:
        return msgspec.json.decode(_file(paths).read_bytes(), type=Preferences)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Preferences()


def save_preferences(paths: Paths, choices: Preferences) -> None:
    """Keep the choices. Blocks. Raises StoreError."""
    private_folder(paths.state)
    write_private(_file(paths), msgspec.json.encode(choices))
