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
from typing import Final

import msgspec

from nostr_client.net.report import Answer
from nostr_client.protocol.messages import Meaning

UNREACHED: Final = (5.0, 300.0)
"""Seconds before the first new try and at most, where no answer came."""
LATER: Final = (30.0, 3600.0)
"""The same where the relay said `rate-limited`, `error`, or something that nobody knows."""
ACT: Final = (900.0, 6 * 3600.0)
"""The same where the person must do something first."""


class CopyOutcome(Enum):
    """What is known of a copy after an answer."""

    THERE = "there"
    CLAIMED = "claimed"
    AGAIN = "again"
    OVER = "over"


class Judgement(msgspec.Struct, frozen=True):
    """`next_try` (seconds since 1970) is set for AGAIN; `prefix` and `reason` say why, raw."""

    outcome: CopyOutcome
    prefix: str = ""
    reason: str = ""
    next_try: int = 0


def judge(answer: Answer, attempts: int, now: float, random: float) -> Judgement:
    """What `answer` means after `attempts` earlier tries; `random` is a number from 0 to 1."""
    if answer.accepted:
        return Judgement(CopyOutcome.THERE)
    reason = answer.reason or answer.problem
    if answer.accepted is None:
        return Judgement(CopyOutcome.AGAIN, "", reason, later(UNREACHED, attempts, now, random))
    match answer.meaning:
        case Meaning.HELD:
            return Judgement(CopyOutcome.CLAIMED, answer.prefix, reason)
        case Meaning.KEY_REFUSED | Meaning.EVENT_REFUSED:
            return Judgement(CopyOutcome.OVER, answer.prefix, reason)
        case Meaning.ACT:
            at = later(ACT, attempts, now, random)
        case _:
            at = later(LATER, attempts, now, random)
    return Judgement(CopyOutcome.AGAIN, answer.prefix, reason, at)


def later(waits: tuple[float, float], attempts: int, now: float, random: float) -> int:
    """The time of the next try: the first wait doubled `attempts` times, less up to a third."""
    first, longest = waits
    wait = min(longest, first * 2 ** min(attempts, 20))
    return int(now + wait * (1 - random / 3)) + 1
