"""A hundred requests over a relay that wants to know who is there, stands still, and is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from nostr_client.accounts.bunker_link import authenticator
from nostr_client.accounts.bunker_pairing import BunkerPairing
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gated import gated
from nostr_client.tasks import OwnedTasks
from tests.accounts.bunkers import ACCOUNT, BUNKER, FakeBunker
from tests.conftest import StartRelay
from tests.net.scripted import PlainVerifier
from tests.waiting import until


class SocketBunker(FakeBunker):
    """A bunker that is a client of a real relay."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def run(self) -> None:
        ours = Filter.of(kinds=[kinds.NOSTR_CONNECT], p=[self.key.public_key.hex])
        async with (
            OwnedTasks() as self._tasks,
            RelayPool(
                verifier=PlainVerifier(),
                authenticate=authenticator(self.key, time.time),
            ) as self._pool,
            self._pool.subscribe([ours], [self._url]) as sub,
        ):
            async for item in sub:
                if isinstance(item, Arrival):
                    await self.hear(item.event)
                else:
                    self._pool.retry_now()

    async def send(self, event: Event) -> None:
        self._tasks.start(self._publish(event))

    async def _publish(self, event: Event) -> None:
        await self._pool.publish(event, [self._url])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGSTOP there")
async def test_a_hundred_requests_over_a_relay_that_goes_and_comes_back(
    start_relay: StartRelay, tmp_path: Path
) -> None:
    config = tmp_path / "relay.toml"
    config.write_text("[access]\nauthenticated = true\n")
    relay = await start_relay("--config", str(config))
    bunker = SocketBunker(relay.url)
    key = SecretKey.generate()
    pairing = BunkerPairing(key, BUNKER.public_key.hex, (relay.url,), ACCOUNT.public_key.hex)
    async with OwnedTasks() as tasks, RemoteSigner(pairing) as remote:
        tasks.start(bunker.run())
        drafts = [Draft(1, f"note {number}", created_at=number) for number in range(100)]
        asking = asyncio.ensure_future(gated(remote).sign_many(drafts))
        await until(lambda: len(bunker.signed) >= 10)
        os.kill(relay.pid, signal.SIGSTOP)
        await asyncio.sleep(1)
        os.kill(relay.pid, signal.SIGCONT)
        for reached in (30, 60):
            await until(lambda reached=reached: len(bunker.signed) >= reached)
            await relay.kill()
            port = urlsplit(relay.url).port or 0
            relay = await start_relay("--config", str(config), data=relay.data, port=port)
        signed = await asking
        events = [event for event in signed if isinstance(event, Event)]
        assert [event.content for event in events] == [draft.content for draft in drafts], signed
        assert len(bunker.signed) == len({event.id for event in bunker.signed}) == 100
