"""Every limit that the information document names is the one that is kept to, to the last one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from nostr_client.net.dial import DialOptions
from nostr_client.net.http import get
from nostr_client.nips.nip11 import MEDIA_TYPE
from nostr_client.protocol.event import Event
from relays.config.relay_config import RelayConfig
from relays.config.sections import Limits
from tests.relays.conftest import Serve
from tests.relays.talk import NOW, Wire, note, wire

each_engine = pytest.mark.usefixtures("engine")

LIMITS = Limits(
    message_bytes=4_000,
    subscriptions=3,
    filters=2,
    filter_values=5,
    max_limit=4,
    default_limit=2,
    event_tags=3,
    content_length=20,
    created_at_ahead=100,
    created_at_behind=1_000,
)
Talk = tuple[Wire, dict[str, Any]]


@pytest.fixture
async def talk(serve: Serve) -> AsyncIterator[Talk]:
    """A client, and what the relay says of its limits."""
    served = await serve(RelayConfig(limits=LIMITS), lambda: NOW)
    answer = await get(served.url, DialOptions(private=True), accept=MEDIA_TYPE)
    async with wire(served.url) as client:
        yield client, json.loads(answer.body)["limitation"]


async def taken(client: Wire, event: Event) -> bool:
    frame = await client.publish(event)
    assert frame[2] or frame[3].startswith("invalid: ")
    return bool(frame[2])


@each_engine
async def test_events(talk: Talk) -> None:
    client, said = talk
    most = said["max_content_length"]
    assert await taken(client, note("ü" * most))
    assert not await taken(client, note("ü" * (most + 1)))
    most = said["max_event_tags"]
    assert await taken(client, note(tags=(("t", "x"),) * most))
    assert not await taken(client, note(tags=(("t", "x"),) * (most + 1)))
    ahead, behind = said["created_at_upper_limit"], said["created_at_lower_limit"]
    assert await taken(client, note(at=NOW + ahead))
    assert not await taken(client, note(at=NOW + ahead + 1))
    assert await taken(client, note(at=NOW - behind))
    assert not await taken(client, note(at=NOW - behind - 1))


@each_engine
async def test_questions(talk: Talk) -> None:
    client, said = talk
    for number in range(10):
        assert await taken(client, note(f"{number}", at=NOW - number))
    assert len(await client.stored({"limit": 100})) == said["max_limit"]
    assert len(await client.stored({})) == said["default_limit"]
    most = said["max_filters"]
    assert (await client.req("f", *[{"limit": 1}] * most))[1][0] == "EOSE"
    assert (await client.req("f", *[{"limit": 1}] * (most + 1)))[1][0] == "CLOSED"
    most = said["max_filter_values"]
    assert (await client.req("v", {"kinds": list(range(most))}))[1][0] == "EOSE"
    assert (await client.req("v", {"kinds": list(range(most + 1))}))[1][0] == "CLOSED"


@each_engine
async def test_subscriptions(talk: Talk) -> None:
    client, said = talk
    for number in range(said["max_subscriptions"]):
        assert (await client.req(f"{number}", {"kinds": [9]}))[1][0] == "EOSE"
    assert (await client.req("more", {"kinds": [9]}))[1][0] == "CLOSED"
    assert (await client.req("0", {"kinds": [8]}))[1][0] == "EOSE", "it takes the place of one"
    await client.send("CLOSE", "0")
    longest = "x" * said["max_subid_length"]
    assert (await client.req(longest, {"kinds": [9]}))[1][0] == "EOSE"
    await client.send("CLOSE", longest)
    await client.send("REQ", longest + "x", {"kinds": [9]})
    assert (await client.recv())[0] in ("CLOSED", "NOTICE")


async def test_messages(talk: Talk) -> None:
    client, said = talk
    most = said["max_message_length"]
    question = '["REQ","s",{"limit":1}]'
    await client.raw(question.ljust(most))
    assert (await client.recv())[0] == "EOSE"
    await client.raw(question.ljust(most + 1))
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
