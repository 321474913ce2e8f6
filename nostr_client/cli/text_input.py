"""A text that a person writes: an argument, or standard input."""

from __future__ import annotations

import sys
from typing import Final

from nostr_client.exits import CommandError, Exit

MOST_BYTES: Final = 256 * 1024
"""The longest text read from standard input; relays take less."""


def text_of(text: str, what: str) -> str:
    """`text` of a note or message (`what`), or standard input where it is `-`.

    Raises CommandError.
    """
    if text == "-":
        if sys.stdin.isatty():
            sys.stderr.write("Write, and end with ctrl+d on a line of its own.\n")
        data = sys.stdin.buffer.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise CommandError(f"a {what} has at most {MOST_BYTES} bytes", Exit.USAGE)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise CommandError("standard input is not UTF-8 text", Exit.USAGE) from None
    text = text.strip("\n")
    if not text.strip():
        raise CommandError(f"an empty {what} is not sent", Exit.USAGE)
    return text
