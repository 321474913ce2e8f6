"""What a relay's refusal means, and when to try again (NIP-01, 42): the one ruling for all.

NIP-01's prefixes are an open set. One that nobody knows means what none means: again, later.
"""

from __future__ import annotations

import re
from enum import Enum
from math import ceil
from typing import Final, NamedTuple

AUTH_REQUIRED: Final = "auth-required"
"""NIP-42: the relay wants to know who asks."""


class Meaning(Enum):
    """What a refusal's prefix asks of the one who was refused."""

    LATER = "later"
    """`rate-limited`, `error`, and what nobody knows: the same again, later."""
    ACT = "act"
    """`auth-required`, `pow`: do something, then again."""
    KEY_REFUSED = "key-refused"
    """`blocked`, `restricted`: over, for this key on this relay."""
    EVENT_REFUSED = "event-refused"
    """`invalid`, `mute`, `unsupported`: over, for this event on this relay."""
    HELD = "held"
    """`duplicate`: the relay has it already; to be confirmed."""


FINAL: Final = (Meaning.KEY_REFUSED, Meaning.EVENT_REFUSED)
"""Refusals that stand: this key or this event is not taken there."""


class Waits(NamedTuple):
    """Seconds before the first new try, and at most; it doubles in between."""

    first: float
    longest: float

    def after(self, attempts: int) -> float:
        """Seconds to wait after so many earlier tries."""
        return min(self.longest, self.first * 2.0 ** min(attempts, 20))


WAITS: Final[dict[Meaning | None, Waits]] = {
    None: Waits(5.0, 300.0),
    Meaning.LATER: Waits(30.0, 3600.0),
    Meaning.ACT: Waits(900.0, 6 * 3600.0),
    Meaning.HELD: Waits(30.0, 3600.0),
    Meaning.KEY_REFUSED: Waits(900.0, 3600.0),
}
"""An event that a relay did not take, by what its answer meant. None: no answer came; HELD: it was
looked for there, and not found; KEY_REFUSED: whatever else waits for that relay."""
RESUBSCRIBE: Final = Waits(5.0, 600.0)
"""A live subscription that was closed "for now"."""
PAUSES: Final = (2.0, 10.0, 30.0)
"""Seconds before each new try of what somebody waits for: then it has failed."""

# One word and a colon, but not the `https:` of an address.
_prefixed = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]{0,31}):(?!//)(.*)", re.DOTALL).fullmatch
_MEANINGS: Final = {
    "rate-limited": Meaning.LATER,
    "error": Meaning.LATER,
    AUTH_REQUIRED: Meaning.ACT,
    "pow": Meaning.ACT,
    "blocked": Meaning.KEY_REFUSED,
    "restricted": Meaning.KEY_REFUSED,
    "invalid": Meaning.EVENT_REFUSED,
    "mute": Meaning.EVENT_REFUSED,
    "unsupported": Meaning.EVENT_REFUSED,
    "duplicate": Meaning.HELD,
}

KEY_REFUSALS: Final = tuple(p for p, meaning in _MEANINGS.items() if meaning is Meaning.KEY_REFUSED)
"""The prefixes, in lower case, of what is over for a key on a relay."""


def split_reason(reason: str) -> tuple[str, str]:
    """NIP-01's prefix and the words after it; the prefix is empty where there is none.

    strfry says `ERROR: auth-required: ...`: what stands behind such a word and is known counts.
    """
    found = _prefixed(reason)
    if not found:
        return "", reason.strip()
    prefix, words = found[1], found[2].strip()
    inner = _prefixed(words) if prefix.lower() == "error" else None
    if inner and inner[1].lower() in _MEANINGS:
        return inner[1], inner[2].strip()
    return prefix, words


def meaning_of(prefix: str) -> Meaning:
    """What to do about a refusal; an unknown prefix means: again, later."""
    return _MEANINGS.get(prefix.lower(), Meaning.LATER)


def wants_auth(prefix: str) -> bool:
    """Does the relay want to know who asks (NIP-42)?"""
    return prefix.lower() == AUTH_REQUIRED


def is_for_now(prefix: str) -> bool:
    """Does the relay itself say that it will pass (`rate-limited`, `error`)?

    What nobody knows may pass too, but is not waited for on the spot.
    """
    return _MEANINGS.get(prefix.lower()) is Meaning.LATER


def next_try(meaning: Meaning | None, attempts: int, now: float, random: float) -> int:
    """When to try again, in seconds since 1970: the wait for `meaning` after `attempts` earlier
    tries, less up to a third (`random` is from 0 to 1), so that many do not come as one."""
    waits = WAITS.get(meaning, WAITS[Meaning.LATER])
    return ceil(now + waits.after(attempts) * (1 - random / 3))
