"""Questions to the person whether a relay is told who they are (NIP-42): one at a time.

Rules
- One question a relay, with all that it was wanted for since. `MOST_WAITING` relays wait; for what
  comes beyond it is no for now, and it is asked about when it is wanted again.
- A face shows the `current` one, and says when it is `seen`: from then on `LIMIT` seconds count.
  One that nobody has seen waits.
- Nothing waits for an answer: until then, and when the time is over, it is no.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from nostr_client.net.session.pending import Purpose

LIMIT: Final = 120.0
"""Seconds for an answer, since the question was seen."""
MOST_WAITING: Final = 16
MOST_PURPOSES: Final = 8
"""What one question names."""


@dataclass(eq=False, slots=True)
class AuthQuestion:
    """May the relay at `url` know that `pubkey` asks, for these purposes?"""

    pubkey: str
    url: str
    purposes: list[Purpose] = field(default_factory=list)
    until: float | None = None
    """When the time is over, by the clock; None while nobody has seen it."""


class AuthQuestions:
    """The questions of the account `pubkey`. `on_lapse` is told of one whose time is over."""

    def __init__(self, pubkey: str, clock: Callable[[], float] = monotonic) -> None:
        self.on_lapse: Callable[[AuthQuestion], None] = lambda question: None
        self._pubkey = pubkey
        self._clock = clock
        self._waiting: dict[str, AuthQuestion] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def current(self) -> AuthQuestion | None:
        """The one to be shown now."""
        for question in tuple(self._waiting.values()):
            if question.until is None or question.until > self._clock():
                return question
            del self._waiting[question.url]
            self.on_lapse(question)
        return None

    def put(self, url: str, purpose: Purpose) -> bool:
        """Ask about the relay at `url`; False if there is no room."""
        question = self._waiting.get(url)
        if question is None:
            if len(self._waiting) >= MOST_WAITING:
                return False
            question = self._waiting[url] = AuthQuestion(self._pubkey, url)
        if purpose not in question.purposes and len(question.purposes) < MOST_PURPOSES:
            question.purposes.append(purpose)
        return True

    def seen(self, question: AuthQuestion) -> None:
        """It stands before the person: the time runs, from the first time on."""
        if question.until is None:
            question.until = self._clock() + LIMIT

    def end(self, url: str) -> None:
        """It was answered, or what was wanted is allowed or denied already."""
        self._waiting.pop(url, None)
