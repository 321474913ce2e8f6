"""What holds for every event, whoever keeps the relay."""

from __future__ import annotations

from typing import Final

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import AUTH, REPOSTS
from relays.config.sections import Limits
from relays.policies.verdict import (
    ACCEPTED,
    IncomingEvent,
    Policy,
    SourceType,
    Verdict,
    all_of,
    refused,
)

VANISH_BYTES: Final = 16 * 1024
"""Of a request to vanish: some hundred relays, and words enough."""


def sizes(limits: Limits) -> Policy:
    """No more tags, content and bytes than the limits say."""
    most_tags, most_content, most_bytes = (
        limits.event_tags,
        limits.content_length,
        limits.message_bytes,
    )

    def check(incoming: IncomingEvent) -> Verdict:
        event = incoming.event
        if len(event.tags) > most_tags:
            return refused(f"invalid: an event may have {most_tags} tags here")
        if len(event.content) > most_content:
            return refused(f"invalid: content may have {most_content} characters here")
        if len(event.json) > most_bytes:
            return refused(f"invalid: an event may have {most_bytes} bytes here")
        return ACCEPTED

    return check


def dates(limits: Limits) -> Policy:
    """Not dated too far ahead, nor too far back where a keeper set that (NIP-11)."""
    ahead, behind = limits.created_at_ahead, limits.created_at_behind

    def check(incoming: IncomingEvent) -> Verdict:
        age = incoming.now - incoming.event.created_at
        if -age > ahead:
            return refused(f"invalid: created_at is more than {ahead} seconds ahead")
        if behind is not None and age > behind:
            return refused(f"invalid: created_at is more than {behind} seconds ago")
        return ACCEPTED

    return check


def not_expired(incoming: IncomingEvent) -> Verdict:
    """NIP-40."""
    for tag in incoming.event.tags:
        if tag[0] == "expiration":
            expiration = incoming.event.expiration
            if expiration is not None and expiration <= incoming.now:
                return refused("invalid: this event has expired")
            break
    return ACCEPTED


def no_authentication(incoming: IncomingEvent) -> Verdict:
    """An answer to a relay's challenge is for that relay alone and never passed on (NIP-42)."""
    if incoming.event.kind == AUTH:
        return refused("invalid: kind 22242 answers a challenge and is never published")
    return ACCEPTED


def protected(incoming: IncomingEvent) -> Verdict:
    """A protected event comes from its authenticated author only (NIP-70)."""
    event = incoming.event
    for tag in event.tags:
        if tag[0] == "-" and event.pubkey not in incoming.keys:
            if incoming.source is SourceType.IMPORT:
                continue  # a keeper's own copies of what an author had published here
            if incoming.source is not SourceType.CLIENT:
                return refused("blocked: a protected event is its author's own to publish")
            return refused("auth-required: a protected event is taken from its author only")
    if event.kind in REPOSTS:
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


_MARKS: Final = frozenset({"-", "expiration"})
_LOOKED_INTO: Final = frozenset({AUTH, *REPOSTS})


def for_imports(limits: Limits) -> Policy:
    """What holds even for what the keeper brings in: everything but dates and rates."""
    looked_into = all_of((no_authentication, protected, not_expired))
    sized = sizes(limits)
    most_tags, most_content = limits.event_tags, limits.content_length
    most_bytes = limits.message_bytes

    def check(incoming: IncomingEvent) -> Verdict:
        # One pass over what most events are; what may concern one of the policies goes to it.
        event = incoming.event
        tags = event.tags
        marked = event.kind in _LOOKED_INTO
        for tag in tags:
            if tag[0] in _MARKS:
                marked = True
        if marked:
            verdict = looked_into(incoming)
            if not verdict.accepted:
                return verdict
        if (
            len(tags) > most_tags
            or len(event.content) > most_content
            or len(event.json) > most_bytes
        ):
            return sized(incoming)
        return ACCEPTED

    return check


def for_clients(limits: Limits) -> Policy:
    """What holds for an event that a client publishes."""
    always, dated = for_imports(limits), dates(limits)
    ahead, behind = limits.created_at_ahead, limits.created_at_behind

    def check(incoming: IncomingEvent) -> Verdict:
        age = incoming.now - incoming.event.created_at
        if age < -ahead or behind is not None:
            verdict = dated(incoming)
            if not verdict.accepted:
                return verdict
        return always(incoming)

    return check


def for_requests_to_vanish(limits: Limits) -> Policy:
    """What holds for a request to vanish (NIP-62): its form, and a date that has come.

    Whoever is banned, dates or protects it, the law behind such a request may be on his side. It
    is kept for ever, and no work and no rate is asked of it, so it is small.
    """
    small = min(limits.message_bytes, VANISH_BYTES)
    narrowed = msgspec.structs.replace(limits, created_at_behind=None, message_bytes=small)
    return all_of((not_expired, sizes(narrowed), dates(narrowed)))
