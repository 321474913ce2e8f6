"""What one relay takes at most, as far as it says: REQs are cut to it (NIP-01, 11; pure).

It is learned from three places, and the strictest of them counts:
- the relay's document (NIP-11), where somebody has read it;
- a `LIMITS` frame, which some relays send when a connection opens, and again when they know who
  asks: then the new one counts, until the connection ends. That frame is a draft without a number
  (pull request 1434 of the NIPs, open as of July 2026), and its names are those of NIP-11;
- the words of a refusal, of which only the number of filters is read: relays do not agree on words.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from nostr_client.net.session.paging import CUT_OFF
from nostr_client.net.session.req_split import MAX_FILTERS, MAX_REQUEST
from nostr_client.nips import nip11
from nostr_client.nips.nip11 import Limitation
from nostr_client.protocol.event import MALFORMED

LABEL: Final = "LIMITS"
LEAST_REQUEST: Final = 2048
"""Bytes that every relay takes, whatever it says: one filter has to fit."""
_FRAME: Final = 100
"""Bytes of a REQ beside its filters."""
_MOST_WORDS: Final = 200
"""Characters of a refusal that are read: whoever writes more means something else."""
_about_filters = re.compile(  # its gaps are bounded, for the words are a stranger's
    r"(?:too many|max(?:imum)?|more than|at most|limit)\D{0,20}(\d{1,6})?[^.]{0,60}\bfilters?\b"
    r"|\bfilters?\b[^.]{0,60}(?:too many|max(?:imum)?|more than|at most|limit)"
    r"\D{0,20}(\d{1,6})?",
    re.IGNORECASE,
).search


class RelayLimits:
    """Those of one relay; they outlive its connections."""

    def __init__(self) -> None:
        self.document = Limitation()
        """What its document says (NIP-11)."""
        self._framed = Limitation()
        self._refused: int | None = None

    @property
    def filters(self) -> int:
        """Filters in one REQ."""
        said = (self.document.max_filters, self._framed.max_filters, self._refused)
        return max(1, _least(*said, MAX_FILTERS))

    @property
    def request(self) -> int:
        """Bytes of filters in one REQ."""
        said = [self.document.max_message_length, self._framed.max_message_length]
        sizes = (size - _FRAME for size in said if size)
        return max(LEAST_REQUEST, _least(*sizes, MAX_REQUEST))

    @property
    def subscriptions(self) -> int | None:
        """REQs that may be open at a time; None: it does not say. What is only stored waits its
        turn; what goes on is asked for all the same, and the relay says what it thinks of that."""
        said = (self.document.max_subscriptions, self._framed.max_subscriptions)
        return _least(*said) or None

    @property
    def cut(self) -> int:
        """Events in an answer from which on it may be cut off."""
        said = (
            *(self.document.max_limit, self.document.default_limit),
            *(self._framed.max_limit, self._framed.default_limit),
        )
        return _least(*said, CUT_OFF)

    def framed(self, frame: bytes) -> bool:
        """A frame of a type that nobody knows came; False if it is no `LIMITS`."""
        try:
            parts = msgspec.json.decode(frame, type=list[object])
        except MALFORMED:
            return False
        if not parts or parts[0] != LABEL:
            return False
        self._framed = nip11.limitation_of(parts[1] if len(parts) > 1 else None)
        return True

    def lost(self) -> None:
        """The connection is gone, and with it what was said of it alone."""
        self._framed = Limitation()

    def refused(self, words: str, filters: int) -> bool:
        """A REQ of so many filters was refused with these words: is it worth asking again, in
        smaller ones?"""
        if filters < 2 or (found := _about_filters(words[:_MOST_WORDS])) is None:
            return False
        number = int(found[1] or found[2] or 0)
        self._refused = number if 0 < number < filters else filters // 2
        return True


def _least(*numbers: int | None) -> int:
    """The least of those that say anything; 0 if none does."""
    return min((number for number in numbers if number and number > 0), default=0)
