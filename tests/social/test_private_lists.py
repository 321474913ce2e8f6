"""Lists with a private part: who reads it, what changes it, and what is only carried along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nostr_client.errors import DecryptionFailed, InvalidData, PlaintextTooLong
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.concurrent_edits import change_between
from nostr_client.routing.private_part import PrivatePart
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.lists import Entries
from nostr_client.social.private_relays import PrivateRelays
from tests.social.house import ANA, BEN_KEY, CY_KEY, ME, house, signed

ana = LocalSigner(ANA)
BEN, CY = ("p", BEN_KEY, "wss://b.example"), ("p", CY_KEY)


async def test_an_entry_is_private_unless_said_and_moves_whole(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.MUTES, tags=(("t", "kept"), BEN)))
        posted = await h.mutes.add(("p", BEN_KEY))
        assert posted is not None
        assert posted.event.tags == (("t", "kept"),)
        assert BEN_KEY not in posted.event.content
        assert await h.mutes.entries() == Entries((("t", "kept"),), (BEN,))
        assert await h.mutes.add(("p", BEN_KEY)) is None
        posted = await h.mutes.add(("p", BEN_KEY), public=True)
        assert posted is not None
        assert (posted.event.tags, posted.event.content) == ((("t", "kept"), BEN), "")
        assert await h.mutes.remove(BEN) is not None
        assert await h.mutes.remove(BEN) is None


async def test_nip04_is_read_and_written_no_more(tmp_path: Path) -> None:
    old = await ana.nip04_encrypt(ME, json.dumps([BEN]))
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.MUTES, content=old))
        posted = await h.mutes.add(("t", "noise"), public=True)
        assert posted is not None
        assert posted.event.content == old
        posted = await h.mutes.add(CY)
        assert posted is not None
        assert json.loads(await ana.nip44_decrypt(ME, posted.event.content)) == [
            list(BEN),
            list(CY),
        ]


@pytest.mark.parametrize("content", ["not encrypted", '[["p","x"]]', "A" * 200])
async def test_what_cannot_be_decrypted_is_carried_along(tmp_path: Path, content: str) -> None:
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.MUTES, content=content, tags=(BEN,)))
        assert await h.mutes.entries() == Entries((BEN,), (), closed=True)
        with pytest.raises(DecryptionFailed, match="carried along"):
            await h.mutes.add(CY)
        with pytest.raises(DecryptionFailed, match="carried along"):
            await h.mutes.remove(CY)
        for posted in (await h.mutes.add(CY, public=True), await h.mutes.remove(BEN)):
            assert posted is not None
            assert posted.event.content == content
        assert posted.event.tags == (CY,)


async def test_more_than_fits_is_said_before_anything_is_written(tmp_path: Path) -> None:
    many = tuple(("word", f"{n}" + "w" * 1_200) for n in range(100, 153))
    async with house(tmp_path) as h:
        before = signed(kind=kinds.MUTES, content=await ana.nip44_encrypt(ME, json.dumps(many)))
        await h.keep(before)
        with pytest.raises(PlaintextTooLong, match=r"private part of the list of mutes .* 65535"):
            await h.mutes.add(("word", "x" * 2_000))
        assert await h.mutes.event() == before


async def test_two_devices_that_wrote_too_much_together_are_told_of_which_list() -> None:
    part, relays = PrivatePart(ana), [("relay", f"wss://{n:040}.example") for n in range(1_500)]
    for kind, name in ((kinds.PRIVATE_RELAYS, "private relays"), (30_004, r"\(kind 30004\)")):
        with pytest.raises(PlaintextTooLong, match=name):
            await part.close(Draft(kind, json.dumps(relays)))


async def test_private_relays_are_encrypted_and_one_spelling_each(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        mine = PrivateRelays(h.courier, h.guard, ME)
        old = await ana.nip04_encrypt(ME, json.dumps([("relay", "wss://a.example")]))
        await h.keep(signed(kind=kinds.PRIVATE_RELAYS, content=old))
        assert await mine.entries() == Entries((), (("relay", "wss://a.example"),))
        assert await mine.add(PrivateRelays.entry("WSS://A.example:443/")) is None
        posted = await mine.add(PrivateRelays.entry("wss://b.example"))
        assert posted is not None
        assert (posted.event.kind, posted.event.tags) == (10013, ())
        held = json.loads(await ana.nip44_decrypt(ME, posted.event.content))
        assert held == [["relay", "wss://a.example"], ["relay", "wss://b.example"]]
        await h.keep(
            signed(kind=kinds.PRIVATE_RELAYS, content="A" * 200, at=posted.event.created_at + 1)
        )
        with pytest.raises(DecryptionFailed, match="carried along"):
            await mine.add(PrivateRelays.entry("wss://c.example"))
        with pytest.raises(InvalidData):
            PrivateRelays.entry("https://a.example")


async def test_two_devices_that_mute_somebody_lose_neither() -> None:
    part = PrivatePart(ana)
    was = (("word", "old"),)
    base, theirs, ours = [
        signed(
            kind=kinds.MUTES,
            content=await ana.nip44_encrypt(ME, json.dumps(tags)),
            at=at,
        )
        for tags, at in ((was, 1), ((*was, BEN), 1_000), ((*was, CY), 1_001))
    ]
    carry = change_between(await part.open(base), await part.open(theirs))
    merged = carry(await part.open(ours))
    assert json.loads(merged.content) == [["word", "old"], list(CY), list(BEN)]


async def test_private_relays_are_exchanged_and_what_is_closed_stays_byte_for_byte(
    tmp_path: Path,
) -> None:
    one, two, new = "wss://one.example", "wss://two.example", "wss://new.example"
    content = await ana.nip44_encrypt(ME, json.dumps([["relay", one], ["relay", two], ["x", "y"]]))
    async with house(tmp_path) as h:
        await h.keep(signed(kind=kinds.PRIVATE_RELAYS, content=content))
        relays = PrivateRelays(h.courier, h.guard, ME)
        assert await relays.urls() == (one, two)
        assert await relays.exchange(["wss://other.example"], []) is None
        assert await relays.exchange([one, two], []) is None, "it would be empty"
        posted = await relays.exchange(["WSS://one.example/"], [new, two])
        assert posted is not None
        opened = json.loads(await ana.nip44_decrypt(ME, posted.event.content))
        assert opened == [["relay", two], ["x", "y"], ["relay", new]]
        assert await relays.urls() == (two, new)

    closed = await LocalSigner(SecretKey.generate()).nip44_encrypt(ME, "not for this key")
    async with house(tmp_path / "other") as h:
        await h.keep(signed(kind=kinds.PRIVATE_RELAYS, content=closed))
        relays = PrivateRelays(h.courier, h.guard, ME)
        assert await relays.urls() is None
        with pytest.raises(DecryptionFailed, match="carried along, and not edited"):
            await relays.exchange([one], [new])
        held = await relays.event()
        assert held is not None
        assert held.content == closed
