"""NIP-42 through the pool: asked for, once, and only then."""

from __future__ import annotations

import asyncio
import json

import pytest

from nostr_client.errors import SigningRefused
from nostr_client.net import connection
from nostr_client.net.auth_demand import AuthDemand
from nostr_client.net.outcome import Cause, How
from nostr_client.net.pool import RelayPool
from nostr_client.net.subscription import Arrival, Ended, EndOfStored
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.signing.local_signer import LocalSigner
from tests.net.scripted import BOB, Peer, PlainVerifier, ScriptedRelay, note

NOTES = Filter.of(kinds=[1])
HELD = note("for members")


async def walled(peer: Peer) -> None:
    """Lets nobody in who has not answered the challenge."""
    member = False
    await peer.send("AUTH", "c-1")
    while True:
        frame = await peer.listen()
        if frame[0] == "AUTH":
            event = Event.parse(json.dumps(frame[1]))
            member = event.verify() and event.kind == 22242 and event.value("challenge") == "c-1"
            await peer.send("OK", event.id, member, "" if member else "restricted: not you")
        elif frame[0] == "REQ" and member:
            await peer.event(frame[1], HELD)
            await peer.send("EOSE", frame[1])
        elif frame[0] == "REQ":
            await peer.send("CLOSED", frame[1], "auth-required: members only")
        elif frame[0] == "EVENT":
            text = "" if member else "auth-required: members only"
            await peer.send("OK", frame[1]["id"], member, text)


async def test_who_has_nobody_to_ask_is_refused() -> None:
    async with ScriptedRelay(walled) as relay, RelayPool(verifier=PlainVerifier()) as pool:
        report = await pool.publish(note("a"), [relay.url])
        assert report.refused[0].prefix == "auth-required"
        async with pool.subscribe([NOTES], [relay.url]) as sub:
            cause = Cause(How.NOT_ALLOWED, "members only", "auth-required")
            assert await anext(sub) == Ended(relay.url, cause, final=True)
        assert pool.health(relay.url).state == "refusing"
        assert not relay.sent("AUTH")


async def test_asked_once_and_let_in() -> None:
    asked: list[AuthDemand] = []
    signer = LocalSigner(BOB)

    async def authenticate(demand: AuthDemand) -> Event:
        asked.append(demand)
        return await signer.sign(demand.draft)

    async with (
        ScriptedRelay(walled) as relay,
        RelayPool(verifier=PlainVerifier(), authenticate=authenticate) as pool,
    ):
        report, fetched = await asyncio.gather(
            pool.publish(note("a"), [relay.url]), pool.fetch([NOTES], [relay.url])
        )
        assert report.ok
        assert fetched.events == [HELD]
        async with pool.subscribe([NOTES], [relay.url]) as sub:
            assert isinstance(await anext(sub), Arrival)
            assert isinstance(await anext(sub), EndOfStored)
        assert {(demand.url, demand.challenge) for demand in asked} == {(relay.url, "c-1")}
        assert len(relay.sent("AUTH")) == 1


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("no", "not told"),
        ("refused", "not logged in: not today"),
        ("late", "not logged in: no answer of the signer within 0.1 s"),
    ],
)
async def test_an_owner_who_declines(monkeypatch: pytest.MonkeyPatch, how: str, words: str) -> None:
    monkeypatch.setattr(connection, "AUTH_LIMIT", 0.1)

    async def authenticate(demand: AuthDemand) -> str:
        if how == "refused":
            raise SigningRefused("not today")
        if how == "late":
            await asyncio.Event().wait()
        return "not told"

    async with (
        ScriptedRelay(walled) as relay,
        RelayPool(verifier=PlainVerifier(), authenticate=authenticate) as pool,
    ):
        (answer,) = (await pool.publish(note("a"), [relay.url])).refused
        assert (answer.prefix, answer.reason) == ("auth-required", "members only")
        assert answer.problem == words
        assert str(answer).endswith(f"refused (auth-required: members only; {words})")
        assert not relay.sent("AUTH")


async def test_who_is_let_in_later_reads_on_at_once() -> None:
    """The person says yes, or the signer comes back: what waits live goes on."""
    locked = "the account is locked"
    signer = LocalSigner(BOB)

    async def authenticate(demand: AuthDemand) -> Event | str:
        return await signer.sign(demand.draft) if allowed else locked

    allowed = False
    async with (
        ScriptedRelay(walled) as relay,
        RelayPool(verifier=PlainVerifier(), authenticate=authenticate) as pool,
        pool.subscribe([NOTES], [relay.url]) as sub,
    ):
        cause = Cause(How.NOT_ALLOWED, "members only", "auth-required", note=locked)
        assert await anext(sub) == Ended(relay.url, cause, final=False)
        allowed = True
        pool.ask_auth_again([relay.url])
        assert isinstance(await anext(sub), Arrival)
        assert relay.connections == 1
