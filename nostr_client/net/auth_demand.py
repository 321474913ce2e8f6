"""What a relay that wants to know who asks (NIP-42) wants of whoever holds the key."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from nostr_client.net.session.pending import Purpose
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import AUTH


class AuthDemand(msgspec.Struct, frozen=True):
    """The relay at `url` refused `purpose` as auth-required: an event that was sent to it, or the
    filters that it was asked. It is to be told who asks by an answer to `challenge`."""

    url: str
    challenge: str
    purpose: Purpose

    @property
    def draft(self) -> Draft:
        """What is to be signed."""
        return Draft(AUTH, "", (("relay", self.url), ("challenge", self.challenge)))


Authenticate = Callable[[AuthDemand], Awaitable[Event | str]]
"""The signed kind 22242; or why there is none, in our words. Raises SignerError.

Called for each thing that is refused, beside all else, and given `AUTH_LIMIT`."""


def authenticator(key: SecretKey, clock: Callable[[], float]) -> Authenticate:
    """Tells every relay that asks who is there: `key`, for a pool that is this key's alone, as both
    ends of a bunker's line have one. `clock` gives seconds since 1970."""

    async def authenticate(demand: AuthDemand) -> Event:
        return demand.draft.sign(key, int(clock()))

    return authenticate
