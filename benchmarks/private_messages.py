"""Private messages as a client has them, as one table of goals and what was measured.

    python -m benchmarks.private_messages [--wraps N] [--far N] [--runs N]

- gift wraps: what opening them costs beside the bare work (`benchmarks.gift_wraps`);
- the inbox: gift wraps from 500 senders, in the store already, to conversations that can be read;
- again: the same by the next client, from what rests encrypted; cold with the file out of the
  system's cache, too, and warm by a client that has read it;
- a key pressed meanwhile, until its letter stands on the screen (`benchmarks.private_typing`);
- bunker: the same through `RemoteSigner`, a relay and a bunker in another process whose answers
  take 50 ms, against the least that it can take with 16 requests under way; stopped half way, and
  gone on with by the next client;
- one message: from send to stored here, and to shown by the other, over a relay on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import far_signer, gift_wraps, private_typing
from benchmarks.far_signer import FarSigner
from benchmarks.gift_wraps import bare, make_wraps
from benchmarks.table import Row, print_table
from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.signing.gift_wraps import Opened, unwrap_many
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Signer
from nostr_client.social.messages.views import ChangeKind

IN_FLIGHT = 16
MESSAGES = 100
CONFIG = ClientConfig(allow_private_relays=("127.0.0.1",), own_relay=False)


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
    """Seconds until the newest conversation could be read, and until `count` messages could."""
    began = time.perf_counter()
    first = 0.0
    with client.messages.watch() as changes:
        client.messages.start()
        async for change in changes:
            if not first and change.kind is ChangeKind.MESSAGE:
                first = time.perf_counter() - began
            if client.messages.status.opened >= count:
                break
    await rooms(client)
    return first, time.perf_counter() - began


async def rooms(client: NostrClient) -> float:
    """Seconds until all conversations are there."""
    began = time.perf_counter()
    found = [*await client.messages.conversations(), *await client.messages.requests()]
    assert found
    return time.perf_counter() - began


async def bare_work(wraps: Sequence[Event], key: SecretKey) -> float:
    """Seconds for what opening them costs at the least."""
    held = await unwrap_many(LocalSigner(key), wraps)
    return bare(
        [(w, each.seal) for w, each in zip(wraps, held, strict=True) if isinstance(each, Opened)],
        key,
    )


async def near(folder: Path, wraps: Sequence[Event], key: SecretKey) -> list[Row]:
    count = len(wraps)
    async with opened(folder, LocalSigner(key)) as client:
        await client.store.save(wraps)
        floor = await bare_work(wraps, key)
        _, took = await read_all(client, count)
    forget_cached(folder)
    async with opened(folder, LocalSigner(key)) as client:
        cold = await rooms(client)
    async with opened(folder, LocalSigner(key)) as client:
        again = await rooms(client)
        warm = await rooms(client)
    return [
        Row(
            f"an inbox of {count:,} opened and kept, cold, of the bare work",
            *(floor / took, 0.5),
            least=True,
            note=f"{took:.2f} s",
        ),
        Row("the same again by the next client, its file out of the cache", cold, 0.3, "s"),
        Row("the same again by the next client, its file in the cache", again, 0.3, "s"),
        Row("the same again by the same client, warm", warm, unit="s"),
    ]


def forget_cached(folder: Path) -> None:
    """The system keeps nothing of these files in memory, where it can be told to."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def far(folder: Path, wraps: Sequence[Event], key: SecretKey) -> list[Row]:
    count, half = len(wraps), len(wraps) // 2
    relay = await RelayProcess.start(folder / "relay")
    try:
        bunker = await FarSigner.start(key, relay.url)
        pairing = await pair(bunker.uri)
        async with RemoteSigner(pairing) as signer, opened(folder / "me", signer) as client:
            await client.store.save(wraps)
            first, one = await read_all(client, half)
        async with RemoteSigner(pairing) as signer, opened(folder / "me", signer) as client:
            _, other = await read_all(client, count)
        asked = await bunker.stop()
    finally:
        await relay.stop()
    least = count * 2 * far_signer.DELAY / IN_FLIGHT
    return [
        Row(
            f"{count:,} through a bunker, 50 ms away, of the least",
            *((one + other) / least, 1.3),
            note=f"{one + other:.1f} s, a stop and a start within",
        ),
        Row("the newest conversation readable", first, 5, "s"),
        Row("requests under way at once, the most", asked.at_once, IN_FLIGHT, "", least=True),
        Row("payloads asked for twice, stopped half way", asked.again, 0, "times"),
    ]


async def one_message(folder: Path) -> list[Row]:
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
    return [
        Row("one message, from send to stored here, cold", 1000 * stored[0], unit="ms"),
        Row("the same, p95 of the next", _p95(stored[1:]), 50, "ms"),
        Row("one message, from send to shown by the other, cold", 1000 * shown[0], unit="ms"),
        Row("the same, p95 of the next", _p95(shown[1:]), 300, "ms"),
    ]


def _p95(seconds: Sequence[float]) -> float:
    return 1000 * statistics.quantiles(seconds, n=20)[-1]


async def measure(folder: Path, count: int, far_count: int, runs: int) -> list[Row]:
    rows = await gift_wraps.measure(count, runs)
    key = SecretKey.generate()
    wraps = make_wraps(key, max(count, far_count), int(time.time()))
    rows += await near(folder / "near", wraps[:count], key)
    rows += await private_typing.measure(folder / "typing", wraps[:count], key)
    rows += await far(folder / "far", wraps[:far_count], key)
    return rows + await one_message(folder / "message")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.private_messages")
    parser.add_argument("--wraps", type=int, default=10_000, help="opened by a key that is here")
    parser.add_argument("--far", type=int, default=2_000, help="opened through a bunker")
    parser.add_argument("--runs", type=int, default=3, help="of what is compared with bare work")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print_table(asyncio.run(measure(Path(name), given.wraps, given.far, given.runs)))


if __name__ == "__main__":
    main()
