"""How one relay's part of a question ended, as a value (pure)."""

from __future__ import annotations

from enum import Enum

import msgspec

from nostr_client.protocol.messages import Meaning, meaning_of
from nostr_client.safe_text import safe_line

WORDS_SHOWN = 120
"""Terminal cells that a relay's own words take in one line."""


class How(Enum):
    """How it ended. The values are for records and lines of ours."""

    ANSWERED = "answered"
    """Its stored events came to their end."""
    INCOMPLETE = "holds more"
    """Events came, and it is known that they are not all."""
    NOT_ALLOWED = "not allowed"
    """It wants to know who asks, or will not have this key."""
    REFUSED = "refused"
    """It closed the question with other words."""
    SILENT = "no answer in time"
    NOT_AWAITED = "not waited for"
    """Others had brought what was wanted."""
    LOST = "connection lost"
    UNREACHABLE = "cannot be reached"
    NOT_ASKED = "not asked"
    """Its address is not dialled, or is none."""


def how_refused(prefix: str) -> How:
    """What a CLOSED with this prefix comes to (NIP-01, 42)."""
    walled = prefix.lower() == "auth-required" or meaning_of(prefix) is Meaning.KEY_REFUSED
    return How.NOT_ALLOWED if walled else How.REFUSED


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a relay's part of a question ended.

    `events` came from it, in `pages` requests. `complete`: it holds nothing else that matches
    (True), it does (False), or did not say (None). If not answered, `prefix` and `reason` are its
    CLOSED, raw, or `problem` says in our words what happened. `spare`: it was asked in passing,
    beside relays where the answer must be, and nothing depends on it.
    """

    url: str
    how: How
    complete: bool | None = None
    events: int = 0
    pages: int = 0
    prefix: str = ""
    reason: str = ""
    problem: str = ""
    spare: bool = False

    @property
    def answered(self) -> bool:
        """Did it send its stored events to the end?"""
        return self.how is How.ANSWERED or (self.how is How.INCOMPLETE and not self.problem)

    def __str__(self) -> str:
        """One line, safe to print."""
        said = f"{self.prefix}: {self.reason}" if self.prefix else self.reason
        words = safe_line(said or self.problem, WORDS_SHOWN)
        return f"{self.url}: {self.how.value}" + (f" ({words})" if words else "")
