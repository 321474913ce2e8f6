"""Who may write, and who may read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from nostr_client.protocol.kinds import GIFT_WRAPS
from relays.config.sections import Who
from relays.policies.verdict import (
    ACCEPTED,
    IncomingEvent,
    IncomingQuery,
    Policy,
    QueryPolicy,
    Verdict,
    refused,
)

Allowed = Callable[[str], bool]
"""Of a public key in hex."""

_GROUP: Final = {
    "anyone": "those who authenticate",
    "trusted": "people in this relay's web of trust",
    "members": "members of this relay",
    "listed": "those whom this relay's keeper has named",
    "nobody": "this relay's keeper",
}


def in_any(*groups: Allowed | Collection[str]) -> Allowed:
    """Is a key in one of the groups? Those that name their keys are asked first."""
    named = frozenset(key for group in groups if not callable(group) for key in group)
    asked = tuple(group for group in groups if callable(group))

    def allowed(pubkey: str) -> bool:
        return pubkey in named or any(group(pubkey) for group in asked)

    return allowed


def writers(
    who: Who, allowed: Allowed, *, authenticated: bool = False, always: Collection[int] = ()
) -> Policy:
    """Only those who are `allowed` may write, `always` excepted: kinds that anybody may.

    Their authorship is enough, unless they must be `authenticated`: then they may bring others'
    events too. The authors of gift wraps are nobody, and say nothing.
    """
    words = f"only {_GROUP.get(who, who)} may write here"
    free = frozenset(always)

    def check(incoming: IncomingEvent) -> Verdict:
        event = incoming.event
        if event.kind in free:
            return ACCEPTED
        if authenticated or event.kind in GIFT_WRAPS:
            for key in incoming.keys:
                if allowed(key):
                    return ACCEPTED
            if not incoming.keys:
                return refused(f"auth-required: {words}")
            return refused(f"restricted: {words}")
        if allowed(event.pubkey):
            return ACCEPTED
        return refused(f"restricted: {words}")

    return check


def known_senders(incoming: IncomingEvent) -> Verdict:
    """Whoever brings a gift wrap has authenticated (NIP-17): who wrote it, it does not say."""
    if incoming.event.kind in GIFT_WRAPS and not incoming.keys:
        return refused("auth-required: who brings private messages authenticates, against spam")
    return ACCEPTED


def closed(always: Collection[int] = ()) -> Policy:
    """Nobody may write, but for the kinds `always`."""
    free = frozenset(always)

    def check(incoming: IncomingEvent) -> Verdict:
        if incoming.event.kind in free:
            return ACCEPTED
        return refused("blocked: this relay takes no events from its clients")

    return check


def readers(who: Who, allowed: Allowed) -> QueryPolicy:
    """Only those who have authenticated as somebody `allowed` may ask."""
    words = f"only {_GROUP.get(who, who)} may read here"

    def check(query: IncomingQuery) -> Verdict:
        for key in query.keys:
            if allowed(key):
                return ACCEPTED
        if not query.keys:
            return refused(f"auth-required: {words}")
        return refused(f"restricted: {words}")

    return check


def no_scans(query: IncomingQuery) -> Verdict:
    """A query must name ids, authors, kinds or tags: to copy a whole relay is no query."""
    for one in query.filters:
        if one.ids is None and one.authors is None and one.kinds is None and not one.tags:
            return refused("blocked: ask for ids, authors, kinds or tags")
    return ACCEPTED
