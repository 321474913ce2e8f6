"""What is said to the person: one message after the other, and the last hundred to look up. Pure.

A message of work goes by itself, an error stays until a key is pressed that can have been meant for
it: whoever types on has not read it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from nostr_client.safe_text import safe_text

MOST_KEPT: Final = 100
MOST_WAITING: Final = 20
"""Messages that wait for their turn; of more, those that waited longest are in the log alone."""
ERROR: Final = "error"
STAYS: Final = {"information": 6.0, "warning": 10.0}
"""Seconds that a message is shown."""
AT_LEAST: Final = {"information": 2.0, "warning": 4.0}
"""Seconds that it is shown while others wait."""
UNREAD: Final = 1.5
"""Seconds in which no key takes an error away."""
SIGNS: Final = {"information": "", "warning": "! note: ", "error": "!! error: "}
"""Sign and word before a message: colour says it to those alone who see colours."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message: safe text, how bad it is (a key of `SIGNS`), and when, in seconds."""

    text: str
    severity: str
    at: float

    @property
    def words(self) -> str:
        """The message with its sign."""
        return f"{SIGNS[self.severity]}{self.text}"


class MessageLog:
    """Which message is shown, which wait. Times are a monotonic clock's, in seconds; `at` is when
    it was said, as a wall clock has it."""

    def __init__(self) -> None:
        self.kept: deque[Said] = deque(maxlen=MOST_KEPT)
        self.shown: Said | None = None
        self._waiting: deque[Said] = deque(maxlen=MOST_WAITING)
        self._since = 0.0

    @property
    def waiting(self) -> int:
        """Messages that follow."""
        return len(self._waiting)

    def say(self, text: str, severity: str, *, now: float, at: float) -> None:
        """Keep a message, and show it in its turn; what is unread already is not said twice."""
        said = Said(safe_text(text), severity if severity in SIGNS else "information", at)
        self.kept.append(said)
        unread = (*self._waiting, *([self.shown] if self.shown else ()))
        if any((one.text, one.severity) == (said.text, said.severity) for one in unread):
            return
        self._waiting.append(said)
        self.look(now)

    def look(self, now: float) -> bool:
        """Go on to the next message if it is time; true when there is another one, or none."""
        if self.shown is not None and now - self._since < self._limit:
            return False
        return self._next(now)

    def key(self, now: float) -> bool:
        """A key was pressed: an error that was there to be read may go."""
        shown = self.shown
        if shown is None or shown.severity != ERROR or now - self._since < UNREAD:
            return False
        return self._next(now)

    def hush(self) -> None:
        """Forget what was shown and said: the account is being locked."""
        self.shown = None
        self._waiting.clear()
        self.kept.clear()

    @property
    def _limit(self) -> float:
        """Seconds that what is shown has in all."""
        if self.shown is None:
            return 0.0
        limits = AT_LEAST if self._waiting else STAYS
        return limits.get(self.shown.severity, float("inf"))

    def _next(self, now: float) -> bool:
        before = self.shown
        self.shown = self._waiting.popleft() if self._waiting else None
        self._since = now
        return self.shown is not before
