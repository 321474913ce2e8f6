"""Who this relay is to its peers, if they ask (NIP-42): its own key, which NIP-11 shows to all."""

from __future__ import annotations

import time
from collections.abc import Callable

from nostr_client.net.auth_demand import AuthDemand, Authenticate
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey


def peer_authenticator(key: SecretKey, clock: Callable[[], float] = time.time) -> Authenticate:
    """Answers a peer's challenge, which comes only when it has refused something without."""

    async def authenticate(demand: AuthDemand) -> Event:
        return demand.draft.sign(key, int(clock()))

    return authenticate
