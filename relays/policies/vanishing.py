"""Requests to vanish (NIP-62): obeyed, whatever policies say, which decide on keeping them alone.

What is remembered of one is a key and a date; so strangers may be obeyed without number, but not
without measure: one address may ask for so many in so much time.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import VANISH
from nostr_client.store.rules import vanish_reaches
from relays.config.sections import Rated
from relays.config.values import Rate
from relays.policies.rates import Loopback, RateLimiter
from relays.policies.verdict import (
    ACCEPTED,
    AsyncPolicy,
    IncomingEvent,
    Policy,
    SourceType,
    Verdict,
    refused,
)

RATE: Final = Rate(20, 60, 60)
"""Of one address: 20 a minute, 60 at once."""
KEPT_BYTES: Final = 4096
"""Of a request that is kept itself: it is kept for ever."""
OBEYED: Final = "the request is obeyed, and not kept itself"
_TOO_LARGE: Final = refused(f"invalid: a request to vanish is kept up to {KEPT_BYTES} bytes")


def rate_limiter() -> RateLimiter:
    """Counts the requests of each address."""
    return RateLimiter("requests to vanish")


def set_rate(requests: RateLimiter, loopback: Loopback) -> None:
    """Programs of this machine are not exempt here: whoever vanishes does so once."""
    requests.set(Rated(address=RATE), "shared" if loopback == "exempt" else loopback)


class VanishRequests:
    """The requests to vanish that reach the relay at `places` (`place_of` its service URLs).

    `form` is what every one must have. It is kept if `clients`, or `imports` for what the keeper
    brings in, and all of `asked` let it pass.
    """

    def __init__(
        self,
        places: Collection[str],
        form: Policy,
        rate: RateLimiter,
        *,
        clients: Sequence[Policy] = (),
        imports: Sequence[Policy] = (),
        asked: Sequence[AsyncPolicy] = (),
    ) -> None:
        self._places = frozenset(places)
        self._form = form
        self._rate = rate
        self._clients = tuple(clients)
        self._imports = tuple(imports)
        self._asked = tuple(asked)

    def applies_to(self, event: Event) -> bool:
        """Is it a request that this relay has to obey?"""
        return event.kind == VANISH and vanish_reaches(event, self._places)

    def check(self, incoming: IncomingEvent) -> Verdict:
        """May it be obeyed, once its signature is right?"""
        verdict = self._form(incoming)
        if not verdict.accepted or incoming.source is not SourceType.CLIENT:
            return verdict
        shares = self._rate.shares(incoming.address, (), incoming.connection)
        verdict = self._rate.verdict(shares, 1, incoming.now)
        if verdict.accepted:
            self._rate.pay(shares, 1, incoming.now)
        return verdict

    async def check_keeping(self, incoming: IncomingEvent) -> Verdict:
        """Is it kept as well? `AsyncPolicy`."""
        if len(incoming.event.json) > KEPT_BYTES:
            return _TOO_LARGE
        for policy in self._clients if incoming.source is SourceType.CLIENT else self._imports:
            verdict = policy(incoming)
            if not verdict.accepted:
                return verdict
        for ask in self._asked:
            verdict = await ask(incoming)
            if not verdict.accepted:
                return verdict
        return ACCEPTED
