"""The alarm: a secret key that stands in the open."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.resilience.replication import Replication
from nostr_client.signing.secret_search import leaked_by
from nostr_client.social.key_leaks import FILE, KeyLeak, KeyLeaks, leak_words
from nostr_client.store.contract import CopyState
from tests.routing.rooms import ANA, BEN, CY, LIMIT
from tests.social.house import BEN_KEY, ME, House, house

NOW = 1_700_000_000
NSEC = nip19.encode_nsec(BEN)
HEX = bytes(BEN).hex()


@pytest.mark.parametrize(
    "draft",
    [
        Draft(1, f"my key is {NSEC} and I am glad"),
        Draft(1, f"KEY={HEX.upper()};"),
        Draft(0, f'{{"about": "{NSEC}"}}'),
        Draft(1, "look", (("alt", NSEC),)),
        Draft(kinds.REPOST, f'{{"content": "{NSEC}"}}'),
        Draft(1, NSEC.upper()),
    ],
)
def test_a_key_is_seen_whoever_wrote_it(draft: Draft) -> None:
    event = draft.sign(CY, NOW)
    assert leaked_by(event, {ME, BEN_KEY}) == {BEN_KEY}
    assert leaked_by(event, {ME}) == set()


async def test_it_is_told_once_and_remembered(tmp_path: Path) -> None:
    told: list[KeyLeak] = []
    async with asyncio.timeout(LIMIT), house(tmp_path / "home") as ana:
        leaks = KeyLeaks(ana.store, ana.follows, owner=ME, folder=tmp_path, clock=lambda: NOW)
        leaks.on_leak = told.append
        async with leaks:
            await _say(ana, leaks, told, bytes(ANA).hex())
            await ana.store.save([Draft(1, f"again {nip19.encode_nsec(ANA)}").sign(CY, NOW)])
            await leaks.settled()
        async with KeyLeaks(ana.store, ana.follows, owner=ME, folder=tmp_path) as again:
            assert again.found == tuple(told)
    (leak,) = told
    assert leak.pubkey == ME
    assert "ALARM: your secret key" in leak_words(leak, ME, "")
    kept = (tmp_path / FILE).read_text()
    assert leak.event_id in kept
    assert bytes(ANA).hex() not in kept


async def test_what_is_not_understood_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not ours")
    told: list[KeyLeak] = []
    async with asyncio.timeout(LIMIT), house(tmp_path / "home") as ana:
        leaks = KeyLeaks(ana.store, ana.follows, owner=ME, folder=tmp_path)
        leaks.on_leak = told.append
        async with leaks:
            await _say(ana, leaks, told, nip19.encode_nsec(ANA))
            assert leaks.problem
    assert (tmp_path / FILE).read_text() == "not ours"


async def test_an_event_with_its_authors_key_is_not_sent_on(tmp_path: Path) -> None:
    """Another program signed it; a copy that this one wants is given up."""
    async with asyncio.timeout(LIMIT), house(tmp_path) as ana:
        event = Draft(1, f"oh no {nip19.encode_nsec(ANA)}").sign(ANA, NOW)
        await ana.store.save([event])
        url = "wss://relay.example"
        await ana.store.ledger.want(event.id, [url])
        pool = ana.courier.pool
        replication = Replication(
            ana.store, pool, ana.courier.plan, pubkeys=[ME], folder=tmp_path, clock=lambda: NOW
        )
        assert await replication._send_to_relay(await ana.store.ledger.copies(event.id)) == 1
        (copy,) = await ana.store.ledger.copies(event.id)
        assert copy.state is CopyState.REFUSED
        assert "secret key" in copy.reason


async def _say(ana: House, leaks: KeyLeaks, told: list[KeyLeak], secret: str) -> None:
    """Somebody publishes `secret` again and again until the alarm, which may begin late, tells."""
    at = NOW
    while not told:
        at += 1
        await ana.store.save([Draft(1, f"oh no {secret}", created_at=at).sign(CY, NOW)])
        await leaks.settled()
        await asyncio.sleep(0)
