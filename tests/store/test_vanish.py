"""Requests to vanish (NIP-62): in a relay's store, and never in a client's."""

from __future__ import annotations

import pytest

from nostr_client.errors import InvalidData
from nostr_client.protocol.filters import Filter
from nostr_client.store.events import EventStore
from tests.store.conftest import OpenStore
from tests.store.samples import NOW, SERVICE_URL, author, make
from tests.store.test_saving import held, save

ALICE, BOB = author(1), author(2)
OWN = [
    make(ALICE, 1, NOW - 5),
    make(ALICE, 0, NOW - 5),
    make(ALICE, 30023, NOW, ("d", "x")),
    make(ALICE, 5, NOW - 9, ("e", "0" * 64)),
]
LATER = make(ALICE, 1, NOW + 1)
WRAP = make(BOB, 1059, NOW, ("p", ALICE))
LATER_WRAP = make(BOB, 1059, NOW + 1, ("p", ALICE))
OTHERS = [make(BOB, 1, NOW - 5, ("p", ALICE)), make(BOB, 1059, NOW, ("p", BOB))]
ALL = [*OWN, LATER, WRAP, LATER_WRAP, *OTHERS]


@pytest.mark.parametrize("value", ["ALL_RELAYS", SERVICE_URL, "WSS://Relay.Example.com:443/"])
async def test_request_removes_and_bars(open_store: OpenStore, value: str) -> None:
    request = make(ALICE, 62, NOW, ("relay", "junk"), ("relay", value))
    kept = {request.id, LATER.id, LATER_WRAP.id, *(event.id for event in OTHERS)}
    async with open_store(service_urls=["ws://localhost:1", SERVICE_URL]) as store:
        await store.save(ALL)
        assert await save(store, request) == ["stored"]
        assert await held(store) == kept
        assert await save(store, *OWN, WRAP) == ["vanished"] * 5
        assert await save(store, request, *OTHERS) == ["duplicate"] * 3
        assert await save(store, make(ALICE, 62, NOW - 1, ("relay", value))) == ["vanished"]
        assert await save(store, make(ALICE, 5, NOW + 5, ("e", request.id))) == ["stored"]
        assert await save(store, OWN[0]) == ["vanished"], "a request is not undone"
        assert await store.count([Filter.of(p=[ALICE])]) == 2
        await store.check()
    async with open_store(service_urls=[SERVICE_URL]) as store:
        assert await save(store, OWN[0], WRAP) == ["vanished"] * 2


async def test_a_request_within_one_batch(open_store: OpenStore) -> None:
    request = make(ALICE, 62, NOW, ("relay", "ALL_RELAYS"))
    async with open_store(service_urls=[SERVICE_URL]) as store:
        results = await store.save([OWN[0], request, OWN[1], LATER])
        assert [result.status.value for result in results] == [
            *("stored", "stored", "vanished", "stored"),
        ]
        assert await held(store) == {request.id, LATER.id}


@pytest.mark.parametrize("value", ["wss://other.example", "all_relays", "", SERVICE_URL + "/sub"])
async def test_a_request_to_others_changes_nothing(open_store: OpenStore, value: str) -> None:
    request = make(ALICE, 62, NOW, ("relay", value), ("relay",))
    async with open_store(service_urls=[SERVICE_URL]) as store:
        await store.save([*ALL, request])
        assert await held(store) == {event.id for event in (*ALL, request)}


async def test_a_clients_store_keeps_everything(store: EventStore) -> None:
    requests = [make(ALICE, 62, NOW, ("relay", value)) for value in ("ALL_RELAYS", SERVICE_URL)]
    await store.save([*ALL, *requests])
    assert await held(store) == {event.id for event in (*ALL, *requests)}
    assert await save(store, *OWN) == ["duplicate"] * 4


async def test_a_request_is_obeyed_once_its_url_is_ours(open_store: OpenStore) -> None:
    request = make(ALICE, 62, NOW, ("relay", SERVICE_URL))
    async with open_store(service_urls=["wss://old.example"]) as store:
        await store.save([*ALL, request])
        assert len(await held(store)) == len(ALL) + 1
    async with open_store(service_urls=["wss://old.example", SERVICE_URL]) as store:
        assert OWN[0].id not in await held(store)
        assert await save(store, *OWN, request) == ["vanished"] * 4 + ["duplicate"]


async def test_history_vanishes_too(open_store: OpenStore) -> None:
    older, newer = make(ALICE, 0, NOW - 9), make(ALICE, 0, NOW - 8)
    async with open_store(service_urls=[SERVICE_URL], keep_history_of=[ALICE]) as store:
        await store.save([older, newer])
        assert await store.history(f"0:{ALICE}:") == [older]
        await store.save([make(ALICE, 62, NOW, ("relay", "ALL_RELAYS"))])
        assert await store.history(f"0:{ALICE}:") == []


async def test_a_service_url_that_is_none_is_refused(open_store: OpenStore) -> None:
    with pytest.raises(InvalidData):
        async with open_store(service_urls=["not a url"]):
            pass
