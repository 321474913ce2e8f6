"""What a `ClientSession` keeps for each thing that was wished of its relay."""

from __future__ import annotations

from enum import Enum

import msgspec

from nostr_client.net.requests import Filters
from nostr_client.protocol.event import Event


class State(Enum):
    """Where a subscription stands; the rules are at the head of `session.py`."""

    IDLE = "idle"
    STORED = "stored"
    LIVE = "live"
    WAITING = "waiting"
    PARKED = "parked"
    PAUSED = "paused"


class Part(msgspec.Struct, eq=False):
    """One REQ of a subscription: `stored` until its EOSE, `complete` as NIP-67 says."""

    sub: Sub
    filters: Filters
    stored: bool = True
    complete: bool | None = None


class Sub(msgspec.Struct, eq=False):
    """A subscription. `parts` by their ids on the wire; times in seconds since 1970."""

    key: int
    filters: Filters
    live: bool
    state: State = State.IDLE
    parts: dict[str, Part] = msgspec.field(default_factory=dict)
    last_seen: int = 0
    """The newest created_at that came."""
    finished: bool = False
    """Was stored history once read to its end?"""
    told: bool = False
    """Does its owner know of the outage?"""
    asked_at: int = 0
    retries: int = 0
    auth_tried: bool = False
    refusal: str = ""


class Publish(msgspec.Struct, eq=False):
    """An event on its way."""

    event: Event
    auth_tried: bool = False
    refusal: str = ""


class Count(msgspec.Struct, eq=False):
    """A COUNT that was asked."""

    key: int
    filters: Filters
    wire: str = ""
    auth_tried: bool = False
    refusal: str = ""


Wish = Sub | Publish | Count
