"""Whom to trust and whom to begin with: namesakes, acquaintances, what providers say, packs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest

from nostr_client.errors import SignerUnavailable, SigningRefused
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social import assertions
from nostr_client.social.assertions import Assertions, TrustRank
from nostr_client.social.beginnings import Beginnings
from nostr_client.social.lookalikes import AGAIN, Lookalikes, looks_of
from tests.social.house import ANA, BEN, BEN_KEY, CY, CY_KEY, ME, START, Relay, house, signed

DEE = SecretKey(bytes([4]) * 32)
DEE_KEY = DEE.public_key.hex


def named(key: SecretKey, name: str) -> Event:
    return signed(key, kinds.METADATA, json.dumps({"name": name}))


def follows(key: SecretKey, *pubkeys: str, at: int = START) -> Event:
    return signed(key, kinds.FOLLOWS, tags=tuple(("p", p) for p in pubkeys), at=at)


@pytest.mark.parametrize(
    "name", ["Ben", "bеn", "B E N ✔", "Bén", "b\u200ben", "\uff22\uff25\uff2e", "Bеη"]
)
def test_names_that_look_the_same(name: str) -> None:
    assert looks_of(name) == looks_of("ben")


def test_names_that_do_not() -> None:
    looks = [looks_of(name) for name in ("ben", "benny", "dan", "李明", "", "🔥")]
    assert len(set(looks)) == len(looks) - 1
    assert looks[-2:] == ["", ""]
    assert looks_of("paypa1") == looks_of("PayPaI") == looks_of("paypal")
    assert len(looks_of("e\u0301" * 100_000)) <= 64


async def test_who_bears_the_name_of_somebody_followed(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        await h.keep(follows(ANA, BEN_KEY), named(BEN, "ben"), named(CY, "Bеn"), named(DEE, "dee"))
        lookalikes = Lookalikes(h.profiles, h.acquaintances, h.clock)
        people = await h.profiles.get_many([BEN_KEY, CY_KEY, DEE_KEY])
        assert lookalikes.of(people[CY_KEY]) is None, "nothing was read yet"
        assert await lookalikes.refresh()
        assert not await lookalikes.refresh()
        other = lookalikes.of(people[CY_KEY])
        assert other is not None
        assert other.pubkey == BEN_KEY
        assert lookalikes.of(people[BEN_KEY]) is None
        assert lookalikes.of(people[DEE_KEY]) is None
        await h.keep(follows(ANA, BEN_KEY, CY_KEY, at=START + 9))
        assert await lookalikes.refresh(), "others are followed"
        assert lookalikes.of(people[CY_KEY]) is None
        h.clock.now += AGAIN
        assert await lookalikes.refresh()


async def test_what_chosen_providers_say(tmp_path: Path) -> None:
    """Only they are asked, only whole ranks up to 100 count."""

    def says(key: SecretKey, rank: str) -> Event:
        return signed(key, kinds.USER_ASSERTION, tags=(("d", DEE_KEY), ("rank", rank)))

    said_there = (says(BEN, "87"), says(CY, "870"), says(DEE, "100"))
    async with Relay(*said_there) as relay, house(tmp_path) as h:
        said = Assertions(h.courier, h.guard, ME)
        assert await said.of(DEE_KEY) == ()
        trusted = [("30382:rank", key, relay.url) for key in (BEN_KEY, CY_KEY)]
        odd = (("30382:rank", "x", relay.url), ("30382:rank",), ("30382:rank", DEE_KEY, "no url"))
        await h.keep(signed(ANA, kinds.TRUSTED_PROVIDERS, tags=(*odd, *trusted)))
        assert [one.pubkey for one in await said.providers()] == [BEN_KEY, CY_KEY]
        await said.fetch(DEE_KEY)
        assert await said.of(DEE_KEY) == (TrustRank(BEN_KEY, 87),)


async def test_providers_that_only_the_key_shows(tmp_path: Path) -> None:
    """The private part of the list counts with the key at hand; without it that is known."""
    url = "wss://trust.example"
    public = ("30382:rank", BEN_KEY, url)
    async with LocalSigner(ANA) as signer:
        text = msgspec.json.encode([("30382:rank", CY_KEY, url)]).decode()
        sealed = await signer.nip44_encrypt(ME, text)
    mine = signed(ANA, kinds.TRUSTED_PROVIDERS, sealed, (public,))
    async with house(tmp_path / "open") as h:
        await h.keep(mine)
        said = Assertions(h.courier, h.guard, ME)
        assert [one.pubkey for one in await said.providers()] == [BEN_KEY, CY_KEY]
        assert not (await said.entries()).closed
    async with house(tmp_path / "locked", can_sign=False) as h:
        await h.keep(mine)
        said = Assertions(h.courier, h.guard, ME)
        assert [one.pubkey for one in await said.providers()] == [BEN_KEY]
        assert (await said.entries()).closed


async def test_a_list_that_cannot_be_opened_is_not_tried_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bunker that is away takes half a minute each time; one that is there asks a person."""
    asked = 0

    async def away(signer: LocalSigner, peer: str, payload: str) -> str:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        raise problem

    async with LocalSigner(ANA) as signer:
        mine = signed(ANA, kinds.TRUSTED_PROVIDERS, await signer.nip44_encrypt(ME, "[]"))
    monkeypatch.setattr(LocalSigner, "nip44_decrypt", away)
    for problem in (SignerUnavailable("it is away"), SigningRefused("its person said no")):
        async with house(tmp_path / type(problem).__name__) as h:
            await h.keep(mine)
            said, asked = Assertions(h.courier, h.guard, ME), 0
            for one in await asyncio.gather(*(said.entries() for _ in range(3))):
                assert one.closed
            assert asked == 1
            with monkeypatch.context() as soon:
                soon.setattr(assertions, "CLOSED_FOR", 0.0)
                said = Assertions(h.courier, h.guard, ME)
                assert (await said.entries()).closed
                assert (await said.entries()).closed
            assert asked == 3, "it is tried another time"


async def test_follow_lists_of_those_who_are_followed_are_fetched_once(tmp_path: Path) -> None:
    lists = (follows(BEN, CY_KEY), follows(CY, BEN_KEY))
    async with Relay(*lists) as relay, house(tmp_path, fallback=[relay.url]) as h:
        await h.acquaintances.fetch(h.courier)
        assert not relay.log, "who follows nobody asks nothing"
        await h.keep(follows(ANA, BEN_KEY))
        assert await h.acquaintances.strangers([CY_KEY]) == {CY_KEY}
        assert not h.acquaintances.known_strangers([CY_KEY]), "no list is here that could tell"
        await h.acquaintances.fetch(h.courier)
        assert await h.acquaintances.known_by([CY_KEY, DEE_KEY]) == {CY_KEY: 1, DEE_KEY: 0}
        assert h.acquaintances.known_strangers([CY_KEY, DEE_KEY]) == {DEE_KEY}
        asked = len(relay.log)
        await h.acquaintances.fetch(h.courier)
        assert len(relay.log) == asked


async def test_whom_a_newcomer_may_begin_with(tmp_path: Path) -> None:
    """Packs with a title, who writes of a topic on most days, whom a friend follows."""
    crowd = [SecretKey(bytes([9]) * 31 + bytes([n])).public_key.hex for n in range(1, 6)]

    def pack(key: SecretKey, title: str, *people: str) -> Event:
        tags = (("d", title), ("title", title), *(("p", p) for p in people))
        return signed(key, kinds.STARTER_PACK, tags=tags)

    def on(key: SecretKey, at: int) -> Event:
        return signed(key, content=f"art {at}", tags=(("t", "art"),), at=START + at)

    there = (
        *(pack(BEN, "three", *crowd[:3]), pack(CY, "five", *crowd), pack(DEE, "two", *crowd[:2])),
        *(on(BEN, 1), on(BEN, 2), on(BEN, 3), on(CY, 1), on(CY, 90_000)),
        *(named(BEN, "ben"), follows(BEN, CY_KEY, DEE_KEY, CY_KEY)),
    )
    async with Relay(*there) as relay, house(tmp_path, fallback=[relay.url]) as h:
        found = Beginnings(h.courier, h.profiles)
        assert [pack.title for pack in await found.packs()] == ["five", "three"]
        art = await found.topic("art")
        assert art is not None
        assert art.people == (CY_KEY, BEN_KEY)
        assert await found.topic("nothing") is None
        [friend, others] = await found.friend(nip19.encode_npub(BEN_KEY))
        assert (friend.title, friend.people) == ("ben", (BEN_KEY,))
        assert others.people == (CY_KEY, DEE_KEY)
