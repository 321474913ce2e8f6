"""Who may write, and who may read."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from nostr_client.protocol.kinds import EPHEMERAL_GIFT_WRAP, GIFT_WRAP
from relays.config.sections import Who
from relays.policies.verdict import (
    ACCEPTED,
    Asking,
    Offer,
    Policy,
    QuestionPolicy,
    Verdict,
    refused,
)

Allowed = Callable[[str], bool]
"""Of a public key in hex."""

_THROWN_AWAY: Final = frozenset({GIFT_WRAP, EPHEMERAL_GIFT_WRAP})
"""Kinds whose authors are made for one event: they say nothing of who sent it."""
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

    def judge(offer: Offer) -> Verdict:
        event = offer.event
        if event.kind in free:
            return ACCEPTED
        if authenticated or event.kind in _THROWN_AWAY:
            for key in offer.keys:
                if allowed(key):
                    return ACCEPTED
            if not offer.keys:
                return refused(f"auth-required: {words}")
            return refused(f"restricted: {words}")
        if allowed(event.pubkey):
            return ACCEPTED
        return refused(f"restricted: {words}")

    return judge


def closed(always: Collection[int] = ()) -> Policy:
    """Nobody may write, but for the kinds `always`."""
    free = frozenset(always)

    def judge(offer: Offer) -> Verdict:
        if offer.event.kind in free:
            return ACCEPTED
        return refused("blocked: this relay takes no events from its clients")

    return judge


def readers(who: Who, allowed: Allowed) -> QuestionPolicy:
    """Only those who have authenticated as somebody `allowed` may ask."""
    words = f"only {_GROUP.get(who, who)} may read here"

    def judge(asking: Asking) -> Verdict:
        for key in asking.keys:
            if allowed(key):
                return ACCEPTED
        if not asking.keys:
            return refused(f"auth-required: {words}")
        return refused(f"restricted: {words}")

    return judge


def no_scans(asking: Asking) -> Verdict:
    """A question must name ids, authors, kinds or tags: to copy a whole relay is no question."""
    for one in asking.filters:
        if one.ids is None and one.authors is None and one.kinds is None and not one.tags:
            return refused("blocked: ask for ids, authors, kinds or tags")
    return ACCEPTED
