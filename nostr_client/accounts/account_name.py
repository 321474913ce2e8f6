"""What an account may be called on this machine."""

from __future__ import annotations

import re
from typing import Final

from nostr_client.errors import AccountError
from nostr_client.safe_text import safe_line

LONGEST_NAME: Final = 64
"""Characters."""
_looks_secret = re.compile(r"n(?:crypt)?sec1|[0-9a-f]{64}", re.IGNORECASE).search


def checked_name(name: str) -> str:
    """`name` as it is kept. Raises AccountError for what is none."""
    name = name.strip()
    if len(name) > LONGEST_NAME:
        raise AccountError(f"a name has at most {LONGEST_NAME} characters")
    if _looks_secret(name):
        raise AccountError("this may be a secret key: it is no name")
    if name != safe_line(name):
        raise AccountError("a name is made of printable characters")
    return name
