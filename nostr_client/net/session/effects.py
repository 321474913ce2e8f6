"""What a `ClientSession` asks its owner to do, in order."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from nostr_client.net.outcome import Cause, How
from nostr_client.net.session.pending import Purpose
from nostr_client.nips.nip11 import Limitation
from nostr_client.protocol.event import Event


class Effect(msgspec.Struct, frozen=True):
    """One thing to do."""


class Send(Effect, frozen=True):
    """Put this frame on the wire."""

    frame: bytes


class EventsReceived(Effect, frozen=True):
    """Events of subscription `key` whose signatures are not checked yet; the list grows until the
    session has returned."""

    key: int
    events: list[Event]
    live: bool


class StoredEnded(Effect, frozen=True):
    """Stored history of `key` was sent, in `pages` REQs. `complete`: all of it (True), not all
    (False), unsaid. `crowded`: see `HistoryPages`. `left_out` events were too large to be kept."""

    key: int
    complete: bool | None
    pages: int = 1
    crowded: Mapping[int, int] = msgspec.field(default_factory=dict)
    left_out: int = 0


class SubscriptionStopped(Effect, frozen=True):
    """`key` gets nothing from this relay: for good when `final`, else until it is resumed."""

    key: int
    cause: Cause
    final: bool


class OkReceived(Effect, frozen=True):
    """The relay's OK to an event; `note` says why it was not told who we are, if it asked."""

    event_id: str
    accepted: bool
    text: str
    note: str = ""


class CountReceived(Effect, frozen=True):
    """The relay's answer to a COUNT; `count` is None where it refused, and `cause` says how."""

    key: int
    count: int | None
    approximate: bool = False
    hll: bytes = b""
    cause: Cause = Cause(How.ANSWERED)


class NegentropyReceived(Effect, frozen=True):
    """The relay's word in a reconciliation (NIP-77); `message` is None where that has ended, for
    this `cause`; `most`: the most events that the relay compares, if it says."""

    key: int
    message: bytes | None
    cause: Cause = Cause(How.ANSWERED)
    most: int | None = None


class AskAuth(Effect, frozen=True):
    """Ask whoever owns the key whether to authenticate for `purpose`, then call
    `ClientSession.authenticate` with the same `number`."""

    number: int
    challenge: str
    purpose: Purpose


class WakeLater(Effect, frozen=True):
    """Call `ClientSession.wake(token)` in so many seconds."""

    delay: float
    token: int


class LimitsLearned(Effect, frozen=True):
    """The relay's refusals taught what it takes: worth remembering beyond the connection."""

    limits: Limitation


class HangUp(Effect, frozen=True):
    """This relay talks nonsense: close the connection."""

    reason: str


Effects = list[Effect]
