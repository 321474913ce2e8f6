"""How one relay's part of a question ended, and what all of them come to, as values (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final

import msgspec

from nostr_client.errors import (
    AuthRequired,
    ConnectFailed,
    ConnectionLost,
    Refused,
    RelayError,
    RelayTimeout,
)
from nostr_client.protocol.refusals import Meaning, meaning_of, split_reason, wants_auth
from nostr_client.safe_text import safe_line

WORDS_SHOWN = 120
"""Terminal cells that a relay's own words take in one line."""
MOST_NAMED: Final = 3
"""Relays whose end one line tells."""


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


_STEPS: Final = {
    How.NOT_ASKED: "connect: ",
    How.UNREACHABLE: "connect: ",
    How.NOT_ALLOWED: "connect: ",
    How.LOST: "lost: ",
    How.SILENT: "timeout: ",
}
"""What our words begin with, where they tell what happened on the way."""


class Cause(msgspec.Struct, frozen=True):
    """How something that was asked of a relay ended: with its own words, or with ours.

    `words` and `prefix` (NIP-01) are the relay's, raw, where it `spoke`; else `words` are ours.
    `status` is that of the HTTP answer it gave instead of a WebSocket. `note` says in our words
    why a relay that wants to know who asks was not told.
    """

    how: How
    words: str = ""
    prefix: str = ""
    status: int | None = None
    note: str = ""

    @classmethod
    def refused(cls, text: str, note: str = "") -> Cause:
        """The relay's own no: the last element of its OK, CLOSED or NEG-ERR (NIP-01, 42, 77)."""
        prefix, words = split_reason(text)
        walled = wants_auth(prefix) or meaning_of(prefix) is Meaning.KEY_REFUSED
        return cls(How.NOT_ALLOWED if walled else How.REFUSED, words, prefix, note=note)

    @classmethod
    def not_reached(cls, error: ConnectFailed) -> Cause:
        """There is no connection."""
        how = How.NOT_ALLOWED if error.turned_away else How.UNREACHABLE
        return cls(how, error.message, status=error.status)

    @property
    def spoke(self) -> bool:
        """Are the words the relay's own?"""
        if self.how is How.NOT_ALLOWED:
            return self.status is None
        return self.how in (How.ANSWERED, How.REFUSED)

    @property
    def reason(self) -> str:
        """The relay's own words behind its prefix, raw; empty where it did not speak."""
        return self.words if self.spoke else ""

    @property
    def problem(self) -> str:
        """What happened, in our words; where the relay spoke, our note to that."""
        return self.note if self.spoke else _STEPS.get(self.how, "") + self.words

    def __str__(self) -> str:
        """All of it in one, raw: `safe_line` before showing."""
        if not self.spoke:
            return self.problem
        said = f"{self.prefix}: {self.words}" if self.prefix else self.words
        return f"{said}; {self.note}" if self.note else said

    def error(self, url: str) -> RelayError:
        """The same as an error, for whoever cannot go on without an answer."""
        if self.how is How.LOST:
            return ConnectionLost(url, self.words)
        if self.how is How.SILENT:
            return RelayTimeout(url, self.problem)
        if self.how in (How.UNREACHABLE, How.NOT_ASKED) or self.status is not None:
            return ConnectFailed(url, self.words, status=self.status)
        if wants_auth(self.prefix):
            return AuthRequired(url, self.words)
        return Refused(url, self.prefix, self.words)


class End(msgspec.Struct, frozen=True, kw_only=True):
    """How a relay's part of a question ended.

    `events` came from it, in `pages` requests. `complete`: it holds nothing else that matches
    (True), it does (False), or did not say (None); `crowded`: some second may have more than the
    relay shows. If not answered, `prefix` and `reason` are its
    CLOSED, raw, or `problem` says in our words what happened (`status`: see `Cause`). `spare`: it
    was asked in passing, beside relays where the answer must be, and nothing depends on it.
    Beside an `auth-required` the `problem` says why the relay was not told who asks.
    """

    url: str
    how: How
    complete: bool | None = None
    events: int = 0
    pages: int = 0
    crowded: bool = False
    crowded_at: tuple[int, ...] = ()
    """The seconds of which that is so."""
    prefix: str = ""
    reason: str = ""
    problem: str = ""
    status: int | None = None
    spare: bool = False

    @property
    def answered(self) -> bool:
        """Did it send its stored events to the end?"""
        return self.how is How.ANSWERED or (self.how is How.INCOMPLETE and not self.problem)

    @property
    def words(self) -> str:
        """What it said, or our words, in one and raw."""
        said = f"{self.prefix}: {self.reason}" if self.prefix else self.reason
        return "; ".join(part for part in (said, self.problem) if part)

    def __str__(self) -> str:
        """One line, safe to print."""
        words = safe_line(self.words, WORDS_SHOWN)
        return f"{self.url}: {self.how.value}" + (f" ({words})" if words else "")


class Outcome(Enum):
    """What a question to relays came to. The values are for records and lines of ours."""

    FOUND = "found"
    """There is something, and no sign that a relay has more than it sent."""
    INCOMPLETE = "incomplete"
    """What was found is known not to be all; or nothing was, and not every relay answered."""
    NOTHING = "nothing there"
    """Every relay that matters answered, and has nothing."""
    NO_ANSWER = "nobody answered"
    NOT_ALLOWED = "not allowed"
    """Nothing was found, and those who may have it want to know who asks, or will not have us."""


def outcome_of(ends: Iterable[End], *, found: bool) -> Outcome:
    """The sum of how relays ended; `found`: there is something to show, wherever it was."""
    every = list(ends)
    missed = missed_of(every)
    if found:
        cut = any(end.events or end.how is How.INCOMPLETE for end in missed)
        return Outcome.INCOMPLETE if cut else Outcome.FOUND
    heard = any(_spoke(end) for end in every if not end.spare)
    if not heard and any(end.how is How.NOT_ALLOWED for end in missed):
        return Outcome.NOT_ALLOWED
    if not any(_spoke(end) for end in every):
        return Outcome.NO_ANSWER
    return Outcome.INCOMPLETE if missed else Outcome.NOTHING


def missed_of(ends: Iterable[End]) -> tuple[End, ...]:
    """The relays that the answer depends on and that did not send all they have.

    Those that were not to be asked, or not waited for since others had it, are none of them.
    """
    fine = (How.ANSWERED, How.NOT_AWAITED, How.NOT_ASKED)
    return tuple(end for end in ends if not end.spare and end.how not in fine)


def is_closed_to_us(ends: Iterable[End]) -> bool:
    """Does every relay that was asked, and on which anything depends, not allow it? Then nothing is
    to be waited for."""
    asked = [end for end in ends if not end.spare and end.how is not How.NOT_ASKED]
    return bool(asked) and all(end.how is How.NOT_ALLOWED for end in asked)


def in_words(ends: Iterable[End], *, found: bool, named: int = MOST_NAMED) -> str:
    """The outcome in one line, and what the first `named` relays that were missed did; safe to
    print.

    Empty where everything was found.
    """
    every = list(ends)
    outcome, missed = outcome_of(every, found=found), missed_of(every)
    if outcome is Outcome.FOUND and not missed:
        return ""
    if outcome is Outcome.FOUND:
        heard = any(_spoke(end) for end in every)
        words = "not every relay answered" if heard else "nobody answered; this is what was here"
    elif outcome is Outcome.INCOMPLETE:
        words = "this is not all" if found else "not everything could be read"
    else:
        words = _WORDS[outcome] if every else "there is no relay to ask"
    told = "; ".join(str(end) for end in missed[:named])
    more = f"; and {len(missed) - named} more" if len(missed) > named else ""
    return f"{words}: {told}{more}" if told else words


def _spoke(end: End) -> bool:
    """Did it say anything of what it has?"""
    return end.how in (How.ANSWERED, How.INCOMPLETE) or end.events > 0


_WORDS: Final = {
    Outcome.NOTHING: "every relay that was asked answered, and has none",
    Outcome.NO_ANSWER: "nobody answered",
    Outcome.NOT_ALLOWED: "it may not be read",
}
