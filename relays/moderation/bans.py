"""What a keeper has banned and allowed: frozen, in memory, quick to ask.

`ModerationState.check` asks it first in every chain of policies, `is_hidden` of whatever is shown,
and a connection of its address before it is let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import JOIN, LEAVE, REPOSTS, VANISH
from relays.moderation.records import RuleType
from relays.networks import address_of, network_from
from relays.policies.banned_words import found_in, pattern_of

ALWAYS: Final = frozenset({VANISH, JOIN, LEAVE})
"""Kinds that no list of kinds keeps out: they speak to the relay itself."""


class BannedNetworks:
    """Networks and why each is in here; asked in as many steps as there are lengths of prefix."""

    __slots__ = ("_by_length",)

    def __init__(self, reasons: Mapping[str, str]) -> None:
        self._by_length: dict[tuple[int, int], dict[int, str]] = {}
        for text, reason in reasons.items():
            found = network_from(text)
            bits = found.max_prefixlen - found.prefixlen
            held = self._by_length.setdefault((found.version, bits), {})
            held[int(found.network_address) >> bits] = reason

    def __bool__(self) -> bool:
        return bool(self._by_length)

    def reason_for(self, address: str) -> str | None:
        """Why `address` is in here; None if it is not, or is no address."""
        ip = address_of(address)
        if ip is None:
            return None
        for (version, bits), held in self._by_length.items():
            if version == ip.version and (reason := held.get(int(ip) >> bits)) is not None:
                return reason
        return None


class Bans(msgspec.Struct, frozen=True, eq=False):
    """Every rule that holds. Mappings give the reason, which may be empty."""

    pubkeys: Mapping[str, str]
    events: Mapping[str, str]
    networks: BannedNetworks
    words: re.Pattern[str] | None
    allowed_events: frozenset[str]
    allowed_kinds: frozenset[int]
    """If there are any, no other kinds are taken."""
    disallowed_kinds: frozenset[int]

    @classmethod
    def of(cls, rules: Iterable[tuple[str, str, str]]) -> Bans:
        """From (sort, value, reason)."""
        by_sort: dict[str, dict[str, str]] = {sort: {} for sort in RuleType}
        for sort, value, reason in rules:
            by_sort[sort][value] = reason
        return cls(
            pubkeys=by_sort[RuleType.BAN_PUBKEY],
            events=by_sort[RuleType.BAN_EVENT],
            networks=BannedNetworks(by_sort[RuleType.BAN_IP]),
            words=pattern_of(by_sort[RuleType.BAN_WORD]),
            allowed_events=frozenset(by_sort[RuleType.ALLOW_EVENT]),
            allowed_kinds=frozenset(map(int, by_sort[RuleType.ALLOW_KIND])),
            disallowed_kinds=frozenset(map(int, by_sort[RuleType.DISALLOW_KIND])),
        )

    @property
    def is_empty(self) -> bool:
        """Is nothing refused?"""
        kinds = self.allowed_kinds or self.disallowed_kinds
        banned = self.pubkeys or self.events or self.networks
        return not (banned or kinds or self.words is not None)

    def covers(self, event: Event) -> bool:
        """Is it, or its author, banned?"""
        return event.pubkey in self.pubkeys or event.id in self.events

    def against(self, event: Event) -> str:
        """Why `event` is not taken, with NIP-01's prefix; empty if nothing is against it."""
        if (reason := self.pubkeys.get(event.pubkey)) is not None:
            return f"blocked: {reason or 'this key is banned here'}"
        if (reason := self.events.get(event.id)) is not None:
            return f"blocked: {reason or 'this event is banned here'}"
        if event.kind in self.disallowed_kinds or (
            self.allowed_kinds and event.kind not in self.allowed_kinds | ALWAYS
        ):
            return f"blocked: events of kind {event.kind} are not taken here"
        if event.id in self.allowed_events:
            return ""
        if event.kind in REPOSTS and event.content and self._embedded_is_banned(event):
            return "blocked: it embeds what is banned here"
        if self.words is not None and found_in(event, self.words):
            return "blocked: it has words that are banned here"
        return ""

    def _embedded_is_banned(self, event: Event) -> bool:
        inner = embedded(event)
        if inner is None:
            return False
        return self.covers(inner) or (self.words is not None and found_in(inner, self.words))


def embedded(event: Event) -> Event | None:
    """The event that a repost (NIP-18) carries in its content; its signature is not checked."""
    try:
        return Event.parse(event.content)
    except (InvalidEvent, UnicodeEncodeError):
        return None
