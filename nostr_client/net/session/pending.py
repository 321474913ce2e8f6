"""What a `ClientSession` keeps for each thing that was asked of its relay and is not over."""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from nostr_client.net.session.paging import HistoryPages, Paging
from nostr_client.net.session.req_split import Filters
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

IDS_REMEMBERED: Final = 1024
"""Ids of closed REQs and COUNTs, whose late frames are no offence."""


class SubscriptionState(Enum):
    """Where a subscription stands; the rules are at the head of `subscriptions.py`."""

    IDLE = "idle"
    STORED = "stored"
    LIVE = "live"
    WAITING = "waiting"
    PARKED = "parked"
    PAUSED = "paused"


class OpenReq(msgspec.Struct, eq=False):
    """One REQ of a subscription: `stored` until its EOSE, with `pages` while it reads back; `past`
    if it asks for an older page, so that nothing live belongs to it."""

    sub: RelaySubscription
    filters: Filters
    pages: HistoryPages | None
    past: bool = False
    stored: bool = True
    room: int | None = None
    """Events that may still come before its EOSE; None: as many as there are."""
    heard: bool = False
    """Has anything come for it?"""
    ended_at: int = 0
    """When its EOSE came, in seconds since 1970."""


class RelaySubscription(msgspec.Struct, eq=False):
    """A subscription. `parts` by their ids on the wire; times in seconds since 1970."""

    key: int
    filters: Filters
    live: bool
    paging: Paging | None
    state: SubscriptionState = SubscriptionState.IDLE
    parts: dict[str, OpenReq] = msgspec.field(default_factory=dict)
    newest: int = 0
    """The newest created_at that came since it was last asked."""
    mark: int = 0
    """The newest created_at up to which nothing is missing."""
    finished: bool = False
    """Was stored history once read to its end?"""
    unfinished: int = 0
    """REQs whose history is not at its end, since it was last asked."""
    said: list[bool | None] = msgspec.field(default_factory=list)
    """What was said at the end of each, as NIP-67 has it."""
    pages: int = 0
    crowded: dict[int, int] = msgspec.field(default_factory=dict)
    """See `HistoryPages`."""
    left_out: int = 0
    """Events that were too large to be kept, since it was last asked."""
    told: bool = False
    """Does its owner know of the outage?"""
    asked_at: int = 0
    retries: int = 0
    queued: int = 0
    """How often it had to wait for the relay to take more, while only what is stored is wanted."""
    no_room: bool = False
    """Does it wait since the relay has others open?"""
    auth_tried: bool = False
    refusal: str = ""
    note: str = ""


class PendingPublish(msgspec.Struct, eq=False):
    """An event on its way; `sent`: the relay may have it."""

    event: Event
    sent: bool = False
    auth_tried: bool = False
    refusal: str = ""
    note: str = ""


class PendingCount(msgspec.Struct, eq=False):
    """A COUNT that was asked."""

    key: int
    filters: Filters
    sub_id: str = ""
    auth_tried: bool = False
    refusal: str = ""
    note: str = ""


class PendingReconciliation(msgspec.Struct, eq=False):
    """A reconciliation of sets (NIP-77); `first` is the message that opens it."""

    key: int
    filter: Filter
    first: bytes
    sub_id: str = ""
    answered: bool = False
    most: int | None = None
    """The most events that the relay compares, if it said so when it refused."""
    auth_tried: bool = False
    refusal: str = ""
    note: str = ""


Pending = RelaySubscription | PendingPublish | PendingCount | PendingReconciliation
"""`refusal`: the relay's words, where it wants authentication; `note`: why it gets none, in ours;
`auth_tried`: it was repeated after it."""

Purpose = Event | Filters
"""What a relay refuses until it knows who asks: an event sent to it, or filters it was asked."""


def purpose_of(pending: Pending) -> Purpose:
    """What was asked of the relay."""
    if isinstance(pending, PendingPublish):
        return pending.event
    if isinstance(pending, PendingReconciliation):
        return (pending.filter,)
    return pending.filters


class SubscriptionIds:
    """The ids of REQs, COUNTs and reconciliations on one connection; none is ever used again."""

    def __init__(self) -> None:
        self.open: dict[str, OpenReq | PendingCount | PendingReconciliation] = {}
        self._closed: dict[str, None] = {}
        self._last = 0

    def new(self, target: OpenReq | PendingCount | PendingReconciliation) -> str:
        """An id for `target`."""
        self._last += 1
        sub_id = f"s{self._last}"
        self.open[sub_id] = target
        return sub_id

    def forget(self, sub_id: str) -> None:
        """It is closed; what still comes for it is late, and no offence."""
        del self.open[sub_id]
        self._closed[sub_id] = None
        if len(self._closed) > IDS_REMEMBERED:
            del self._closed[next(iter(self._closed))]

    @property
    def reqs(self) -> int:
        """How many REQs are open."""
        return sum(isinstance(target, OpenReq) for target in self.open.values())

    @property
    def passing(self) -> bool:
        """Does any of them end with what is stored?"""
        each = (target for target in self.open.values() if isinstance(target, OpenReq))
        return any(part.past or not part.sub.live for part in each)

    def was_closed(self, sub_id: str) -> bool:
        return sub_id in self._closed

    def clear(self) -> None:
        """The connection is gone."""
        self.open.clear()
        self._closed.clear()
