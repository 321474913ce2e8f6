"""Secrets from a file descriptor: never from an argument, which every user of the machine reads."""

from __future__ import annotations

import os
from typing import Final

from nostr_client.errors import AccountError

MOST_BYTES: Final = 64 * 1024


def read_descriptor(number: int) -> str:
    """What file descriptor `number` gives until its end, without the last line break; it is closed
    then, but for the standard ones. Raises AccountError, which never quotes it.
    """
    try:
        with os.fdopen(number, "rb", closefd=number > 2) as file:
            data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError):
        raise AccountError(f"nothing can be read from descriptor {number}") from None
    if len(data) > MOST_BYTES:
        raise AccountError(f"descriptor {number} gives more than a secret has")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise AccountError(f"descriptor {number} does not give UTF-8 text") from None
