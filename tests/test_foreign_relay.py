"""Our client on a relay that is not ours: the one that nostr-sdk carries (Rust)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import nostr_sdk
import pytest

from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.tasks import all_of
from tests.waiting import until

LIMIT = 30.0
DAY = 86_400
ANA, BEN = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)
CONFIG = ClientConfig(allow_private_relays=("127.0.0.1",), own_relay=False)


@asynccontextmanager
async def foreign_relay(builder: nostr_sdk.LocalRelayBuilder) -> AsyncIterator[str]:
    relay = builder.addr("127.0.0.1").build()
    await asyncio.wait_for(relay.run(), LIMIT)
    try:
        yield str(await relay.url())
    finally:
        relay.shutdown()


@asynccontextmanager
async def person(folder: Path, key: SecretKey, url: str) -> AsyncIterator[NostrClient]:
    paths = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(
        LocalSigner(key), paths=paths, config=CONFIG, relays=[url], key_only_here=True
    ) as client:
        yield client


async def first(feed: AsyncIterator[Event]) -> Event:
    async with asyncio.timeout(LIMIT):
        return await anext(feed)


async def test_write_read_answer_and_follow(tmp_path: Path) -> None:
    async with (
        foreign_relay(nostr_sdk.LocalRelayBuilder()) as url,
        person(tmp_path / "ana", ANA, url) as ana,
        person(tmp_path / "ben", BEN, url) as ben,
    ):
        assert await ana.relays.first_run([url]) is not None
        assert await ana.profiles.update(name="ana") is not None
        posted = await ana.post("hello from the other side")
        assert len(posted.report.accepted) == 1

        assert await ben.follows.follow(ANA.public_key.hex) is not None
        ben.start_reading()
        (view,) = await until(ben.timeline.home)
        assert view.event == posted.event

        answer = await ben.reply(posted.event.id, "heard")
        assert len(answer.report.accepted) == 1
        found = await ana.fetch(Filter.of(e=[posted.event.id], kinds=[1]))
        assert [event.id for event in found] == [answer.event.id]
        assert (await ben.profiles.get(ANA.public_key.hex)).label == "ana"


async def test_what_nostr_sdk_wrote_arrives_live(tmp_path: Path) -> None:
    async with (
        foreign_relay(nostr_sdk.LocalRelayBuilder()) as url,
        person(tmp_path / "ana", ANA, url) as ana,
    ):
        feed = ana.feed(Filter.of(kinds=[1]), relays=[url])
        arriving = asyncio.create_task(first(feed))
        theirs = nostr_sdk.ClientBuilder().build()
        await theirs.add_relay(nostr_sdk.RelayUrl.parse(url))
        await theirs.connect(timedelta(seconds=LIMIT))
        keys = nostr_sdk.Keys.generate()
        event = nostr_sdk.EventBuilder(nostr_sdk.Kind(1), "from rust").finalize(keys)
        await theirs.send_event(event)
        assert (await arriving).id == event.id().to_hex()
        await theirs.shutdown()


@pytest.mark.parametrize("mode", ["WRITE", "BOTH"])
async def test_a_relay_of_ones_own_that_wants_authentication(tmp_path: Path, mode: str) -> None:
    wall = nostr_sdk.LocalRelayBuilderNip42(mode=nostr_sdk.LocalRelayBuilderNip42Mode[mode])
    async with (
        foreign_relay(nostr_sdk.LocalRelayBuilder().nip42(wall)) as url,
        person(tmp_path / "ana", ANA, url) as ana,
    ):
        posted = await ana.post("past the wall")
        assert len(posted.report.accepted) == 1, str(posted.report)
        fetched = await ana.pool.fetch([Filter.of(ids=[posted.event.id])], [url])
        assert [event.id for event in fetched.events] == [posted.event.id]


@pytest.mark.slow
async def test_a_year_comes_back_from_foreign_relays(tmp_path: Path) -> None:
    """Each has a part; one shows no more than 50 events in an answer."""
    begin = int(time.time()) - 360 * DAY
    notes = [
        Draft(1, f"day {day}", created_at=begin + day * DAY).sign(ANA, begin + day * DAY)
        for day in range(360)
    ]
    quick = nostr_sdk.RateLimit(max_reqs=1_000, notes_per_minute=10_000)
    wide = nostr_sdk.LocalRelayBuilder().rate_limit(quick)
    narrow = wide.default_filter_limit(50).max_filter_limit(50)
    async with (
        foreign_relay(wide) as one,
        foreign_relay(narrow) as other,
        person(tmp_path / "ana", ANA, one) as ana,
    ):
        for url, part in ((one, notes[:220]), (other, notes[180:])):
            reports = await all_of(ana.pool.publish(note, [url]) for note in part)
            assert all(report.accepted for report in reports)
        done = await ana.comparisons.fetch([one, other])
        assert [compared.complete for compared in done] == [True, True], done
        mine = await ana.store.query([Filter.of(authors=[ana.pubkey], kinds=[1])])
        assert {note.id for note in mine} == {note.id for note in notes}
        print([(found.road.value, found.why, found.requests, found.received) for found in done])
