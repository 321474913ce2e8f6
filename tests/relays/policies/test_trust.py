"""The web of trust, from follow lists in a store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from nostr_client.errors import StoreError
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.store.contract import EventStore
from nostr_client.store.opening import open_store
from relays.policies.trust import WebOfTrust
from tests.relays.talk import NOW, note

ANA, BEN, CY, DI, EVE = (SecretKey(bytes([number]) * 32) for number in range(1, 6))


def hex_of(key: SecretKey) -> str:
    return key.public_key.hex


def follows(who: SecretKey, *whom: SecretKey, at: int = NOW) -> Event:
    return note("", kind=3, key=who, at=at, tags=tuple(("p", hex_of(one)) for one in whom))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[EventStore]:
    async with open_store(tmp_path / "events.db") as opened:
        yield opened


def trusted(web: WebOfTrust) -> set[str]:
    names = {"ana": ANA, "ben": BEN, "cy": CY, "di": DI, "eve": EVE}
    return {name for name, key in names.items() if hex_of(key) in web}


async def test_depths_and_followers(store: EventStore) -> None:
    await store.save([follows(ANA, BEN, CY), follows(BEN, DI, EVE), follows(CY, DI)])
    await store.save([follows(EVE, EVE, ANA)])
    found = {}
    for depth, followers in ((1, 1), (2, 1), (2, 2), (2, 3)):
        web = WebOfTrust([hex_of(ANA)], depth, followers)
        assert trusted(web) == {"ana"}
        await web.refresh(store)
        found[depth, followers] = trusted(web)
        assert len(web) == len(found[depth, followers])
    near = {"ana", "ben", "cy"}
    assert found == {
        (1, 1): near,
        (2, 1): near | {"di", "eve"},
        (2, 2): near | {"di"},
        (2, 3): near,
    }


async def test_it_learns(store: EventStore) -> None:
    web = WebOfTrust([hex_of(ANA)])
    await store.save([follows(ANA, BEN), follows(BEN, CY)])
    await web.refresh(store)
    assert trusted(web) == {"ana", "ben", "cy"}
    web.learn(follows(BEN, DI, at=NOW + 1))
    assert trusted(web) == {"ana", "ben", "di"}
    web.learn(follows(EVE, EVE))
    web.learn(note("", kind=1, key=BEN))
    assert trusted(web) == {"ana", "ben", "di"}
    assert not web.stale
    await store.save([follows(ANA, CY, at=NOW + 1)])
    web.learn(follows(ANA, CY, at=NOW + 1))
    assert web.stale
    await web.refresh(store)
    assert trusted(web) == {"ana", "cy"}


async def test_what_comes_while_all_is_read_is_not_lost(store: EventStore) -> None:
    await store.save([follows(ANA, BEN), follows(BEN, CY)])
    web = WebOfTrust([hex_of(ANA)])
    reading = asyncio.create_task(web.refresh(store))
    await asyncio.sleep(0)
    web.learn(follows(BEN, DI, at=NOW + 1))
    await reading
    assert trusted(web) == {"ana", "ben", "di"}


async def test_a_store_that_fails_leaves_what_was_known(store: EventStore) -> None:
    web = WebOfTrust([hex_of(ANA)])
    await store.save([follows(ANA, BEN)])
    await web.refresh(store)

    class Broken:
        async def query(self, filters: object) -> None:
            raise StoreError("gone")

    with pytest.raises(StoreError):
        await web.refresh(Broken())  # type: ignore[arg-type]
    assert trusted(web) == {"ana", "ben"}
    assert web.stale


async def test_hostile_lists(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relays.policies.trust.MOST_FOLLOWED", 3)
    monkeypatch.setattr("relays.policies.trust.MOST_NAMES", 2)
    junk = (("p",), ("p", "x"), ("p", "A" * 64), ("p", hex_of(BEN)), ("p", hex_of(CY)))
    await store.save([note("", kind=3, key=ANA, tags=junk[1:]), follows(BEN, CY, DI, EVE)])
    web = WebOfTrust([hex_of(ANA)])
    await web.refresh(store)
    assert trusted(web) >= {"ana", "ben"}
    assert len(web._numbers) <= 2
