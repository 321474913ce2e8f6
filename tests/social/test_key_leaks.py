"""The alarm: a secret key that stands in the open."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from nostr_client.errors import SecretFound
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.replication import Replication
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import SoughtKeys, trace_of
from nostr_client.social.key_leaks import FILE, SCAN_FILE, KeyLeak, KeyLeaks, leak_words
from nostr_client.store.contract import CopyState
from tests.routing.rooms import ANA, BEN, CY, LIMIT
from tests.sending import sent, without_reserve
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
        Draft(1, "\u200b".join(NSEC)),
        Draft(1, "".join(chr(ord(c) + 0xFEE0) for c in NSEC)),
        Draft(1, f"{NSEC[:20]}\n> {NSEC[20:]}"),
        Draft(1, ":".join(HEX[i : i + 2] for i in range(0, 64, 2))),
        Draft(1, "\n".join([*(f"{n:064x}" for n in range(1, 400)), HEX])),
        Draft(1, "look", (("alt", f"my key {HEX}"), ("p", ME))),
        Draft(kinds.REPOST, f'{{"id": "{ME}", "content": "me:\\n{HEX}", "sig": "{ME}{ME}"}}'),
        Draft(kinds.GENERIC_REPOST, f'{{"tags": [["alt", "{HEX}"]]}}'),
    ],
)
def test_a_key_is_seen_whoever_wrote_it(draft: Draft) -> None:
    event = draft.sign(CY, NOW)
    assert leaked_by(event, SoughtKeys({ME, BEN_KEY})) == {BEN_KEY}
    assert leaked_by(event, SoughtKeys({ME})) == set()
    traced = SoughtKeys({ME}, {BEN_KEY: trace_of(bytes(BEN))})
    assert leaked_by(event, traced) == {BEN_KEY}


def test_a_key_whose_trace_is_known_is_seen_where_an_id_should_be() -> None:
    traced = SoughtKeys({BEN_KEY: trace_of(bytes(BEN))})
    for tag in (
        ("e", HEX),
        ("e", ME, "", "", HEX),
        ("p", HEX, "", "ben"),
        ("a", f"30023:{HEX}:x"),
        ("x", HEX),
    ):
        event = Draft(1, "look", (("p", ME), tag)).sign(CY, NOW)
        assert leaked_by(event, traced) == {BEN_KEY}
        assert leaked_by(event, traced) == {BEN_KEY}, "though it was looked at before"


def test_what_strangers_write_costs_little() -> None:
    """Ids and public keys by the hundred, and hex digits without end."""
    people = tuple(("p", f"{n:064x}") for n in range(1, 500))
    wall = Draft(1, "".join(f"{n * 7919:064x}" for n in range(1, 1_000)))
    for draft in (Draft(kinds.FOLLOWS, "", people), wall):
        event = draft.sign(CY, NOW)
        begun = time.process_time()
        assert leaked_by(event, SoughtKeys({BEN_KEY})) == set()
        assert time.process_time() - begun < 0.5


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
            ana.store,
            pool,
            without_reserve(ana.courier),
            pubkeys=[ME],
            folder=tmp_path,
            clock=lambda: NOW,
        )
        copies = await ana.store.ledger.copies(event.id)
        assert await sent(replication._sender, copies) == copies
        (copy,) = await ana.store.ledger.copies(event.id)
        assert copy.state is CopyState.REFUSED
        assert "secret key" in copy.reason


async def test_what_was_stored_before_is_scanned_once(tmp_path: Path) -> None:
    """In any account's key of the folder, and also what came just before the end."""
    other = SecretKey(b"\x51" * 32)

    def alarm(ana: House) -> KeyLeaks:
        own = lambda: {other.public_key.hex: trace_of(bytes(other))}  # noqa: E731
        return KeyLeaks(ana.store, ana.follows, owner=ME, folder=tmp_path, own=own)

    async with asyncio.timeout(LIMIT), house(tmp_path / "home") as ana:
        await ana.store.save([Draft(1, f"note {n}", created_at=n).sign(CY, NOW) for n in range(99)])
        await ana.store.save([Draft(1, "", (("p", bytes(other).hex()),), 5).sign(CY, NOW)])
        told: list[KeyLeak] = []
        async with alarm(ana) as leaks:
            leaks.on_leak = told.append
            while (
                not (tmp_path / SCAN_FILE).exists()
                or b"true" not in (tmp_path / SCAN_FILE).read_bytes()
            ):
                await asyncio.sleep(0.01)
            (leak,) = leaks.found
            assert leak.pubkey == other.public_key.hex
            await ana.store.save([Draft(1, bytes(ANA).hex()).sign(CY, NOW)])
        assert {each.pubkey for each in leaks.found} == {other.public_key.hex, ME}


async def test_no_road_leads_out_for_the_key_of_any_account(tmp_path: Path) -> None:
    """Whoever signed it: published, sent again, or replicated."""
    other = SecretKey(b"\x51" * 32)
    own = lambda: {other.public_key.hex: trace_of(bytes(other))}  # noqa: E731
    async with asyncio.timeout(LIMIT), house(tmp_path) as ana:
        courier = ana.courier
        courier._own = own
        for key in (ANA, CY):
            event = Draft(1, f"oh no {bytes(other).hex()}").sign(key, NOW)
            for road in (
                courier.publish(event),
                courier.save(event),
                courier.send(event, ["wss://relay.example"]),
                ana.notes._publisher.publish_signed(event),
            ):
                with pytest.raises(SecretFound):
                    await road
            assert await ana.store.get(event.id) is None
            await ana.store.save([event])
            await ana.store.ledger.want(event.id, ["wss://relay.example"])
            replication = Replication(
                ana.store,
                courier.pool,
                without_reserve(courier),
                pubkeys=[ME],
                folder=tmp_path,
                own=own,
            )
            await sent(replication._sender, await ana.store.ledger.copies(event.id))
            (copy,) = await ana.store.ledger.copies(event.id)
            assert copy.state is CopyState.REFUSED


async def _say(ana: House, leaks: KeyLeaks, told: list[KeyLeak], secret: str) -> None:
    """Somebody publishes `secret` again and again until the alarm, which may begin late, tells."""
    at = NOW
    while not told:
        at += 1
        await ana.store.save([Draft(1, f"oh no {secret}", created_at=at).sign(CY, NOW)])
        await leaks.settled()
        await asyncio.sleep(0)
