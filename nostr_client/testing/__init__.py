"""For the tests of those who use the library: a real relay within a second, and no network.

    from nostr_client.testing import relay

    async def test_my_bot() -> None:
        async with relay() as r:
            async with NostrClient.open(key, relays=[r.url], clock=r.clock) as client:
                with r.faults.refuse("rate-limited: slow down", times=1):
                    ...
                r.clock.turn(3600)

In plain tests `with running_relay() as r` does the same, and `nostr_client.testing.plugin` has it
as a fixture of pytest's.
"""

from nostr_client.testing.faults import Fault, Faults
from nostr_client.testing.local_relay import LocalRelay, relay
from nostr_client.testing.plain import running_relay

__all__ = ["Fault", "Faults", "LocalRelay", "relay", "running_relay"]
