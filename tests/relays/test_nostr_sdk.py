"""A client that is not ours (nostr-sdk) publishes to the relay, asks it and listens to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import nostr_sdk as sdk

from nostr_client.protocol.event import Event
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.relays.talk import LIMIT, note, wire

WAIT = timedelta(seconds=LIMIT)


@asynccontextmanager
async def client(url: str) -> AsyncIterator[sdk.Client]:
    one = sdk.ClientBuilder().build()
    await one.add_relay(sdk.RelayUrl.parse(url))
    await one.connect(WAIT)
    try:
        yield one
    finally:
        await one.shutdown()


def ask(*filters: sdk.Filter) -> sdk.ReqTarget:
    return sdk.ReqTarget.auto(list(filters))


async def test_publish_query_and_stream(relay: RelayProcess) -> None:
    keys = sdk.Keys.generate()
    async with client(relay.url) as writer, client(relay.url) as reader, asyncio.timeout(LIMIT * 3):
        news = reader.notifications()
        mine = sdk.Filter().author(keys.public_key()).kind(sdk.Kind(1))
        await reader.subscribe(ask(mine))
        sent: list[str] = []
        for number in range(20):
            event = sdk.EventBuilder(sdk.Kind(1), f"number {number} 🤙").finalize(keys)
            output = await writer.send_event(event)
            assert not output.failed
            assert len(output.success) == 1
            sent.append(event.id().to_hex())
        came: list[str] = []
        while len(came) < len(sent):
            notification = await news.next()
            assert notification is not None
            if notification.is_NEW_EVENT():
                came.append(notification.event.id().to_hex())
        assert came == sent
        found = await reader.fetch_events(ask(mine), WAIT)
        assert {event.id().to_hex() for event in found} == set(sent)
        some = await reader.fetch_events(ask(mine.limit(5)), WAIT)
        assert len(some) == 5
        assert all(event.verify() for event in some)


async def test_refusals_are_understood(relay: RelayProcess) -> None:
    keys = sdk.Keys.generate()
    async with client(relay.url) as one, asyncio.timeout(LIMIT * 2):
        protected = sdk.EventBuilder(sdk.Kind(1), "mine").tags([sdk.Tag.parse(["-"])])
        output = await one.send_event(protected.finalize(keys))
        assert not output.success
        assert "protected" in next(iter(output.failed.values()))


async def test_replacement_and_deletion(relay: RelayProcess) -> None:
    keys = sdk.Keys.generate()
    author = sdk.Filter().author(keys.public_key())
    async with client(relay.url) as one, asyncio.timeout(LIMIT * 2):
        for number in range(3):
            profile = sdk.EventBuilder(sdk.Kind(0), f'{{"name":"{number}"}}')
            at = sdk.Timestamp.from_secs(1_700_000_000 + number)
            await one.send_event(profile.custom_created_at(at).finalize(keys))
        found = await one.fetch_events(ask(author.kind(sdk.Kind(0))), WAIT)
        assert [event.content() for event in found] == ['{"name":"2"}']
        text = sdk.EventBuilder(sdk.Kind(1), "a mistake").finalize(keys)
        await one.send_event(text)
        tag = sdk.Tag.parse(["e", text.id().to_hex()])
        await one.send_event(sdk.EventBuilder(sdk.Kind(5), "").tags([tag]).finalize(keys))
        assert await one.fetch_events(ask(author.kind(sdk.Kind(1))), WAIT) == []


async def test_what_we_publish_it_verifies_and_the_other_way(relay: RelayProcess) -> None:
    ours = note('a "quoted" \\ line\nbreak \u2028 \t ü 🤙')
    keys = sdk.Keys.generate()
    theirs = sdk.EventBuilder(sdk.Kind(1), ours.content).finalize(keys)
    async with client(relay.url) as one, wire(relay.url) as ourselves, asyncio.timeout(LIMIT * 2):
        await ourselves.publish(ours)
        await one.send_event(theirs)
        found = await one.fetch_events(ask(sdk.Filter().kind(sdk.Kind(1))), WAIT)
        assert {event.id().to_hex() for event in found} == {ours.id, theirs.id().to_hex()}
        assert all(event.verify() and event.content() == ours.content for event in found)
        await ourselves.send("REQ", "s", {"ids": [theirs.id().to_hex()]})
        frame = await ourselves.recv()
        assert Event.from_dict(frame[2]).verify()
