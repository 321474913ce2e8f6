"""Who a connection has shown itself to be (NIP-42)."""

from __future__ import annotations

import secrets
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import AUTH
from nostr_client.protocol.messages import Challenge
from nostr_client.protocol.urls import place_of
from relays.engine.frames import text_frame
from relays.policies.ruleset import Rules

MOST_KEYS: Final = 20
"""Keys that one connection may be authenticated as."""
WINDOW: Final = 600
"""Seconds that an answer's date may be off, as NIP-42 suggests."""


class ConnectionAuth:
    """The challenge of one connection, and the keys that answered it.

    The challenge is made when it is first needed and holds until the connection ends.
    """

    __slots__ = ("_challenge", "_rules", "keys")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._challenge = ""
        self.keys: frozenset[str] = frozenset()
        """Public keys (hex) whose holders are at the other end."""

    def challenge(self) -> bytes:
        """The frame that asks the client to authenticate; empty when it was asked before."""
        if self._challenge:
            return b""
        self._challenge = secrets.token_hex(16)
        return text_frame(Challenge(self._challenge).encode())

    def answer(self, event: Event, now: float) -> str:
        """Take the client's answer; why it does not count, or nothing. `now` in seconds."""
        reason = self._fault(event, now)
        if not reason:
            self.keys |= {event.pubkey}
        return reason

    def _fault(self, event: Event, now: float) -> str:
        if event.kind != AUTH:
            return f"invalid: an event of kind {AUTH} answers a challenge"
        if not self._challenge or event.value("challenge") != self._challenge:
            return "invalid: this is not the challenge of this connection"
        if abs(now - event.created_at) > WINDOW:
            return f"invalid: created_at is more than {WINDOW} seconds off this relay's clock"
        try:
            meant = place_of(event.value("relay") or "")
        except InvalidData:
            return "invalid: the relay tag holds no relay URL"
        if meant not in self._rules.places:
            return "invalid: the relay tag names another relay"
        if event.pubkey not in self.keys and len(self.keys) >= MOST_KEYS:
            return f"rate-limited: a connection may have {MOST_KEYS} keys"
        if not event.verify():
            return "invalid: the signature is wrong"
        return ""
