"""Who this relay is to its peers, if they ask (NIP-42): its own key, which NIP-11 shows to all."""

from __future__ import annotations

import time
from collections.abc import Callable

from nostr_client.net.connection import Authenticate
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.protocol.kinds import AUTH


def peer_authenticator(key: SecretKey, clock: Callable[[], float] = time.time) -> Authenticate:
    """Answers a peer's challenge, which comes only when it has refused something without."""

    async def authenticate(url: str, challenge: str) -> Event:
        now = int(clock())
        return Draft(AUTH, "", (("relay", url), ("challenge", challenge)), now).sign(key, now)

    return authenticate
