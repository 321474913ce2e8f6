"""What a session wants done about a message, and the subscriptions that it is about."""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from relays.engine.frames import event_head
from relays.engine.negentropy import NegentropySession
from relays.policies.filter_limits import filter_values
from relays.policies.verdict import IncomingEvent

UNSTORED: Final = 0
"""The commit sequence of what is passed on and not stored."""


class ReqState(Enum):
    """Of a subscription; the rules stand at the head of `relays.engine.session`."""

    SCANNING = "scanning"
    LIVE = "live"
    ENDED = "ended"


class Session(Protocol):
    """The session of a client; which one a subscription is of is all that its holders ask."""

    def live(self, subscription: ClientSubscription, seq: int, event: Event) -> bool: ...

    def caught_up(self, subscription: ClientSubscription) -> None: ...


class ClientSubscription:
    """One REQ of one client.

    `values` is what it costs: the values in its filters' lists. `seq` is the last commit that its
    page saw; `page_ids` holds the ids in the page while news of them may still come.
    """

    __slots__ = ("filters", "head", "held", "id", "page_ids", "seq", "session", "state", "values")

    def __init__(self, session: Session, id: str, filters: tuple[Filter, ...]) -> None:
        self.session = session
        self.id = id
        self.filters = filters
        self.head = event_head(id)
        self.state = ReqState.SCANNING
        self.held: list[tuple[int, Event]] = []
        self.seq = 0
        self.page_ids: frozenset[bytes] | None = None
        self.values = filter_values(filters)


# Actions: what is to be done about a message


class Reply(msgspec.Struct, frozen=True):
    """Send this frame."""

    frame: bytes


class Ingest(msgspec.Struct, frozen=True):
    """Check the signature of this event, store it, answer OK, pass it on."""

    incoming: IncomingEvent


class Subscribe(msgspec.Struct, frozen=True):
    """Register `subscription` as live, then scan; `replaced` has ended."""

    subscription: ClientSubscription
    replaced: ClientSubscription | None = None


class Unsubscribe(msgspec.Struct, frozen=True):
    """This subscription has ended; `frame` says so to the client, if it must be told."""

    subscription: ClientSubscription
    frame: bytes = b""


class CountQuery(msgspec.Struct, frozen=True):
    """Count what matches; `values` is what it costs while it waits, as with a subscription."""

    query_id: str
    filters: tuple[Filter, ...]
    values: int


class OpenNegentropy(msgspec.Struct, frozen=True):
    """Read what matches `filter`, for `negentropy` to begin (NIP-77)."""

    negentropy: NegentropySession
    filter: Filter


Action = Reply | Ingest | Subscribe | Unsubscribe | CountQuery | OpenNegentropy
