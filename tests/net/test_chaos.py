"""A relay that misbehaves at random, and comes to its senses in the end: nothing true is missing,
nothing false got through."""

from __future__ import annotations

import asyncio
import random

import pytest

from nostr_client.net import backoff, incoming, subscription
from nostr_client.net.pool import RelayPool
from nostr_client.net.session import subscriptions
from nostr_client.net.session.paging import Paging
from nostr_client.net.subscription import Arrival
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.refusals import Waits
from tests.net.scripted import Peer, PlainVerifier, Script, ScriptedRelay, forged, honest, note

NOTES = Filter.of(kinds=[1])
TURNS = 8
"""Connections that go wrong before one goes well."""
EVENTS = [note(f"note {number}", 1_700_000_000 + number // 3) for number in range(150)]
LIES = [forged(event) for event in EVENTS[::7]]


def moody(rng: random.Random) -> Script:
    turns = 0
    good = honest(EVENTS, cap=40)

    async def babble(peer: Peer, wire: str) -> None:
        match rng.randrange(7):
            case 0:
                await peer.raw(rng.randbytes(30).hex().encode())
            case 1:
                await peer.event(wire, rng.choice(LIES))
            case 2:
                await peer.event("never asked", rng.choice(EVENTS))
            case 3:
                await peer.send("NOTICE", "hm")
            case 4:
                await peer.send("EOSE", rng.choice([wire, "other"]))
            case _:
                await peer.event(wire, rng.choice(EVENTS))

    async def script(peer: Peer) -> None:
        nonlocal turns
        turns += 1
        if turns > TURNS:
            await good(peer)
        wire = (await peer.next("REQ"))[1]
        for _ in range(rng.randrange(30)):
            await babble(peer, wire)
        match rng.randrange(4):
            case 0:
                peer.socket.transport.abort()
            case 1:
                await peer.socket.close(1011, "oops")
            case 2:
                await peer.send("CLOSED", wire, "error: not now")
                await peer.next("REQ")
                peer.socket.transport.abort()
            case _:
                await peer.socket.close()

    return script


async def survive(seed: int) -> None:
    rng = random.Random(seed)
    got: dict[str, Event] = {}
    true = {event.id: event for event in EVENTS}
    async with (
        asyncio.timeout(60),
        ScriptedRelay(moody(rng)) as relay,
        ScriptedRelay(honest(EVENTS[:20])) as other,
        RelayPool(verifier=PlainVerifier()) as pool,
    ):
        paging = Paging(exhaustive=True)
        urls = [relay.url, other.url]
        async with pool.subscribe([NOTES], urls, paging=paging) as sub:
            async for item in sub:
                if isinstance(item, Arrival) and item.url == relay.url:
                    assert item.event == true[item.event.id]
                    assert item.event.sig == true[item.event.id].sig
                    assert item.event.id not in got
                    got[item.event.id] = item.event
                if len(got) == len(true):
                    break
        # All arrived; a lie may still be unread where the relay was honest enough before.
        assert pool.health(relay.url).delivered >= len(true)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.001)
    monkeypatch.setattr(backoff, "LONGEST", 0.01)
    monkeypatch.setattr(subscriptions, "RESUBSCRIBE", Waits(0.001, 600.0))
    monkeypatch.setattr(subscription, "MAX_ITEMS", 10)
    monkeypatch.setattr(incoming, "PIPELINE", 2)


@pytest.mark.parametrize("seed", range(6))
async def test_chaos(seed: int) -> None:
    await survive(seed)


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_long_chaos() -> None:
    for seed in range(1000, 1100):
        await survive(seed)
