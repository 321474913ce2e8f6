"""What a relay's answer means for one copy: there, over, or again and when (pure).

Rules, by `Meaning` (NIP-01's prefixes):
- accepted: the copy is there.
- HELD (`duplicate` said with a no): the relay claims to have it; it is read back to be sure.
- KEY_REFUSED, EVENT_REFUSED: over there; the plan names another relay.
- ACT (`auth-required`, `pow`): it waits for the person, and is tried again rarely.
- LATER, and no answer: again, each time later, with a random part so that many do not come as one.
"""

from __future__ import annotations

from enum import Enum

import msgspec

from nostr_client.net.report import Answer
from nostr_client.protocol.refusals import FINAL, Meaning, next_try


class CopyOutcome(Enum):
    """What is known of a copy after an answer."""

    THERE = "there"
    CLAIMED = "claimed"
    AGAIN = "again"
    SOON = "soon"
    """Again as soon as the relay's pace allows (`copy_sending`)."""
    OVER = "over"


class Judgement(msgspec.Struct, frozen=True):
    """`next_try` (seconds since 1970) is set for AGAIN; `prefix` and `reason` say why, raw. Not
    `handed`: the relay cannot have the event."""

    outcome: CopyOutcome
    prefix: str = ""
    reason: str = ""
    next_try: int = 0
    handed: bool = True


def judge(answer: Answer, attempts: int, now: float, random: float) -> Judgement:
    """What `answer` means after `attempts` earlier tries; `random` is a number from 0 to 1."""
    if answer.accepted:
        return Judgement(CopyOutcome.THERE)
    reason = answer.reason or answer.problem
    if answer.meaning is Meaning.HELD:
        return Judgement(CopyOutcome.CLAIMED, answer.prefix, reason)
    if answer.meaning in FINAL:
        return Judgement(CopyOutcome.OVER, answer.prefix, reason)
    at = next_try(answer.meaning, attempts, now, random)
    return Judgement(CopyOutcome.AGAIN, answer.prefix, reason, at, answer.handed)
