"""What was sent is taken back where it can be, and does not stay here for ever; what is gone stays
gone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.social.messages import sent as sent_messages
from nostr_client.social.messages.views import Delivery
from tests.routing.rooms import ANA, BEN, CY, DEAD, Clock, Relay
from tests.social.messages.people import NOW, Person, dm_list, eventually, person
from tests.social.messages.test_hostile_wraps import opened_all, rumor_of, wrapped

A, B, C = (key.public_key.hex for key in (ANA, BEN, CY))
WRAPS = Filter(kinds=frozenset({kinds.GIFT_WRAP}))


async def settled(who: Person, relay: Relay, wraps: int) -> None:
    """So many wraps are at the relay, and nothing waits any more."""

    async def done() -> bool:
        return len(relay.held) >= wraps and not await who.rooms.store.ledger.due(2**40)

    await eventually(done)


@pytest.mark.parametrize("edits", [False, True])
async def test_what_no_relay_was_handed_is_never_sent(tmp_path: Path, edits: bool) -> None:
    async with Relay() as relay:
        port, url = relay.port, relay.url
        await relay.end()
        lists = dm_list(ANA, url), dm_list(BEN, url)
        async with person(tmp_path / "ana", ANA, *lists, start=False) as ana:
            sent = await ana.messages.send([B], "taken back")
            await ana.messages.delivered(sent.id)
            if edits:
                await ana.messages.edit(sent.id, "better")
            else:
                await ana.messages.delete(sent.id)
        clock = Clock(NOW + 1_000)
        async with (
            Relay(port=port) as again,
            person(tmp_path / "ana", ANA, clock=clock) as ana,
            person(tmp_path / "ben", BEN, *lists, clock=clock) as ben,
        ):
            running = asyncio.create_task(ana.replication.run())
            await settled(ana, again, 4 if edits else 1)
            await ana.messages.send([B], "later")
            await ben.hears("later", A)
            assert await ben.texts(A) == (["better", "later"] if edits else ["later"])
            to_ben = [wrap for wrap in again.held if B in wrap.values("p")]
            assert len(to_ben) == (3 if edits else 1), "not even the deletion of what nobody has"
            running.cancel()


async def test_whoever_may_have_it_is_asked_to_delete_it(tmp_path: Path) -> None:
    async with Relay() as here, Relay() as silent:
        silent.silent = True
        lists = dm_list(ANA, here.url), dm_list(BEN, here.url), dm_list(CY, DEAD)
        async with (
            person(tmp_path / "ana", ANA, *lists) as ana,
            person(tmp_path / "ben", BEN, *lists) as ben,
        ):
            sent = await ana.messages.send([B, C], "to some")
            await ben.hears("to some", A, C)
            assert (await ana.messages.delivered(sent.id)).delivery is Delivery.PARTLY
            deletion = await ana.messages.delete(sent.id)

            async def gone() -> bool:
                found = await ben.messages.message(sent.id)
                return found is not None and found.deleted

            await eventually(gone)
            asked = {member.pubkey for member in await ana.messages.copies(deletion)}
            assert asked == {A, B}
            assert await ana.messages.delivery(deletion) is Delivery.SENT
            assert not await ana.rooms.store.ledger.due(2**40), "nothing waits for Cy"
            lists = (dm_list(CY, silent.url, at=NOW + 1),)
            await ana.rooms.store.save(list(lists))
            unsure = await ana.messages.send([C], "was it taken?")

            async def handed() -> bool:
                return bool(silent.sent("EVENT"))

            await eventually(handed)
            deletion = await ana.messages.delete(unsure.id)
            asked = {member.pubkey for member in await ana.messages.copies(deletion)}
            assert asked == {A, C}, "it may have arrived"


async def test_what_expired_inside_or_was_dismissed_does_not_come_again(tmp_path: Path) -> None:
    past = wrapped(rumor_of(CY, "burnt", tags=(("p", B), ("expiration", str(NOW - 9)))), CY)
    seal = wrapped(rumor_of(CY, "burnt"), CY, tags=(("expiration", str(NOW - 9)),))
    burns = wrapped(rumor_of(CY, "burns", tags=(("p", B), ("expiration", str(NOW + 9)))), CY)
    unwanted = wrapped(rumor_of(ANA, "buy this"))
    clock = Clock(NOW)
    async with Relay(past, seal, burns, unwanted) as relay:
        mine = dm_list(BEN, relay.url)
        async with person(tmp_path / "ben", BEN, mine, clock=clock) as ben:
            await opened_all(ben, 4)

            async def only_two() -> bool:
                left = {e.id for e in await ben.rooms.store.query([WRAPS])}
                return left == {burns.id, unwanted.id}

            await eventually(only_two)
            clock.now += 10
            await ben.messages._tidy()
            await ben.messages.dismiss([A])
            assert not await ben.rooms.store.query([WRAPS])
        async with person(tmp_path / "ben", BEN, clock=clock, start=False) as ben:
            await ben.rooms.store.save([past])  # as where it ended before this was taken out
            status = await ben.messages.sync(10.0)
            assert all(end.answered for end in status.ends.values())
            assert (status.waiting, status.opened) == (0, 4)
            assert not await ben.rooms.store.query([WRAPS]), "the relay sent them all again"


async def test_what_was_delivered_long_ago_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sent_messages, "AT_ONCE", 1)
    clock = Clock(NOW)
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url), dm_list(CY, DEAD)
        async with person(tmp_path / "ana", ANA, *lists, clock=clock) as ana:
            sent = await ana.messages.send([B], "arrived")
            waits = await ana.messages.send([C], "waits")
            for each in (sent, waits):
                await ana.messages.delivered(each.id)
            wraps = {event.id for event in await ana.rooms.store.query([WRAPS])}
            clock.now += 29 * 86_400
            for _ in range(2):
                await ana.messages._tidy()
            assert {e.id for e in await ana.rooms.store.query([WRAPS])} == wraps
            clock.now += 2 * 86_400
            for _ in range(2):
                await ana.messages._tidy()
            left = await ana.rooms.store.query([WRAPS])
            assert sorted(p for e in left for p in e.values("p")) == sorted([A, A, C])
        async with person(tmp_path / "ana", ANA, clock=clock, start=False) as ana:
            again = {
                m.text: m.delivery for who in (B, C) for m in await ana.messages.messages([who])
            }
            assert again == {"arrived": Delivery.SENT, "waits": Delivery.STORED}
            await ana.messages._archive.rewrite()
            deletion = await ana.messages.delete(sent.id)
            asked = {member.pubkey for member in await ana.messages.copies(deletion)}
            assert asked == {A, B}


async def test_a_reaction_that_expired_does_not_come_again(tmp_path: Path) -> None:
    clock = Clock(NOW)
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(BEN, relay.url)
        async with (
            person(tmp_path / "ana", ANA, *lists, clock=clock) as ana,
            person(tmp_path / "ben", BEN, *lists, clock=clock) as ben,
        ):
            sent = await ana.messages.send([B], "stays")
            await ben.hears("stays", A)
            tags = (("e", sent.id), ("expiration", str(NOW + 9)))
            await ana.messages._sending().send(sent.room, [Draft(kinds.REACTION, "+", tags)])

            async def seen() -> bool:
                found = await ben.messages.message(sent.id)
                return bool(found and found.reactions)

            await eventually(seen)
            clock.now += 10
            await ben.messages._tidy()
            found = await ben.messages.message(sent.id)
            assert found is not None
            assert found.reactions == ()
            assert len(await ben.rooms.store.query([WRAPS])) == 1
