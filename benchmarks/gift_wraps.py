"""How fast an inbox of gift wraps opens: `python -m benchmarks.gift_wraps [--wraps N] [--runs N]`.

Rates of one run, so that the machine's mood falls out of the ratios:

- bare: for each wrap two ECDH, two ChaCha20 and the seal's signature check, called directly;
- opened: `unwrap_many` through a local signer, as messages open them, in batches;
- nostr-sdk: its own unwrapping of the same wraps (Rust), where it is installed.

Meanwhile a ticker on the loop measures how late it is called: what a key that is pressed waits for.
The time of a MAC check is printed too, by where the MAC differs: it must not depend on that.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Sequence

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from benchmarks.private_messages import SENDERS, make_wraps
from nostr_client.errors import DecryptionFailed
from nostr_client.nips import nip44
from nostr_client.protocol import keys
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import PublicKey, SecretKey
from nostr_client.signing.gift_wraps import Opened, unwrap_many
from nostr_client.signing.local_signer import LocalSigner

BATCH = 512
"""Wraps opened in one go, as messages do."""
TICK = 0.005


def bare(inbox: Sequence[tuple[Event, Event]], me: SecretKey) -> float:
    """Seconds for what no unwrapping can do without."""
    work = [
        (
            PublicKey(wrap.pubkey),
            b64decode(wrap.content),
            PublicKey(seal.pubkey),
            b64decode(seal.content),
            bytes.fromhex(seal.id + seal.pubkey + seal.sig),
        )
        for wrap, seal in inbox
    ]
    started = time.perf_counter()
    for once, outer, sender, inner, record in work:
        for peer, data in ((once, outer), (sender, inner)):
            shared = keys.ecdh(me, peer)
            Cipher(ChaCha20(shared, data[1:17]), None).encryptor().update(data[33:-32])
        assert keys.verify_batch(record) == b"\1"
    return time.perf_counter() - started


async def opened(wraps: Sequence[Event], me: SecretKey) -> float:
    """Seconds until all of them are open, by a signer that knows nobody yet."""
    signer = LocalSigner(me)
    started = time.perf_counter()
    for start in range(0, len(wraps), BATCH):
        results = await unwrap_many(signer, wraps[start : start + BATCH])
        assert all(isinstance(each, Opened) for each in results)
    return time.perf_counter() - started


def by_nostr_sdk(wraps: Sequence[Event], me: SecretKey) -> float | None:
    """Seconds that nostr-sdk takes; None without it."""
    try:
        import nostr_sdk
    except ImportError:
        return None
    person = nostr_sdk.Keys.parse(bytes(me).hex())
    events = [nostr_sdk.Event.from_json(wrap.json.decode()) for wrap in wraps]
    started = time.perf_counter()
    for event in events:
        nostr_sdk.UnwrappedGift.from_gift_wrap(person, event).rumor()
    return time.perf_counter() - started


async def with_ticker(work: Callable[[], Awaitable[float]]) -> tuple[float, float]:
    """What `work` says, and the 99th percentile of how late the loop was meanwhile, in seconds."""
    late: list[float] = []

    async def ticker() -> None:
        while True:
            due = time.perf_counter() + TICK
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - due)

    ticking = asyncio.create_task(ticker())
    try:
        seconds = await work()
    finally:
        ticking.cancel()
    return seconds, statistics.quantiles(late, n=100)[98] if len(late) > 1 else 0.0


def mac_times(rounds: int = 2_000) -> tuple[float, float]:
    """Median microseconds to refuse a payload whose MAC differs in its first and its last byte."""
    key = secrets.token_bytes(32)
    data = bytearray(b64decode(nip44.encrypt("attack at dawn", key)))
    medians = []
    for at in (-32, -1):
        other = bytearray(data)
        other[at] ^= 1
        payload, times = b64encode(other).decode(), []
        for _ in range(rounds):
            started = time.perf_counter()
            try:
                nip44.decrypt(payload, key)
            except DecryptionFailed:
                times.append(time.perf_counter() - started)
        medians.append(statistics.median(times) * 1e6)
    return medians[0], medians[1]


async def main(count: int, runs: int) -> None:
    """Print the figures: medians of as many runs."""
    me = SecretKey.generate()
    wraps = make_wraps(me, count, int(time.time()))
    held = await unwrap_many(LocalSigner(me), wraps)
    inbox = [
        (wrap, each.seal)
        for wrap, each in zip(wraps, held, strict=True)
        if isinstance(each, Opened)
    ]
    assert len(inbox) == count
    ours, floors, theirs, lates = [], [], [], []
    for _ in range(runs):
        floors.append(bare(inbox, me))
        seconds, late = await with_ticker(lambda: opened(wraps, me))
        ours.append(seconds)
        lates.append(late)
        if (other := by_nostr_sdk(wraps, me)) is not None:
            theirs.append(other)
    mine, floor = statistics.median(ours), statistics.median(floors)
    print(f"{count:,} gift wraps from {SENDERS} senders, median of {runs} runs")
    print(f"  bare           {floor:7.2f} s  {count / floor:8,.0f} wraps/s")
    print(f"  opened         {mine:7.2f} s  {count / mine:8,.0f} wraps/s")
    if theirs:
        other = statistics.median(theirs)
        print(f"  nostr-sdk      {other:7.2f} s  {count / other:8,.0f} wraps/s")
        print(f"  opened, of nostr-sdk {other / mine:.2f}   (goal: 1.5)")
    print(f"  opened, of bare      {floor / mine:.2f}   (goal: 0.5)")
    print(f"  the loop meanwhile: p99 {max(lates) * 1000:.0f} ms late   (goal: 100)")
    first, last = mac_times()
    print(f"  a MAC that differs in its first byte {first:.1f} µs, in its last {last:.1f} µs")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gift_wraps", description=__doc__)
    parser.add_argument("--wraps", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    asyncio.run(main(options.wraps, options.runs))
