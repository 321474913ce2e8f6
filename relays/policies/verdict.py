"""What a policy is asked and what it answers.

A policy is called with an `IncomingEvent` and returns a `Verdict`; the first refusal counts. A
reason is NIP-01's prefix, a colon and words for people. One that begins with `auth-required:` makes
the relay send its challenge (NIP-42).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Final, Literal, TypeVar

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

Verb = Literal["REQ", "COUNT", "NEG-OPEN"]


class Verdict(msgspec.Struct, frozen=True):
    """Accepted, or not and why. A reason may come with an acceptance too."""

    accepted: bool
    reason: str = ""


class SourceType(StrEnum):
    """The road on which an event came."""

    CLIENT = "client"
    IMPORT = "import"
    SYNC = "sync"
    MIRROR = "mirror"


class IncomingEvent(msgspec.Struct, frozen=True):
    """An event that somebody wants kept, before its signature is checked.

    `now` is in seconds; `address` is the client's, empty for an import; `keys` are the public keys
    (hex) that the connection has authenticated as (NIP-42); `connection` is a number of its own.
    """

    event: Event
    now: float
    address: str = ""
    keys: frozenset[str] = frozenset()
    connection: int = 0
    source: SourceType = SourceType.CLIENT


class IncomingQuery(msgspec.Struct, frozen=True):
    """What a client asks about stored and coming events; fields as in `IncomingEvent`."""

    verb: Verb
    filters: tuple[Filter, ...]
    now: float
    address: str = ""
    keys: frozenset[str] = frozenset()
    connection: int = 0


Policy = Callable[[IncomingEvent], Verdict]
"""Decides on an event before its signature is checked; quick, and on the loop."""
AsyncPolicy = Callable[[IncomingEvent], Awaitable[Verdict]]
"""Decides on an event whose signature is right; may ask others."""
QueryPolicy = Callable[[IncomingQuery], Verdict]
"""Decides on a query before the store is asked."""
Offer = IncomingEvent
Asking = IncomingQuery
Source = SourceType
"""What keepers' own policy files may call these three: the names that they had before."""
ACCEPTED: Final = Verdict(True)
Subject = TypeVar("Subject", IncomingEvent, IncomingQuery)


def refused(reason: str) -> Verdict:
    """A verdict that says no; `reason` begins with a prefix of NIP-01."""
    return Verdict(False, reason)


def all_of(policies: Iterable[Callable[[Subject], Verdict]]) -> Callable[[Subject], Verdict]:
    """The policy that refuses what any of `policies` refuses, with the first one's reason."""
    chain = tuple(policies)
    if len(chain) == 1:
        return chain[0]

    def check(subject: Subject) -> Verdict:
        for policy in chain:
            verdict = policy(subject)
            if not verdict.accepted:
                return verdict
        return ACCEPTED

    return check
