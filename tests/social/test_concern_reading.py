"""What concerns the account is read where it reads, and strangers cannot flood it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.social import concern_reading
from nostr_client.social.stranger_allowance import WINDOW, StrangerAllowance
from tests.nips.zaps import receipt, request
from tests.social.house import ANA, BEN, BEN_KEY, CY, ME, START, House, Relay, house, signed
from tests.waiting import until


def people(count: int) -> list[SecretKey]:
    return [SecretKey(bytes([9]) * 30 + n.to_bytes(2)) for n in range(1, count + 1)]


def said(key: SecretKey, kind: int = 1, content: str = "", at: int = START) -> Event:
    return Draft(kind, content, (("p", ME),)).sign(key, at)


async def held(h: House, event: Event) -> None:
    await until(lambda: h.store.get(event.id))


async def test_every_sort_is_asked_for_and_kept(tmp_path: Path) -> None:
    """Also what does not name the account: quotes of its notes, votes on its polls."""
    mine = signed(ANA, content="mine")
    async with Relay() as home, Relay() as of_poll:
        poll = Draft(kinds.POLL, "?", (("relay", of_poll.url),)).sign(ANA, START)
        vote = Draft(kinds.POLL_VOTE, "", (("e", poll.id),)).sign(CY, START)
        quote = Draft(1, "see", (("q", mine.id),)).sign(CY, START)
        paid = receipt(request(21_000, to=ME, by=CY), "210n", at=START)
        named = [said(CY, kind) for kind in sorted(kinds.MENTIONING - {kinds.ZAP_RECEIPT})]
        report = said(CY, kinds.REPORT)
        for event in (*named, paid, quote, report):
            home.keep(event)
        of_poll.keep(vote)
        async with house(tmp_path, fallback=[home.url]) as h:
            await h.keep(mine, poll)
            h.sync.start()
            for event in (*named, paid, quote, vote):
                await held(h, event)
            assert await h.store.get(report.id) is None
            live = said(CY, 24, "live", START + 1)
            await home.tell(live)
            await held(h, live)


async def test_a_stranger_with_a_thousand_keys_pushes_out_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More is there than a relay is asked for: what friends wrote is asked for by itself, and of
    the strangers' an hour's allowance is kept."""
    monkeypatch.setattr(concern_reading, "BACKFILL", 20)
    monkeypatch.setattr(concern_reading, "WORDS", (2, 12))
    old = said(BEN, 24, content="long before", at=START - 500)
    flood = [said(key, at=START - n) for n, key in enumerate(people(60))]
    async with Relay(*flood, old) as home, house(tmp_path, fallback=[home.url]) as h:
        await h.keep(signed(ANA, kinds.FOLLOWS, tags=(("p", BEN_KEY),)))
        h.sync.start()
        await held(h, old)
        await until(lambda: h.concerns.refused > 0)
        assert await h.store.count([Filter.of(kinds=[1], p=[ME])]) <= 13


async def test_follow_lists_are_read_and_not_kept(tmp_path: Path) -> None:
    theirs = said(CY, kinds.FOLLOWS, at=START - 5)
    async with Relay(theirs) as home, house(tmp_path, fallback=[home.url]) as h:
        h.sync.start()
        await until(lambda: h.followers.wanted().since is not None)
        h.clock.now += 10
        new = said(people(1)[0], kinds.FOLLOWS, at=START + 5)
        await home.tell(new)
        await until(lambda: len(h.followers.before(START + 100, limit=9)) == 1)
        for event in (theirs, new):
            assert await h.store.get(event.id) is None


def test_an_allowance_is_each_ones_and_all_of_theirs_and_begins_anew() -> None:
    now = [0.0]
    allowance = StrangerAllowance(2, 3, lambda: now[0])
    assert [allowance.takes(event, "a") for event in "123"] == [True, True, False]
    assert allowance.takes("1", "a")  # it has its room
    assert [allowance.takes(event, event) for event in "45"] == [True, False]
    assert allowance.refused == 2
    now[0] = WINDOW
    assert allowance.takes("3", "a")
    now[0] = -WINDOW  # the clock was set back
    assert allowance.takes("5", "b")
