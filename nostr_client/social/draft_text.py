"""A draft as it lies on the disk: the text, below a line that says why it is folded, if it is.

One file, written in one go, so that text and warning never part; it reads like a mail.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_HEADER: Final = re.compile(r"\AContent-Warning:[ \t]*([^\n]*)\n(?:\n|\Z)")
LONGEST_REASON: Final = 200


class DraftText(NamedTuple):
    """`warning` as in NIP-36: None without one, "" without a reason."""

    body: str
    warning: str | None = None

    @classmethod
    def of(cls, kept: str) -> DraftText:
        """What a draft's file says."""
        found = _HEADER.match(kept)
        if found is None:
            return cls(kept)
        return cls(kept[found.end() :], found[1].strip()[:LONGEST_REASON])

    def __str__(self) -> str:
        if self.warning is None:
            return self.body
        reason = " ".join(self.warning.split())[:LONGEST_REASON]
        return f"Content-Warning: {reason}\n\n{self.body}"
