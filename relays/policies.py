"""What the relay takes and what it answers: plain callables, each with one reason to say no.

A policy is called with an `Offer` and returns a `Verdict`; the first refusal counts. A reason is
NIP-01's prefix, a colon and words for people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.kinds import AUTH, GENERIC_REPOST, REPOST
from relays.config import Limits


class Verdict(msgspec.Struct, frozen=True):
    """Accepted, or not and why. A reason may come with an acceptance too."""

    accepted: bool
    reason: str = ""


class Offer(msgspec.Struct, frozen=True):
    """An event that somebody wants kept, before its signature is checked.

    `now` is in seconds; `address` is the client's, empty for an import.
    """

    event: Event
    now: float
    address: str = ""


Policy = Callable[[Offer], Verdict]
ACCEPTED: Final = Verdict(True)


def refused(reason: str) -> Verdict:
    """A verdict that says no; `reason` begins with a prefix of NIP-01."""
    return Verdict(False, reason)


def all_of(policies: Iterable[Policy]) -> Policy:
    """The policy that refuses what any of `policies` refuses, with the first one's reason."""
    chain = tuple(policies)

    def judge(offer: Offer) -> Verdict:
        for policy in chain:
            verdict = policy(offer)
            if not verdict.accepted:
                return verdict
        return ACCEPTED

    return judge


# Events


def sizes(limits: Limits) -> Policy:
    """No more tags, content and bytes than the limits say."""
    most_tags, most_content, most_bytes = (
        limits.event_tags,
        limits.content_length,
        limits.message_bytes,
    )

    def judge(offer: Offer) -> Verdict:
        event = offer.event
        if len(event.tags) > most_tags:
            return refused(f"invalid: an event may have {most_tags} tags here")
        if len(event.content) > most_content:
            return refused(f"invalid: content may have {most_content} characters here")
        if len(event.json) > most_bytes:
            return refused(f"invalid: an event may have {most_bytes} bytes here")
        return ACCEPTED

    return judge


def dates(limits: Limits) -> Policy:
    """Not dated too far ahead, nor too far back where a keeper set that (NIP-11)."""
    ahead, behind = limits.created_at_ahead, limits.created_at_behind

    def judge(offer: Offer) -> Verdict:
        age = offer.now - offer.event.created_at
        if -age > ahead:
            return refused(f"invalid: created_at is more than {ahead} seconds ahead")
        if behind is not None and age > behind:
            return refused(f"invalid: created_at is more than {behind} seconds ago")
        return ACCEPTED

    return judge


def not_expired(offer: Offer) -> Verdict:
    """NIP-40."""
    for tag in offer.event.tags:
        if tag[0] == "expiration":
            expiration = offer.event.expiration
            if expiration is not None and expiration <= offer.now:
                return refused("invalid: this event has expired")
            break
    return ACCEPTED


def no_authentication(offer: Offer) -> Verdict:
    """An answer to a relay's challenge is for that relay alone and never passed on (NIP-42)."""
    if offer.event.kind == AUTH:
        return refused("invalid: kind 22242 answers a challenge and is never published")
    return ACCEPTED


def no_protected(offer: Offer) -> Verdict:
    """What only its author may publish cannot be taken while nobody is authenticated (NIP-70)."""
    event = offer.event
    for tag in event.tags:
        if tag[0] == "-":
            return refused("blocked: this relay does not take protected events")
    if event.kind in (REPOST, GENERIC_REPOST):
        return _judge_embedded(event.content)
    return ACCEPTED


def _judge_embedded(content: str) -> Verdict:
    # However lax a reader is, without this string he finds no protected event in it.
    if '"-"' not in content and "\\u00" not in content:
        return ACCEPTED
    try:
        embedded = Event.parse(content)
    except (InvalidEvent, UnicodeEncodeError):
        # Readers that are less strict may still find one: after a doubled key, or before junk.
        return refused("blocked: a repost must carry nothing but one event, which must be whole")
    if embedded.is_protected:
        return refused("blocked: a repost must not carry a protected event")
    return ACCEPTED


def for_imports(limits: Limits) -> Policy:
    """What holds even for what the keeper brings in: everything but dates and rates."""
    return all_of((no_authentication, no_protected, not_expired, sizes(limits)))


def for_clients(limits: Limits) -> Policy:
    """What holds for an event that a client publishes."""
    return all_of((for_imports(limits), dates(limits)))


# Queries


def filter_values(filters: Iterable[Filter]) -> int:
    """What `filters` cost: one each, and one for every value in their lists."""
    total = 0
    for one in filters:
        total += 1
        for values in (one.ids, one.authors, one.kinds, *one.tags.values()):
            if values is not None:
                total += len(values)
    return total


def judge_filters(filters: Sequence[Filter], limits: Limits) -> Verdict:
    """May a REQ or a COUNT ask this? A `limit` too large is no reason to refuse: it is clamped."""
    if len(filters) > limits.filters:
        return refused(f"invalid: {limits.filters} filters may be asked at once")
    for one in filters:
        if one.unknown:
            return refused(f"unsupported: unknown element of a filter: {one.unknown[0][:64]}")
        if one.search is not None:
            return refused("unsupported: this relay has no search")
        if filter_values((one,)) > limits.filter_values + 1:
            return refused(f"invalid: a filter may have {limits.filter_values} values")
    return ACCEPTED
