"""Comparing sets with a relay (NIP-77): the answer, and every way in which there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from nostr_client.errors import ConnectFailed, ConnectionLost, InvalidData, RelayTimeout
from nostr_client.net import reconcile
from nostr_client.net.auth_demand import AuthDemand
from nostr_client.net.pool import RelayPool
from nostr_client.net.reconcile import Differences, NotCompared, ReconcileLimits
from nostr_client.nips.nip77 import Items
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from tests.net.scripted import (
    ALICE,
    LIMIT,
    Peer,
    PlainVerifier,
    Script,
    ScriptedRelay,
    honest,
    note,
)

NOTES = Filter.of(kinds=[1])
QUICK = ReconcileLimits(first=LIMIT, answer=LIMIT, whole=2 * LIMIT)


def raw(events: Sequence[Event]) -> set[bytes]:
    return {bytes.fromhex(event.id) for event in events}


def items(events: Sequence[Event]) -> Items:
    return Items((event.created_at, bytes.fromhex(event.id)) for event in events)


async def compare(
    script: Script, mine: Sequence[Event] = (), limits: ReconcileLimits = QUICK, **options: Any
) -> tuple[Differences, ScriptedRelay]:
    async with (
        ScriptedRelay(script) as relay,
        RelayPool(verifier=PlainVerifier(), **options) as pool,
        asyncio.timeout(LIMIT),
    ):
        found = await pool.reconcile(NOTES, relay.url, items(mine), limits)
        await relay.until(lambda: relay.sent("NEG-CLOSE"))
        return found, relay


async def test_both_sides_differences_in_several_rounds() -> None:
    events = [note(f"note {n}", 1000 + n) for n in range(300)]
    found, relay = await compare(honest(events[50:], most=1000), events[:-40])
    assert found.have == raw(events[:50])
    assert found.need == raw(events[-40:])
    opening = relay.sent("NEG-OPEN")
    assert len(opening) == 1
    assert opening[0][2] == {"kinds": [1]}
    assert len(relay.sent("NEG-MSG")) >= 1


async def test_a_refusal_says_how_much_would_be_compared() -> None:
    with pytest.raises(NotCompared, match="blocked: too many") as refusal:
        await compare(honest([note("one"), note("two")], most=1))
    assert refusal.value.most == 1
    assert refusal.value.prefix == "blocked"


@pytest.mark.parametrize(
    ("prefix", "words", "most", "large"),
    [
        ("blocked", "this query is too big", None, True),
        ("", "too many records", None, True),
        ("blocked", "no", 500, True),
        ("rate-limited", "too many comparisons are going on", None, False),
        ("blocked", "you are not welcome", None, False),
    ],
)
def test_only_a_set_that_is_too_large_is_cut(
    prefix: str, words: str, most: int | None, large: bool
) -> None:
    assert NotCompared("ws://r", prefix, words, most).too_large is large


async def test_a_relay_that_does_not_know_it_says_so_in_a_notice() -> None:
    with pytest.raises(NotCompared, match="unknown message NEG-OPEN"):
        await compare(honest())


@pytest.mark.parametrize("answer", [("NEG-ERR", "{}", "PROTOCOL-ERROR"), ("CLOSED", "{}", "no")])
async def test_a_relay_that_ends_it(answer: tuple[str, ...]) -> None:
    async def script(peer: Peer) -> None:
        opening = await peer.next("NEG-OPEN")
        await peer.send("NOTICE", "have a nice day")
        await peer.send(*(part.replace("{}", opening[1]) for part in answer))
        await peer.hang()

    with pytest.raises(NotCompared, match=answer[2]) as refusal:
        await compare(script)
    assert refusal.value.most is None


async def test_a_relay_that_says_nothing_or_something_else() -> None:
    async def script(peer: Peer) -> None:
        question = await peer.next("REQ")
        await peer.send("EOSE", question[1])
        await peer.next("NEG-OPEN")
        await peer.send("WHAT-IS-THIS", 1)
        await peer.hang()

    async with (
        ScriptedRelay(script) as relay,
        RelayPool(verifier=PlainVerifier()) as pool,
        pool.subscribe([NOTES], [relay.url]),
    ):
        await relay.until(lambda: relay.sent("REQ"))  # so that connecting takes none of the time
        with pytest.raises(RelayTimeout, match="no answer to a comparison"):
            await pool.reconcile(NOTES, relay.url, items([]), ReconcileLimits(first=0.05))


async def test_a_connection_that_is_lost_or_cannot_be_made() -> None:
    async def script(peer: Peer) -> None:
        await peer.next("NEG-OPEN")
        await peer.socket.close()

    with pytest.raises(ConnectionLost):
        await compare(script)
    async with RelayPool(verifier=PlainVerifier()) as pool:
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                await pool.reconcile(NOTES, "ws://127.0.0.1:1", items([]), QUICK)


@pytest.mark.parametrize("payload", ["60", "00", "610000ff", "61" + "0000" + "02" + "7f"])
async def test_what_is_no_answer_is_an_error(payload: str) -> None:
    async def script(peer: Peer) -> None:
        opening = await peer.next("NEG-OPEN")
        await peer.send("NEG-MSG", opening[1], payload)
        await peer.hang()

    with pytest.raises(InvalidData, match="negentropy"):
        await compare(script)


async def test_a_relay_that_comes_to_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(peer: Peer) -> None:
        while True:
            frame = await peer.listen()
            if frame[0] != "NEG-CLOSE":
                await peer.send("NEG-MSG", frame[1], "61000001" + "ab" * 16)

    monkeypatch.setattr(reconcile, "ROUNDS", 20)
    with pytest.raises(InvalidData, match="comes to no end"):
        await compare(script)


async def test_more_differences_than_may_be() -> None:
    events = [note(f"note {n}", at=n) for n in range(1000)]
    even = [event for event in events if event.created_at % 2]
    limits = ReconcileLimits(differences=100, frame=4096)
    found, _ = await compare(honest(events, most=1000), even, limits=limits)
    assert not found.complete
    assert 100 <= len(found.need) < 500
    assert found.need < raw(events)
    assert not found.have


async def test_it_is_repeated_after_authentication() -> None:
    event = note("hello")

    async def script(peer: Peer) -> None:
        opening = await peer.next("NEG-OPEN")
        await peer.send("AUTH", "who are you")
        await peer.send("NEG-ERR", opening[1], "auth-required: say who you are")
        answer = await peer.next("AUTH")
        await peer.send("OK", answer[1]["id"], True, "")
        opening = await peer.next("NEG-OPEN")
        await peer.send("NEG-MSG", opening[1], "61")
        await peer.hang()

    async def authenticate(demand: AuthDemand) -> Event:
        return demand.draft.sign(ALICE, 1)

    found, _ = await compare(script, [event], authenticate=authenticate)
    assert found == Differences(set(), set())
