"""What one relay takes at most, as far as it says: REQs are cut to it (NIP-01, 11; pure).

It is learned from three places, and the strictest of them counts:
- the relay's document (NIP-11), where somebody has read it;
- a `LIMITS` frame, which some relays send when a connection opens, and again when they know who
  asks: then the new one counts, until the connection ends. That frame is a draft without a number
  (pull request 1434 of the NIPs, open as of July 2026), and its names are those of NIP-11;
- the words of a refusal (`complaints.py`), and how much it was that was refused. That is remembered
  beyond the connection, by whoever owns the session (`learned`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from nostr_client.net.session.complaints import Complaint, complaint_in, number_in
from nostr_client.net.session.paging import CUT_OFF
from nostr_client.net.session.req_split import MAX_FILTERS, MAX_REQUEST, requests_for, size_of
from nostr_client.nips import nip11
from nostr_client.nips.nip11 import Limitation
from nostr_client.protocol.event import MALFORMED
from nostr_client.protocol.filters import Filter

LABEL: Final = "LIMITS"
LEAST_REQUEST: Final = 2048
"""Bytes that every relay takes, whatever it says: one filter has to fit."""
FRAME: Final = 100
"""Bytes of a REQ beside its filters."""


class RelayLimits:
    """Those of one relay; they outlive its connections."""

    def __init__(self) -> None:
        self.document = Limitation()
        """What its document says (NIP-11)."""
        self._framed = Limitation()
        self.learned = Limitation()
        """What its refusals taught."""

    @property
    def _said(self) -> tuple[Limitation, ...]:
        return self.document, self._framed, self.learned

    @property
    def filters(self) -> int:
        """Filters in one REQ."""
        said = [said.max_filters for said in self._said]
        return max(1, _least(*said, MAX_FILTERS))

    @property
    def request(self) -> int:
        """Bytes of filters in one REQ."""
        said = [said.max_message_length for said in self._said]
        sizes = (size - FRAME for size in said if size)
        return max(LEAST_REQUEST, _least(*sizes, MAX_REQUEST))

    @property
    def subscriptions(self) -> int | None:
        """REQs that may be open at a time; None: it does not say. What is only stored waits its
        turn; what goes on is asked for all the same, and the relay says what it thinks of that."""
        return _least(*(said.max_subscriptions for said in self._said)) or None

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

    def refused(self, words: str, refused: Sequence[Filter], reqs: int) -> Complaint | None:
        """A REQ of these filters was refused with these words, while so many REQs were open: what
        that is about, if it is worth asking again, for less at a time."""
        what = complaint_in(words)
        if what is Complaint.FILTERS:
            had, name = len(refused), "max_filters"
        elif what is Complaint.SUBSCRIPTIONS:
            had, name = reqs, "max_subscriptions"
        elif what is Complaint.LENGTH:
            had, name = size_of(refused) + FRAME, "max_message_length"
        else:
            return what
        least = LEAST_REQUEST + FRAME if what is Complaint.LENGTH else 1
        if had <= least and what is not Complaint.SUBSCRIPTIONS:
            return None
        less = had - 1 if what is Complaint.SUBSCRIPTIONS else had // 2
        most = number_in(words, had, least) or max(least, less)
        self.learned = msgspec.structs.replace(self.learned, **{name: most})
        if what is Complaint.LENGTH and len(requests_for(refused, self.filters, self.request)) < 2:
            return None  # one giant value: it would be the same again, without an end
        return what


def _least(*numbers: int | None) -> int:
    """The least of those that say anything; 0 if none does."""
    return min((number for number in numbers if number and number > 0), default=0)
