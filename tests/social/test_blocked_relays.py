"""Relays that are blocked are dialled by no road."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.errors import InvalidData
from nostr_client.net.outcome import How
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.social.blocked_relays import BlockedRelays, known_blocks
from nostr_client.social.my_relays import MyRelays
from nostr_client.tasks import OwnedTasks
from tests.routing.rooms import BEN
from tests.social.house import ANA, DEAD, ME, House, Relay, house, relay_list, signed
from tests.waiting import until


def blocked(h: House, folder: Path) -> BlockedRelays:
    return BlockedRelays(h.courier, h.guard, ME, folder, lambda urls: None)


async def test_a_blocked_relay_is_dialled_by_no_road(tmp_path: Path) -> None:
    async with Relay() as bad, Relay() as good, house(tmp_path) as h:
        await h.keep(relay_list(ANA, bad.url, good.url), relay_list(BEN, bad.url, good.url))
        relays = blocked(h, tmp_path)
        assert await relays.add(relays.entry(f"{bad.url}/"))
        before = bad.connections
        policy, book = h.courier.book.policy, h.courier.book
        posted = await h.notes.post("hi " + nip19.encode_npub(BEN.public_key.hex))
        assert [answer.url for answer in posted.report.answers] == [good.url]
        await h.courier.fetch([Filter(authors=frozenset({BEN.public_key.hex}))], timeout=2)
        note = Filter(kinds=frozenset({1}))
        policy.allow([bad.url])  # neither the person's own word nor a hint opens it
        asked = await h.courier.fetch([note], [bad.url], timeout=2)
        assert asked.ends[bad.url].how is How.NOT_ASKED
        report = await h.rooms.pool.publish(posted.event, [bad.url], timeout=2)
        assert "blocked" in report.answers[0].problem
        book.hint(BEN.public_key.hex, bad.url, 30)
        assert not policy.from_stranger(bad.url)
        assert bad.url not in book.hints(BEN.public_key.hex)
        assert bad.url not in await book.reserve_candidates()
        assert not policy.may_be_named(bad.url)
        with pytest.raises(InvalidData, match="you blocked this relay"):
            await MyRelays(h.courier, h.guard, ME).add(bad.url)
        assert await h.follows.follow(BEN.public_key.hex), "a list is read without it"
        assert bad.connections == before
        assert await relays.remove(relays.entry(bad.url))
        asked = await h.courier.fetch([note], [bad.url], timeout=5)
        assert asked.ends[bad.url].answered


async def test_it_counts_after_a_restart_and_where_it_cannot_be_opened(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        relays = blocked(h, tmp_path)
        await relays.add(relays.entry("wss://hidden.example"))
        await relays.add(relays.entry("wss://open.example"), public=True)
        both = {"wss://hidden.example", "wss://open.example"}
        assert known_blocks(tmp_path, ME) == both
        version = await relays.event()
        assert version is not None
        assert version.tags == (("relay", "wss://open.example"),)
    async with house(tmp_path, can_sign=False) as h:
        relays, policy = blocked(h, tmp_path), h.courier.book.policy
        await relays.apply()
        assert policy.blocked == both
        newer = Draft(
            kinds.BLOCKED_RELAYS, version.content, (("relay", DEAD),), version.created_at + 9
        )
        await h.keep(newer.sign(ANA, 0))
        await relays.apply()
        assert policy.blocked == {*both, DEAD}, "what may be hidden in it still counts"
    async with house(tmp_path) as h:
        relays = blocked(h, tmp_path)
        await relays.apply()
        assert h.courier.book.policy.blocked == {"wss://hidden.example", DEAD}


async def test_what_another_process_blocks_counts_here(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        relays, policy = blocked(h, tmp_path), h.courier.book.policy
        async with OwnedTasks() as tasks:
            tasks.start(relays.keep())
            await h.keep(signed(kind=kinds.BLOCKED_RELAYS, tags=(("relay", DEAD),)))
            await until(lambda: policy.blocked == {DEAD})
        policy.own_relay = "ws://127.0.0.1:7777"
        with pytest.raises(InvalidData, match="own relay"):
            relays.entry("ws://127.0.0.1:7777")


async def test_a_connection_that_is_open_is_not_opened_again(tmp_path: Path) -> None:
    async with Relay() as bad, house(tmp_path) as h:
        pool, policy = h.rooms.pool, h.courier.book.policy
        note = Filter(kinds=frozenset({1}))
        async with pool.subscribe([note], [bad.url]):
            await until(lambda: bad.connections == 1)
            policy.blocked = frozenset({bad.url})
            pool.begin_anew(bad.url)
            await until(lambda: "blocked" in pool.health(bad.url).problem)
            assert bad.connections == 1
