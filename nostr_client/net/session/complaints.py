"""What a relay complains of in a CLOSED or a NOTICE, read from its words (pure).

There is no standard for it. These are the words of relays, as their sources have them:
- strfry: `ERROR: too many concurrent REQs` (NOTICE), `ERROR: bad req: arr too big`, `... invalid
  number of filters: 12`, `... total filter items too large`, `... too many kinds in filter: 50`;
- nostr-rs-relay (NOTICE): `Subscription error: Maximum concurrent subscription count reached`,
  `message too large (70000 > 65536)`;
- nostream (NOTICE): `Subscription rejected: Too many subscriptions: Number of subscriptions must be
  less than or equal to 10`, the same of filters, `rate limited`;
- khatru: `rate-limited: there is a bug in the client, no one should be making so many requests`;
- ours: `rate-limited: 20 subscriptions may be open`, `rate-limited: the relay has too many
  subscriptions open`.

Words are a stranger's: long ones are left, and each character of others is looked at once.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import pairwise
from typing import Final

MOST_WORDS: Final = 200
"""Characters that are read: whoever writes more means something else."""


class Complaint(Enum):
    """What there is too much of."""

    SUBSCRIPTIONS = "subscriptions"
    """REQs that are open at a time."""
    FILTERS = "filters"
    """Filters in one REQ."""
    LENGTH = "length"
    """Bytes, or values, of a REQ."""
    RATE = "rate"
    """Requests in a while."""


_words_in = re.compile(r"[a-z]+|[0-9]{1,7}").findall
"""Each character is looked at once."""
_MUCH: Final = frozenset(
    (
        *("many", "maximum", "max", "most", "more", "limit", "exceeded", "exceeds", "big", "large"),
        *("long", "number", "concurrent", "may"),
    )
)
_ABOUT: Final = {
    **dict.fromkeys(("subscription", "subscriptions", "subs", "reqs"), Complaint.SUBSCRIPTIONS),
    **dict.fromkeys(("filter", "filters", "arr"), Complaint.FILTERS),
    **dict.fromkeys(
        ("message", "items", "values", "kinds", "authors", "ids", "tags"), Complaint.LENGTH
    ),
}
_SIZES: Final = frozenset(("large", "long"))
_RATES: Final = frozenset(
    (("rate", "limited"), ("many", "requests"), ("slow", "down"), ("concurrent", "requests"))
)


def complaint_in(text: str) -> Complaint | None:
    """What these words complain of; None where it is something else, or cannot be told.

    It is what is named next after the word for "much", or else last before it.
    """
    if len(text) > MOST_WORDS:
        return None
    words = _words_in(text.lower())
    pairs = frozenset(pairwise(words))
    much = next((place for place, word in enumerate(words) if word in _MUCH), None)
    about = None
    if much is not None and not _is_of_answers(words):
        after = (_ABOUT[word] for word in words[much + 1 :] if word in _ABOUT)
        before = (_ABOUT[word] for word in reversed(words[:much]) if word in _ABOUT)
        about = next(after, None) or next(before, None)
        if about is Complaint.FILTERS and _SIZES & set(words):
            about = Complaint.LENGTH
    of_all = ("relay", "has") in pairs  # it is not about this connection
    if (about is None and pairs & _RATES) or (about is Complaint.SUBSCRIPTIONS and of_all):
        return Complaint.RATE
    return about


def number_in(text: str, below: int, least: int = 1) -> int | None:
    """How much these words allow, where `below` was too much; None where they do not say. It may
    stand beside how much it was, so it is the smallest, of those that are not below `least`."""
    if len(text) > MOST_WORDS:
        return None
    numbers = (int(word) for word in _words_in(text.lower()) if word.isdigit())
    return min((number for number in numbers if least <= number < below), default=None)


def _is_of_answers(words: list[str]) -> bool:
    """Is it the `limit` of a filter that is too high? And one asks for too long an id."""
    pairs = frozenset(pairwise(words))
    return bool(pairs & {("limit", "too"), ("filter", "limit"), ("subscription", "id")})
