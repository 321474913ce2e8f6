"""A secret in a file that only its owner can read: a token, a database's address."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from nostr_client.errors import ConfigError

LONGEST: Final = 4096
"""Bytes of it that are read."""


def read_private(path: str, setting: str) -> str:
    """What stands in the file `path`, without the blanks around it. Raises ConfigError.

    `setting` is the one that names the file.
    """
    try:
        with Path(path).expanduser().open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(LONGEST).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not plain ASCII"
        raise ConfigError(f"{setting}: {path} cannot be read: {why}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise ConfigError(f"{setting}: others can read {path}: chmod 600 {path}")
    return text
