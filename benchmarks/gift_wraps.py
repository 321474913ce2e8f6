"""How fast gift wraps open: `python -m benchmarks.gift_wraps [--wraps N] [--runs N]`.

Rates of one run, so that the machine's mood falls out of the ratios:

- bare: for each wrap two ECDH, two ChaCha20 and the seal's signature check, called directly;
- opened: `unwrap_many` through a local signer, as messages open them, in batches; cold by a signer
  that knows nobody yet, warm by one that has opened the same before;
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
from functools import partial

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from benchmarks.table import Row, print_table
from nostr_client.errors import DecryptionFailed
from nostr_client.nips import nip44, nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import keys, kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import PublicKey, SecretKey
from nostr_client.signing.gift_wraps import Opened, unwrap_many
from nostr_client.signing.local_signer import LocalSigner

SENDERS = 500
BATCH = 512
"""Wraps opened in one go, as messages do."""
SAMPLE = 1_000
"""Wraps that nostr-sdk opens: it takes its time."""
TICK = 0.005


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


async def opened(wraps: Sequence[Event], signer: LocalSigner) -> float:
    """Seconds until all of them are open."""
    started = time.perf_counter()
    for start in range(0, len(wraps), BATCH):
        results = await unwrap_many(signer, wraps[start : start + BATCH])
        assert all(isinstance(each, Opened) for each in results)
    return time.perf_counter() - started


def by_nostr_sdk(wraps: Sequence[Event], me: SecretKey) -> float | None:
    """Seconds that nostr-sdk would take, after the first of them: each costs the same. None without
    it."""
    try:
        import nostr_sdk
    except ImportError:
        return None
    person = nostr_sdk.Keys.parse(bytes(me).hex())
    events = [nostr_sdk.Event.from_json(wrap.json.decode()) for wrap in wraps[:SAMPLE]]
    started = time.perf_counter()
    for event in events:
        nostr_sdk.UnwrappedGift.from_gift_wrap(person, event).rumor()
    return (time.perf_counter() - started) * len(wraps) / len(events)


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


async def measure(count: int, runs: int) -> list[Row]:
    """The figures: ratios of medians of as many runs, and the worst lateness."""
    me = SecretKey.generate()
    wraps = make_wraps(me, count, int(time.time()))
    held = await unwrap_many(LocalSigner(me), wraps)
    inbox = [
        (wrap, each.seal)
        for wrap, each in zip(wraps, held, strict=True)
        if isinstance(each, Opened)
    ]
    assert len(inbox) == count
    cold, warm, floors, theirs, lates = [], [], [], [], []
    for _ in range(runs):
        floors.append(bare(inbox, me))
        signer = LocalSigner(me)
        seconds, late = await with_ticker(partial(opened, wraps, signer))
        cold.append(seconds)
        lates.append(late)
        warm.append(await opened(wraps, signer))
        if (other := by_nostr_sdk(wraps, me)) is not None:
            theirs.append(other)
    mine, floor = statistics.median(cold), statistics.median(floors)
    sdk = statistics.median(theirs) / mine if theirs else None
    first, last = mac_times()
    label = f"{count:,} gift wraps opened by a local key"
    return [
        Row(f"{label}, cold, of the bare work", floor / mine, 0.5, least=True),
        Row(
            *("the same, of nostr-sdk", sdk, 1.5),
            least=True,
            note="" if theirs else "it is not installed",
        ),
        Row("the same, warm, of the bare work", floor / statistics.median(warm)),
        Row("the same, wraps a second, cold", count / mine, unit="/s"),
        Row("the loop meanwhile, p99 late", max(lates) * 1000, 100, "ms"),
        Row("a MAC that differs in its last byte, of its first", last / first),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gift_wraps", description=__doc__)
    parser.add_argument("--wraps", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    print_table(asyncio.run(measure(options.wraps, options.runs)))
