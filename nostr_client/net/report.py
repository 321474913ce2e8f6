"""What relays answered to a publication, as values: one `Answer` a relay, one report in all."""

from __future__ import annotations

from collections import Counter
from enum import Enum

import msgspec

from nostr_client.errors import PublishFailed
from nostr_client.net.outcome import WORDS_SHOWN, Cause, How
from nostr_client.protocol.refusals import FINAL, Meaning, meaning_of, split_reason
from nostr_client.safe_text import safe_line

OVERTAKEN = "other devices changed it at the same time and won: look whether your change is there"


class RelayAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `url` said to something, or why it said nothing."""

    url: str
    cause: Cause = Cause(How.ANSWERED)

    @property
    def how(self) -> How:
        """How it ended."""
        return self.cause.how

    @property
    def prefix(self) -> str:
        """NIP-01's prefix."""
        return self.cause.prefix

    @property
    def reason(self) -> str:
        """The relay's own words, raw."""
        return self.cause.reason

    @property
    def problem(self) -> str:
        """Why no answer came, in our words ("connect: ...", "timeout: ...")."""
        return self.cause.problem


class Answer(RelayAnswer, frozen=True, kw_only=True):
    """What one relay said to one event; `accepted` is None where no answer came. Not `handed`: it
    was not even sent there."""

    accepted: bool | None
    handed: bool = True

    @classmethod
    def of_ok(cls, url: str, accepted: bool, text: str, note: str = "") -> Answer:
        """The answer in an OK frame, whose last element is `text`; `note`: see `Cause`."""
        if accepted:
            prefix, words = split_reason(text)
            cause = Cause(How.ANSWERED, words, prefix)
        else:
            cause = Cause.refused(text, note)
        return cls(url=url, accepted=accepted, cause=cause)

    @classmethod
    def missing(cls, url: str, cause: Cause, *, handed: bool = False) -> Answer:
        """No answer came."""
        return cls(url=url, accepted=None, cause=cause, handed=handed)

    @property
    def meaning(self) -> Meaning | None:
        """What a refusal asks of us; None unless the relay refused."""
        return meaning_of(self.prefix) if self.accepted is False else None

    def __str__(self) -> str:
        if self.accepted:
            return f"{self.url}: accepted"
        words = safe_line(str(self.cause), WORDS_SHOWN)
        if self.accepted is None:
            return f"{self.url}: no answer ({words})"
        return f"{self.url}: refused ({words or 'without a reason'})"


class CountAnswer(RelayAnswer, frozen=True, kw_only=True):
    """A relay's answer to COUNT (NIP-45); `count` is None where there was none."""

    count: int | None = None
    approximate: bool = False
    hll: bytes = b""


class Left(Enum):
    """Why an event was sent to no relay where somebody whom it addresses reads."""

    UNKNOWN = "no relay is known where they read"
    TOO_MANY = "too many are addressed"


class PublishReport(msgspec.Struct, frozen=True):
    """What became of one event, relay by relay, in the order in which they were asked.

    `left_out` are the people (pubkeys) whom it addresses and where they read it was not sent.

    `overtaken`: it is a list, and versions of other devices won each time it was published, so
    that its change may be lost.
    `instead` are those of them that stand in for relays that are down.
    """

    event_id: str
    answers: tuple[Answer, ...]
    overtaken: bool = False
    instead: tuple[str, ...] = ()
    left_out: dict[str, Left] = msgspec.field(default_factory=dict)

    @property
    def accepted(self) -> tuple[str, ...]:
        """URLs of the relays that said yes."""
        return tuple(answer.url for answer in self.answers if answer.accepted)

    @property
    def refused(self) -> tuple[Answer, ...]:
        """The answers that said no."""
        return tuple(answer for answer in self.answers if answer.accepted is False)

    @property
    def unanswered(self) -> tuple[Answer, ...]:
        """The relays that could not be reached or did not answer in time."""
        return tuple(answer for answer in self.answers if answer.accepted is None)

    @property
    def pending(self) -> tuple[Answer, ...]:
        """The answers after which it is tried again: none came, or a refusal that may pass."""
        return tuple(
            answer for answer in self.answers if not answer.accepted and answer.meaning not in FINAL
        )

    @property
    def ok(self) -> bool:
        """Did at least one relay accept the event?"""
        return any(answer.accepted for answer in self.answers)

    def raise_if_failed(self) -> None:
        """Raises PublishFailed if no relay accepted the event."""
        if not self.ok:
            raise PublishFailed(self)

    def __str__(self) -> str:
        """One line, safe to print."""
        if not self.answers:
            return f"{self.event_id[:12]}: no relay was asked"
        line = f"{self.event_id[:12]}: accepted by {len(self.accepted)} of {len(self.answers)}"
        others = [str(answer) for answer in self.answers if not answer.accepted]
        if self.overtaken:
            others.insert(0, OVERTAKEN)
        if self.instead:
            others.append(f"in place of relays that are down: {', '.join(self.instead)}")
        counts = Counter(self.left_out.values())
        others += [f"{counts[why]} of those addressed left out: {why.value}" for why in counts]
        return f"{line}; {'; '.join(others)}" if others else line
