"""A TOML file, of the client's settings or the relay's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from nostr_client.errors import ConfigError

_LARGEST: Final = 1 << 20
"""Bytes of a configuration file that anybody can have meant."""


def load_toml(path: Path) -> dict[str, Any]:
    """What stands in the TOML file `path`. Raises ConfigError, which names the file;
    FileNotFoundError."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    import tomllib  # for those who have such a file

    try:
        if len(data) > _LARGEST:
            raise ConfigError(f"{path}: too large for a configuration file")
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
