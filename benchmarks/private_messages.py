"""Private messages as a client has them: an inbox opened, opened again, and opened through a signer
that is far away; and how long one message takes.

    python -m benchmarks.private_messages [WRAPS]

- opened: gift wraps from 500 senders, in the store already, to conversations that can be read;
- again: the same by the next program, from what rests encrypted;
- bunker: the same through a signer with 50 ms round trip and 16 requests in flight, against the
  least that it can take; and when the newest conversation could be read;
- one message: from send to stored here, and to shown by the other, over a relay on loopback.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import SignerError
from nostr_client.nips import nip44, nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText, Signer
from nostr_client.social.messages.views import ChangeKind

WRAPS = 10_000
SENDERS = 500
FAR = 1_000
"""Wraps opened through the signer that is far away."""
ROUND_TRIP = 0.05
IN_FLIGHT = 16
MESSAGES = 100
CONFIG = ClientConfig(allow_private_relays=("127.0.0.1",), own_relay=False)


class FarSigner(LocalSigner):
    """One whose answers take a round trip, so many at once."""

    def __init__(self, key: SecretKey) -> None:
        super().__init__(key)
        self._gate = asyncio.Semaphore(IN_FLIGHT)

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        async def one(payload: PeerText) -> str | SignerError:
            async with self._gate:
                await asyncio.sleep(ROUND_TRIP)
                return (await super(FarSigner, self).decrypt_many([payload]))[0]

        return list(await asyncio.gather(*map(one, payloads)))


def make_wraps(recipient: SecretKey, count: int, now: int) -> list[Event]:
    """Messages of some 200 characters from `SENDERS` people, one a minute."""
    me = recipient.public_key.hex
    people = [SecretKey.generate() for _ in range(min(SENDERS, count))]
    shared = [nip44.conversation_key(key, me) for key in people]
    wraps = []
    for n in range(count):
        key = people[n % len(people)]
        draft = Draft(kinds.CHAT_MESSAGE, f"message {n} " + "as people write " * 12, (("p", me),))
        rumor = Rumor.of(draft, key.public_key.hex, now - 60 * n)
        payload = nip44.encrypt(rumor.json, shared[n % len(people)])
        seal = nip59.seal_draft(payload, now).sign(key, now)
        wraps.append(nip59.wrap(seal, me, now - 60 * n))
    return wraps


@asynccontextmanager
async def opened(
    folder: Path, signer: Signer, relays: Sequence[str] = ()
) -> AsyncIterator[NostrClient]:
    paths = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(
        signer, paths=paths, config=CONFIG, relays=relays, key_only_here=True
    ) as client:
        yield client


async def read_all(client: NostrClient, count: int) -> tuple[float, float]:
    """Seconds until the newest conversation could be read, and until all could."""
    began = time.perf_counter()
    first = 0.0
    with client.messages.watch() as changes:
        client.messages.start()
        async for change in changes:
            if not first and change.kind is ChangeKind.MESSAGE:
                first = time.perf_counter() - began
            if client.messages.status.opened >= count:
                break
    await client.messages.conversations()
    await client.messages.requests()
    return first, time.perf_counter() - began


async def inbox(folder: Path, count: int) -> None:
    key = SecretKey.generate()
    wraps = make_wraps(key, count, int(time.time()))
    async with opened(folder / "near", LocalSigner(key)) as client:
        await client.store.save(wraps)
        _, took = await read_all(client, count)
        print(f"opened {count} wraps and kept them: {took:.2f} s, {count / took:.0f} a second")
    async with opened(folder / "near", LocalSigner(key)) as client:
        began = time.perf_counter()
        rooms = [*await client.messages.conversations(), *await client.messages.requests()]
        took = time.perf_counter() - began
        print(f"the same again, {len(rooms)} conversations: {took:.3f} s (goal: 0.3)")
    far = min(FAR, count)
    async with opened(folder / "far", FarSigner(key)) as client:
        await client.store.save(wraps[:far])
        first, took = await read_all(client, far)
        least = far * 2 * ROUND_TRIP / IN_FLIGHT
        print(
            f"{far} through a bunker: {took:.2f} s, {took / least:.2f} of the least (goal: 1.3);"
            f" the newest conversation after {first:.2f} s (goal: 5)"
        )


async def one_message(folder: Path) -> None:
    ana, ben = SecretKey.generate(), SecretKey.generate()
    relay = await RelayProcess.start(folder / "relay")
    try:
        lists = [
            Draft(kinds.DM_RELAYS, "", (("relay", relay.url),)).sign(key, 1) for key in (ana, ben)
        ]
        async with (
            opened(folder / "ana", LocalSigner(ana), [relay.url]) as one,
            opened(folder / "ben", LocalSigner(ben), [relay.url]) as other,
        ):
            await one.store.save(lists)
            await other.store.save(lists)
            stored, shown = [], []
            await other.messages.accept([ana.public_key.hex])
            other.messages.start()
            one.messages.start()
            with other.messages.watch() as changes:
                for n in range(MESSAGES):
                    began = time.perf_counter()
                    sent = await one.messages.send([ben.public_key.hex], f"message {n}")
                    stored.append(time.perf_counter() - began)
                    async for change in changes:
                        if change.message_id == sent.id or await other.messages.message(sent.id):
                            break
                    shown.append(time.perf_counter() - began)
    finally:
        await relay.stop()
    print(
        f"one message, p95: stored after {_p95(stored):.0f} ms (goal: 50),"
        f" shown by the other after {_p95(shown):.0f} ms (goal: 300)"
    )


def _p95(seconds: Sequence[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=20)[-1]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else WRAPS
    with tempfile.TemporaryDirectory() as name:
        asyncio.run(inbox(Path(name), count))
        asyncio.run(one_message(Path(name)))


if __name__ == "__main__":
    main()
