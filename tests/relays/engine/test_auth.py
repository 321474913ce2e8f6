"""NIP-42, and what it opens: protected events (NIP-70) and messages wrapped for one (NIP-59)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nostr_client.nips.nip77 import Items, NegentropyClient
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import RelayConfig
from relays.config.sections import Access
from relays.engine.auth import MOST_KEYS, WINDOW
from tests.relays.conftest import Serve
from tests.relays.talk import KEY, NOW, OTHER, Wire, note, wire

each_engine = pytest.mark.usefixtures("engine")

PUBLIC_URL = "wss://relay.example/nostr"
WRAP = note("sealed", kind=1059, tags=(("p", OTHER.public_key.hex),))
MINE = note("mine", tags=(("-",),))


def answer(challenge: str, url: str, key: SecretKey = KEY, *, at: int = NOW) -> Event:
    return note("", kind=22242, tags=(("relay", url), ("challenge", challenge)), at=at, key=key)


async def challenged(client: Wire) -> str:
    """Ask for what needs a key; the challenge that comes first."""
    await client.send("REQ", "mail", {"kinds": [1059]})
    label, challenge = await client.recv()
    assert label == "AUTH"
    closed = await client.recv()
    assert closed[:2] == ["CLOSED", "mail"]
    assert closed[2].startswith("auth-required:")
    return str(challenge)


async def log_in(client: Wire, challenge: str, event: Event) -> list[Any]:
    await client.raw(b'["AUTH",' + event.json + b"]")
    return await client.recv()


@pytest.fixture
def config() -> RelayConfig:
    return RelayConfig(urls=(PUBLIC_URL,))


@each_engine
async def test_wrapped_messages_are_for_those_whom_they_name(
    serve: Serve, config: RelayConfig
) -> None:
    served = await serve(config, clock=lambda: NOW)
    async with wire(served.url) as anyone, wire(served.url) as recipient:
        assert (await anyone.publish(WRAP))[2] is True
        challenge = await challenged(recipient)
        ok = await log_in(recipient, challenge, answer(challenge, PUBLIC_URL, OTHER))
        assert ok[2:] == [True, ""]
        for reader, wanted in ((anyone, []), (recipient, [WRAP.id])):
            assert await reader.stored({}) == wanted
            assert await reader.stored({"ids": [WRAP.id]}) == wanted
            await reader.send("COUNT", "n", {"authors": [WRAP.pubkey]})
            assert (await reader.recv())[2]["count"] == len(wanted)
        assert await recipient.stored({"kinds": [1059]}) == [WRAP.id]


@each_engine
@pytest.mark.parametrize("kind", [1059, 21059])
async def test_wrapped_messages_live(serve: Serve, config: RelayConfig, kind: int) -> None:
    served = await serve(config, clock=lambda: NOW)
    wrap = note("sealed", kind=kind, tags=(("p", OTHER.public_key.hex),))
    async with wire(served.url) as stranger, wire(served.url) as recipient:
        for reader, key in ((stranger, KEY), (recipient, OTHER)):
            challenge = await challenged(reader)
            assert (await log_in(reader, challenge, answer(challenge, PUBLIC_URL, key)))[2]
            await reader.req("all", {})
        async with wire(served.url) as sender:
            assert (await sender.publish(wrap))[2] is True
        assert (await recipient.recv())[:2] == ["EVENT", "all"]
        assert await stranger.silent()


CAROL = SecretKey.from_hex("3" * 64)
DIRECT = note("sealed", kind=4, tags=(("p", OTHER.public_key.hex),))


@each_engine
@pytest.mark.parametrize("open", [False, True])
async def test_direct_messages_are_for_both_parties(
    serve: Serve, config: RelayConfig, open: bool
) -> None:
    access = Access(direct_messages="anyone" if open else "parties")
    served = await serve(msgspec.structs.replace(config, access=access), clock=lambda: NOW)
    async with wire(served.url) as sender, wire(served.url) as other, wire(served.url) as stranger:
        readers = ((sender, KEY, True), (other, OTHER, True), (stranger, CAROL, open))
        for reader, key, _ in readers:
            challenge = await challenged(reader)
            assert (await log_in(reader, challenge, answer(challenge, PUBLIC_URL, key)))[2]
            await reader.req("live", {"limit": 0})
        async with wire(served.url) as anyone:
            assert (await anyone.publish(DIRECT))[2] is True
            await anyone.send("REQ", "mail", {"kinds": [4]})
            frames = [(await anyone.recv())[0] for _ in range(2)]
            assert frames == (["EVENT", "EOSE"] if open else ["AUTH", "CLOSED"])
            assert await anyone.stored({"ids": [DIRECT.id]}) == [DIRECT.id] * open
        for reader, _, sees in readers:
            if sees:
                assert (await reader.recv())[:2] == ["EVENT", "live"]
            for asked in ({}, {"kinds": [4]}, {"ids": [DIRECT.id]}, {"authors": [DIRECT.pubkey]}):
                assert await reader.stored(asked) == [DIRECT.id] * sees
                await reader.send("COUNT", "n", asked)
                assert (await reader.recv())[2]["count"] == sees
            await reader.send("NEG-OPEN", "n", {}, NegentropyClient(Items([])).first().hex())
            found = NegentropyClient(Items([])).answer(bytes.fromhex((await reader.recv())[2]))
            assert [id.hex() for id in found.need] == [DIRECT.id] * sees
            assert await reader.silent()


@each_engine
async def test_a_protected_event_comes_from_its_author(serve: Serve, config: RelayConfig) -> None:
    served = await serve(config, clock=lambda: NOW)
    async with wire(served.url) as client:
        await client.offer(MINE)
        label, challenge = await client.recv()
        assert label == "AUTH"
        refusal = await client.recv()
        assert refusal[:3] == ["OK", MINE.id, False]
        assert refusal[3].startswith("auth-required:")
        assert (await log_in(client, challenge, answer(challenge, PUBLIC_URL, OTHER)))[2]
        assert (await client.publish(MINE))[3].startswith("auth-required:")
        assert (await log_in(client, challenge, answer(challenge, PUBLIC_URL)))[2]
        assert (await client.publish(MINE))[2:] == [True, ""], "several keys, one connection"
        repost = note(MINE.json.decode(), kind=6)
        assert (await client.publish(repost))[3].startswith("blocked:")


async def test_what_is_no_answer_to_a_challenge(serve: Serve, config: RelayConfig) -> None:
    served = await serve(config, clock=lambda: NOW)
    async with wire(served.url) as client:
        early = await log_in(client, "", answer("", PUBLIC_URL))
        assert early[3].startswith("invalid:")
        challenge = await challenged(client)
        for wrong in (
            answer("another", PUBLIC_URL),
            answer(challenge, "wss://elsewhere.example"),
            answer(challenge, "no URL"),
            answer(challenge, PUBLIC_URL, at=NOW - WINDOW - 1),
            answer(challenge, PUBLIC_URL, at=NOW + WINDOW + 1),
            note(kind=1, tags=(("relay", PUBLIC_URL), ("challenge", challenge))),
        ):
            said = await log_in(client, challenge, wrong)
            assert said[:3] == ["OK", wrong.id, False]
            assert said[3].startswith("invalid:")
        true = answer(challenge, PUBLIC_URL)
        forged = true.json.replace(true.sig.encode(), MINE.sig.encode())
        await client.raw(b'["AUTH",' + forged + b"]")
        assert (await client.recv())[3] == "invalid: the signature is wrong"
        assert (await client.publish(MINE))[2] is False, "still nobody"


@pytest.mark.parametrize(
    ("url", "counts"),
    [
        ("WSS://Relay.Example.:443/nostr/", True),
        ("ws://relay.example/nostr", True),
        ("wss://relay.example/", False),
        ("wss://relay.example/nostr/inbox", False),
        ("wss://relay.example:7777/nostr", False),
        ("ws://127.0.0.1:PORT", False),
        ("ws://127.0.0.1:PORT/nostr", False),
        ("ws://localhost:PORT", False),
        ("ws://[::1]:PORT", False),
    ],
)
async def test_what_names_a_public_relay(
    serve: Serve, config: RelayConfig, url: str, counts: bool
) -> None:
    served = await serve(config, clock=lambda: NOW)
    url = url.replace("PORT", served.url.rpartition(":")[2])
    async with wire(served.url) as client:
        challenge = await challenged(client)
        said = await log_in(client, challenge, answer(challenge, url))
        assert said[2] is counts
        assert said[3] == ("" if counts else "invalid: the relay tag names another relay")
        written = note("written")
        assert (await client.publish(written))[2] is True
        request = note("", kind=62, at=NOW, tags=(("relay", url),))
        assert (await client.publish(request))[2] is True
        assert await client.stored({"kinds": [1]}) == ([] if counts else [written.id])


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_without_a_public_url_it_has_the_machines_names(serve: Serve, name: str) -> None:
    served = await serve(clock=lambda: NOW)
    url = served.url.replace("127.0.0.1", name)
    async with wire(served.url) as client:
        challenge = await challenged(client)
        assert (await log_in(client, challenge, answer(challenge, url)))[2] is True


async def test_a_connection_has_so_many_keys(serve: Serve, config: RelayConfig) -> None:
    served = await serve(config, clock=lambda: NOW)
    async with wire(served.url) as client:
        challenge = await challenged(client)
        for number in range(MOST_KEYS):
            key = SecretKey(bytes((number + 1,)) * 32)
            assert (await log_in(client, challenge, answer(challenge, PUBLIC_URL, key)))[2]
        more = await log_in(client, challenge, answer(challenge, PUBLIC_URL, OTHER))
        assert more[3].startswith("rate-limited:")
