"""The relay as a client meets it: NIP-01, 09, 11, 40, 45, 62, 67, 70 over real sockets."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.relay_process import RelayProcess
from relays.config.relay_config import RelayConfig
from relays.config.sections import Access, Limits
from relays.policies.vanishing import RATE
from tests.relays.conftest import Serve
from tests.relays.serving import Served
from tests.relays.talk import KEY, NOW, OTHER, note, wire

each_engine = pytest.mark.usefixtures("engine")

PUBKEY = KEY.public_key.hex


@each_engine
async def test_publish_query_and_stream(served: Served) -> None:
    async with wire(served.url) as reader, wire(served.url) as writer:
        assert await reader.req("s", {"kinds": [1]}) == ([], ["EOSE", "s", ["finish"]])
        event = note("Grüße 🤙 \x01\u2028")
        assert await writer.publish(event) == ["OK", event.id, True, ""]
        assert await reader.recv() == ["EVENT", "s", json.loads(event.json)]
        again = await writer.publish(event)
        assert again == ["OK", event.id, True, "duplicate: already have this event"]
        await reader.send("CLOSE", "s")
        assert await reader.silent()
        await writer.publish(note("after CLOSE"))
        assert await reader.silent()


@each_engine
async def test_filters_order_and_limits(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=Limits(max_limit=5, default_limit=4)))
    events = [note(f"{n}", at=NOW + n // 2, kind=n % 2 + 1) for n in range(10)]
    async with wire(served.url) as client:
        for event in events:
            await client.publish(event)
        newest_first = [e.id for e in sorted(events, key=lambda e: e.order)]
        assert await client.stored({"limit": 3}) == newest_first[:3]
        assert await client.stored({}) == newest_first[:4]
        assert (await client.stored({"limit": 10**12}))[:5] == newest_first[:5]
        assert await client.stored({"limit": 0}) == []
        assert await client.stored({"ids": []}) == []
        assert await client.stored({"since": NOW + 3, "until": NOW + 3}) == [
            e for e in newest_first if e in {events[6].id, events[7].id}
        ]
        two = await client.stored({"kinds": [1], "limit": 2}, {"kinds": [2], "limit": 1})
        assert two == [e for e in newest_first if e in {events[8].id, events[6].id, events[9].id}]


@each_engine
async def test_hints_and_whole_seconds(serve: Serve) -> None:
    """NIP-67: paging by `until` misses nothing, and it is said when there is no more."""
    served = await serve(RelayConfig(limits=Limits(max_limit=4)))
    events = [note(f"{n}", at=NOW + n // 3) for n in range(9)]
    async with wire(served.url) as client:
        for event in events:
            await client.publish(event)
        found: set[str] = set()
        until = NOW + 100
        for _ in range(9):
            ids, end = await client.req("page", {"until": until, "limit": 500})
            found |= set(ids)
            if end[2] == ["finish"]:
                break
            assert end[2] == ["more"]
            until = min(e.created_at for e in events if e.id in ids)
        assert found == {e.id for e in events}
        assert (await client.req("one", {"limit": 1}))[1][2] == ["more"]
        assert (await client.req("all", {"since": NOW + 2, "limit": 3}))[1][2] == ["finish"]
        assert (await client.req("none", {"limit": 0}))[1] == ["EOSE", "none"]


@each_engine
async def test_replaceable_and_addressable_events(served: Served) -> None:
    profile = [note(f"{n}", kind=0, at=NOW + n) for n in range(3)]
    article = [note(f"{n}", kind=30023, at=NOW + n, tags=(("d", "x"),)) for n in range(2)]
    other = note("other", kind=30023, tags=(("d", "y"),))
    async with wire(served.url) as client, wire(served.url) as live:
        await live.req("live", {"authors": [PUBKEY]})
        for event in (profile[1], article[0], other, profile[2], article[1]):
            assert (await client.publish(event))[2] is True
            assert (await live.recv())[2]["id"] == event.id
        late = await client.publish(profile[0])
        assert late[2:] == [False, "invalid: a newer version of this event is held"]
        assert await live.silent()
        assert await client.stored({"kinds": [0]}) == [profile[2].id]
        assert set(await client.stored({"kinds": [30023]})) == {article[1].id, other.id}


@each_engine
async def test_deletion(served: Served) -> None:
    mine, theirs = note("mine"), note("theirs", key=OTHER)
    async with wire(served.url) as client, wire(served.url) as live:
        await live.req("live", {"kinds": [5]})
        await client.publish(mine)
        await client.publish(theirs)
        request = note("", kind=5, at=NOW + 1, tags=(("e", mine.id), ("e", theirs.id)))
        assert (await client.publish(request))[2] is True
        assert (await live.recv())[2]["id"] == request.id
        assert set(await client.stored({"kinds": [1]})) == {theirs.id}
        back = await client.publish(mine)
        assert back[2:] == [False, "invalid: its author deleted this event"]
        second = note("", kind=5, at=NOW + 2, tags=(("e", request.id),))
        await client.publish(second)
        assert request.id in await client.stored({"kinds": [5]})


@each_engine
async def test_ephemeral_events_are_passed_on_and_not_stored(served: Served) -> None:
    event = note(kind=20_001)
    async with wire(served.url) as reader, wire(served.url) as writer:
        await reader.req("s", {"kinds": [20_001]})
        assert await writer.publish(event) == ["OK", event.id, True, ""]
        assert (await reader.recv())[2]["id"] == event.id
        assert (await writer.publish(event))[3].startswith("duplicate:")
        assert await reader.silent()
        assert await reader.stored({"kinds": [20_001]}) == []


@each_engine
async def test_expiration(serve: Serve) -> None:
    now = [float(NOW)]
    served = await serve(clock=lambda: now[0])
    event = note(tags=(("expiration", str(NOW + 10)),))
    async with wire(served.url) as client:
        assert (await client.publish(event))[2] is True
        assert await client.stored({}) == [event.id]
        now[0] += 11
        assert await client.stored({}) == []
        late = await client.publish(note("late", tags=(("expiration", str(NOW + 10)),)))
        assert late[2:] == [False, "invalid: this event has expired"]


@each_engine
async def test_what_is_never_passed_on(served: Served) -> None:
    protected = note("mine", tags=(("-",),))
    for event, prefix in (
        (note(kind=22242), "invalid:"),
        (note(protected.json.decode(), kind=6), "blocked:"),
        (note(at=NOW + 10**9), "invalid:"),
    ):
        async with wire(served.url) as client, wire(served.url) as reader:
            await reader.req("all", {})
            answer = await client.publish(event)
            assert answer[:3] == ["OK", event.id, False]
            assert answer[3].startswith(prefix)
            assert await reader.silent()
            assert await client.stored({}) == []


@each_engine
async def test_a_wrong_signature(served: Served) -> None:
    event, twin = note("true"), note("false")
    forged = json.loads(event.json) | {"sig": twin.sig}
    async with wire(served.url) as client:
        await client.send("EVENT", forged)
        await client.offer(event)
        answers = sorted([await client.recv(), await client.recv()], key=lambda a: a[2])
        assert answers == [
            ["OK", event.id, False, "invalid: the signature is wrong"],
            ["OK", event.id, True, ""],
        ]


@each_engine
async def test_count(served: Served) -> None:
    async with wire(served.url) as client:
        for n in range(5):
            await client.publish(note(f"{n}", kind=n % 2 + 1))
        await client.send("COUNT", "c", {"kinds": [1]}, {"kinds": [1, 2], "limit": 1})
        assert await client.recv() == ["COUNT", "c", {"count": 5}]
        await client.send("COUNT", "c", {"ids": []})
        assert await client.recv() == ["COUNT", "c", {"count": 0}]


@each_engine
@pytest.mark.parametrize(
    ("urls", "tag"),
    [
        ((), "ALL_RELAYS"),
        ((), "own"),
        (("wss://public.example",), "ALL_RELAYS"),
        (("wss://public.example",), "WSS://Public.Example:443/"),
    ],
)
async def test_request_to_vanish(serve: Serve, urls: tuple[str, ...], tag: str) -> None:
    served = await serve(RelayConfig(urls=urls))
    url = served.url if tag == "own" else tag
    mine, theirs = note("mine"), note("theirs", key=OTHER)
    wrap = note("wrapped", kind=1059, key=OTHER, tags=(("p", PUBKEY),))
    async with wire(served.url) as client:
        for event in (mine, theirs, wrap):
            assert (await client.publish(event))[2] is True
        elsewhere = note("", kind=62, at=NOW + 1, tags=(("relay", "wss://elsewhere.example"),))
        await client.publish(elsewhere)
        assert mine.id in await client.stored({"kinds": [1]})
        request = note("", kind=62, at=NOW + 5, tags=(("relay", url),))
        assert (await client.publish(request))[2] is True
        assert await client.stored({"kinds": [1, 1059]}) == [theirs.id]
        for event in (mine, wrap):
            answer = await client.publish(event)
            assert answer[2:] == [False, "invalid: its author asked this relay to forget it"]
        assert (await client.publish(note("a new start", at=NOW + 6)))[2] is True


@each_engine
async def test_a_strangers_request_to_vanish_is_obeyed_and_not_kept(serve: Serve) -> None:
    closed = RelayConfig(pubkey=OTHER.public_key.hex, access=Access(write="listed"))
    mine = note("mine")
    served = await serve(closed)
    [store] = [one.store for one in served.rooms._sub_relays.values()]
    await store.save([mine])
    async with wire(served.url) as client, wire(served.url) as reader:
        await reader.req("live", {"kinds": [62]})
        request = note("x" * 9000, kind=62, at=NOW + 5, tags=(("relay", served.url),))
        assert (await client.publish(request))[:3] == ["OK", request.id, True]
        assert await client.stored({}) == []
        assert await reader.silent()
        own = note("", kind=62, at=NOW, tags=(("relay", served.url),), key=OTHER)
        assert (await client.publish(own))[2:] == [True, ""]
        assert await client.stored({}) == [own.id]
    assert [result.status.value for result in await store.save([mine])] == ["vanished"]


async def test_a_flood_of_requests_to_vanish_is_measured(serve: Serve) -> None:
    served = await serve(RelayConfig(access=Access(write="nobody")))
    keys = [SecretKey(bytes([1, n]) * 16) for n in range(RATE.burst + 20)]
    async with wire(served.url) as client:
        for key in keys:
            await client.offer(note(kind=62, tags=(("relay", "ALL_RELAYS"),), key=key))
        told = [await client.recv() for _ in keys]
        assert await client.stored({}) == []
    refused = [frame[3] for frame in told if not frame[2]]
    assert 10 < len(refused) <= 20
    assert all(reason.startswith("rate-limited: ") for reason in refused)


async def test_refusals_over_the_wire(relay: RelayProcess) -> None:
    async with wire(relay.url) as client:
        for message, answer in (
            ('["REQ","s",{"&":1}]', ["CLOSED", "s"]),
            ('["NEG-OPEN","n",{},"6"]', ["NEG-ERR", "n"]),
            ('["AUTH",' + note(kind=22242).json.decode() + "]", ["OK"]),
            ("nonsense", ["NOTICE"]),
        ):
            await client.raw(message)
            frame = await client.recv()
            assert frame[: len(answer)] == answer
            assert frame[-1].split(":")[0] in ("invalid", "unsupported")


def http(url: str, **headers: str) -> tuple[int, Any, bytes]:
    request = urllib.request.Request(url.replace("ws:", "http:"), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.status, response.headers, response.read()


async def test_http_on_the_same_port(relay: RelayProcess) -> None:
    import asyncio

    status, headers, body = await asyncio.to_thread(
        http, relay.url, Accept="application/nostr+json"
    )
    assert status == 200
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert 67 in json.loads(body)["supported_nips"]
    status, headers, body = await asyncio.to_thread(http, relay.url)
    assert headers["Content-Type"].startswith("text/html")
    with pytest.raises(InvalidStatus, match="404"):
        async with wire(relay.url + "/elsewhere"):
            pass
