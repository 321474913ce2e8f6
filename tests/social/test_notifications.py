"""Notifications: what concerns the account and how, put together by day, strangers folded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.social import notifications
from nostr_client.social.mutes import muted_thread
from nostr_client.social.notification_views import (
    Notification,
    NotificationPage,
    NotificationRow,
    NotificationSort,
    NotificationTab,
    StrangersFold,
)
from nostr_client.social.seen_mark import SeenMark
from nostr_client.social.views import ZapSum
from nostr_client.social.zaps import Zaps
from tests.nips.zaps import LNURL, PROVIDER, receipt, request
from tests.social.house import ANA, BEN, BEN_KEY, CY, CY_KEY, ME, START, House, house

DAY = 86_400
DEE = SecretKey(bytes.fromhex("d4" * 32))
DEE_KEY = DEE.public_key.hex
NOON = START - START % DAY + DAY + DAY // 2
"""Far from any time zone's midnight, but for the furthest."""


def by(key: SecretKey, kind: int, *tags: Sequence[str], content: str = "", at: int = NOON) -> Event:
    return Draft(kind, content, tuple(tuple(tag) for tag in tags)).sign(key, at)


def follows(key: SecretKey, *people: str) -> Event:
    return by(key, kinds.FOLLOWS, *(("p", person) for person in people), at=NOON - 10 * DAY)


def to_me(event: Event) -> Tags:
    return (("e", event.id), ("p", ME))


def shown(rows: Sequence[NotificationRow]) -> list[tuple[str, int]]:
    return [
        (row.sort.value if isinstance(row, Notification) else "fold", row.count) for row in rows
    ]


async def read(h: House, tab: NotificationTab = NotificationTab.ALL) -> list[NotificationRow]:
    page = await h.notifications.page(tab)
    assert page.until is None
    return list(page.rows)


NOTE = by(ANA, 1, content="The roof is fixed.", at=NOON - DAY)
POLL = by(ANA, kinds.POLL, ("option", "a", "yes"), content="Sunday?", at=NOON - DAY)
ARTICLE = by(ANA, 30023, ("d", "roof"), content="All of it", at=NOON - DAY)
THEIRS = by(CY, 1, content="Ana knows.", at=NOON - 2 * DAY)


async def test_what_concerns_the_account_and_how(tmp_path: Path) -> None:
    """Each sort, and beside it what only looks like it."""
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        address = ARTICLE.address or ""
        expected = {
            by(BEN, 1, *to_me(NOTE), content="a reply"): "reply",
            by(BEN, 1, ("e", "ab" * 32), ("p", ME), content="to a note not here"): "reply",
            by(BEN, 1111, ("A", address), ("K", "30023"), ("a", address), ("p", ME)): "reply",
            by(BEN, 1244, ("E", NOTE.id), ("e", NOTE.id), ("p", ME)): "reply",
            by(BEN, 1, ("p", ME), content="a mention"): "mention",
            by(BEN, 1, *to_me(THEIRS), content="to cy, naming me"): "mention",
            by(BEN, 1, ("q", NOTE.id), ("p", ME), content="a quote"): "quote",
            by(BEN, 1, ("q", NOTE.id), content="that does not name me"): "quote",
            by(BEN, 24, ("p", ME), content="come over"): "message",
            by(BEN, 7, *to_me(NOTE), content="+"): "reaction",
            by(BEN, 7, ("a", address), ("p", ME), content="+"): "reaction",
            by(BEN, 6, *to_me(NOTE)): "repost",
            by(BEN, 16, ("e", NOTE.id), ("k", "1"), ("p", ME)): "repost",
            by(BEN, kinds.POLL_VOTE, ("e", POLL.id), ("response", "a")): "vote",
            by(BEN, 7, *to_me(THEIRS), content="of a note by cy"): "",
            by(BEN, 6, *to_me(THEIRS)): "",
            by(BEN, 1, ("q", THEIRS.id), content="of another"): "",
            by(ANA, 1, *to_me(NOTE), content="my own"): "",
            by(BEN, kinds.REPORT, *to_me(NOTE)): "",
            by(BEN, 7, ("e", "not an id"), ("p", ME), content="+"): "",
            **{
                by(BEN, 7, ("a", no_address), ("p", ME), content="+"): ""
                for no_address in ("30023:a", f"30023:{ME}", f"x:{ME}:y", f"{'9' * 5000}:{ME}:")
            },
            by(BEN, 9735, ("p", CY_KEY), ("x", ME)): "",
        }
        await h.keep(follows(ANA, BEN_KEY), NOTE, POLL, ARTICLE, THEIRS, *expected)
        found: dict[str, list[str]] = {}
        for row in await read(h):
            assert isinstance(row, Notification)
            assert row.people == (BEN_KEY,)
            if row.sort.is_said and row.event is not None:
                found.setdefault(row.sort.value, []).append(row.event.content)
            else:
                found.setdefault(row.sort.value, []).append(row.target_id)
        said = {NotificationSort.REPLY, NotificationSort.MENTION, NotificationSort.QUOTE}
        for sort in (*said, NotificationSort.MESSAGE):
            wanted = sorted(e.content for e, name in expected.items() if name == sort)
            assert sorted(found.pop(sort.value)) == wanted, sort
        assert {name: sorted(targets) for name, targets in found.items()} == {
            "reaction": sorted([NOTE.id, address]),
            "repost": [NOTE.id],
            "vote": [POLL.id],
        }


async def test_what_is_only_counted_is_put_together_by_day_and_what_it_is_about(
    tmp_path: Path,
) -> None:
    keys = [SecretKey(bytes([7]) * 31 + bytes([n])) for n in range(1, 6)]
    other = by(ANA, 1, content="another", at=NOON - DAY)
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        people = [key.public_key.hex for key in keys]
        await h.keep(follows(ANA, *people), NOTE, other)
        await h.keep(
            *(by(k, 7, *to_me(NOTE), content="🎉", at=NOON + n) for n, k in enumerate(keys))
        )
        await h.keep(by(keys[0], 7, *to_me(NOTE), content="+", at=NOON + 100))  # the same person
        await h.keep(by(keys[0], 7, *to_me(other), content="+", at=NOON - 2))
        await h.keep(by(keys[1], 7, *to_me(NOTE), content="+", at=NOON - DAY + 1))
        await h.keep(by(keys[2], 6, *to_me(NOTE), at=NOON - 1))
        rows = await read(h)
        assert shown(rows) == [("reaction", 5), ("repost", 1), ("reaction", 1), ("reaction", 1)]
        first = rows[0]
        assert isinstance(first, Notification)
        assert first.people == (people[0], *reversed(people[1:]))  # the newest first
        assert (first.at, first.marks, first.target) == (NOON + 100, ("+", "🎉"), NOTE)
        assert len({row.key for row in rows}) == 4
        assert shown(await read(h, NotificationTab.REACTIONS)) == shown(rows)
        for tab in (NotificationTab.MENTIONS, NotificationTab.ZAPS, NotificationTab.FOLLOWS):
            assert await read(h, tab) == []


async def test_a_thread_that_tags_a_crowd_is_one_row_of_the_day(tmp_path: Path) -> None:
    crowd = [("p", f"{n:064x}") for n in range(1, 25)]
    root = ("e", "ab" * 32, "", "root")
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        await h.keep(follows(ANA, BEN_KEY, CY_KEY))
        loud = [
            by(key, 1, root, ("p", ME), *crowd, content=f"hi {n}", at=NOON + n)
            for n, key in enumerate((BEN, CY, BEN))
        ]
        calm = by(BEN, 1, ("p", ME), *crowd[:19], content="to twenty", at=NOON - 5)
        before = by(CY, 1, root, ("p", ME), *crowd, content="yesterday", at=NOON - DAY)
        await h.keep(*loud, calm, before)
        rows = await read(h)
        assert [row.crowd for row in rows if isinstance(row, Notification)] == [25, 0, 25]
        first = rows[0]
        assert isinstance(first, Notification)
        assert (first.said, first.people, first.event) == (3, (BEN_KEY, CY_KEY), loud[-1])
        assert len({row.key for row in rows}) == 3
        assert await h.notifications.unseen() == 2
        assert await h.mutes.add(muted_thread(loud[0]))
        assert [row.count for row in await read(h)] == [1]


async def test_strangers_are_folded_and_friends_of_friends_are_none(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        crowd = [SecretKey(bytes([8]) * 31 + bytes([n])) for n in range(1, 8)]
        await h.keep(follows(ANA, BEN_KEY), follows(BEN, CY_KEY), NOTE)
        await h.keep(by(CY, 7, *to_me(NOTE), content="+"))
        await h.keep(*(by(k, 7, *to_me(NOTE), content="+", at=NOON + 5) for k in crowd))
        await h.keep(by(DEE, 1, ("p", ME), content="buy this", at=NOON + 9))
        known, fold = await read(h)
        assert isinstance(known, Notification)
        assert known.people == (CY_KEY,)
        assert isinstance(fold, StrangersFold)
        assert fold.count == 8
        assert shown(fold.rows) == [("mention", 1), ("reaction", 7)]
        assert await h.notifications.unseen() == 1
        await h.notifications.mark_seen(NOON + 5000)
        h.clock.now += 10
        await h.keep(by(DEE, 1, ("p", ME), content="again", at=NOON + 5005))
        assert await h.notifications.unseen() == 0
        await h.keep(by(CY, 1, ("p", ME), content="hello", at=NOON + 5006))
        assert await h.notifications.unseen() == 1
        assert shown(await h.notifications.since(NOON + 5005)) == [("mention", 1)]
        assert shown(await h.notifications.since(NOON - 1)) == [("mention", 1), ("reaction", 1)]
        assert await h.notifications.since(NOON + 5006) == []


async def test_whom_the_account_muted_does_not_show(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        await h.keep(follows(ANA, BEN_KEY, CY_KEY), NOTE)
        await h.keep(by(BEN, 7, *to_me(NOTE), content="+"), by(CY, 7, *to_me(NOTE), content="+"))
        await h.keep(receipt(request(21_000, e=NOTE.id, to=ME, by=BEN), "210n", at=NOON - 1))
        assert shown(await read(h)) == [("reaction", 2), ("zap", 1)]
        await h.keep(by(ANA, kinds.MUTES, ("p", BEN_KEY)))
        await h.mutes.apply()
        assert shown(await read(h)) == [("reaction", 1)]


async def test_a_page_is_whole_days_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "CHUNK", 4)
    monkeypatch.setattr(notifications, "MOST_READ", 8)
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        await h.keep(follows(ANA, BEN_KEY), NOTE)
        said = [
            by(BEN, 1, ("p", ME), content=f"{day}.{n}", at=NOON - day * DAY + n)
            for day, many in ((0, 2), (1, 3), (2, 20), (3, 1))
            for n in range(many)
        ]
        await h.keep(*said)
        page, pages = await h.notifications.page(), [list[str]()]

        def contents(page: NotificationPage) -> list[str]:
            rows = [row for row in page.rows if isinstance(row, Notification)]
            return [row.event.content for row in rows if row.event is not None]

        pages = [contents(page)]
        keys = {row.key for row in page.rows}
        while page.until is not None:
            page = await h.notifications.page(until=page.until)
            pages.append(contents(page))
            keys |= {row.key for row in page.rows}
        assert pages[0] == ["0.1", "0.0"]
        assert [one for page in pages for one in page] == [
            event.content for event in sorted(said, key=lambda e: e.order)
        ]
        assert len(keys) == len(said)
        assert all(len(page) <= 8 for page in pages)


async def test_many_of_one_second_are_all_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notifications, "CHUNK", 3)
    monkeypatch.setattr(notifications, "MOST_READ", 6)
    async with house(tmp_path) as h:
        h.clock.now = NOON + 5000
        await h.keep(follows(ANA, BEN_KEY))
        await h.keep(*(by(BEN, 1, ("p", ME), content=str(n)) for n in range(60)))
        found, until = set[str](), None
        for _ in range(30):
            page = await h.notifications.page(until=until)
            found |= {row.key for row in page.rows}
            if (until := page.until) is None:
                break
        assert len(found) == 60


async def test_who_began_to_follow_is_told_once(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.clock.now = NOON
        friends = await h.acquaintances.friends()
        take = h.followers.take
        old = by(BEN, kinds.FOLLOWS, ("p", ME), at=NOON - DAY)
        assert await take([old], friends) == 0  # followed already when we first looked
        assert await take([by(BEN, kinds.FOLLOWS, ("p", ME), at=NOON + 5)], friends) == 0
        h.clock.now += 100
        new = by(CY, kinds.FOLLOWS, ("p", BEN_KEY), ("p", ME), at=NOON + 50)
        other = by(DEE, kinds.FOLLOWS, ("p", BEN_KEY), at=NOON + 51)
        assert await take([new, other], friends) == 1
        assert await take([by(CY, kinds.FOLLOWS, ("p", ME), at=NOON + 60)], friends) == 0
        await h.keep(follows(ANA, CY_KEY))
        [row] = await read(h, NotificationTab.FOLLOWS)
        assert isinstance(row, Notification)
        assert (row.sort, row.people, row.at) == (NotificationSort.FOLLOW, (CY_KEY,), NOON + 50)
        assert shown(await read(h)) == [("follow", 1)]
    async with house(tmp_path) as h:  # and it is on disk
        h.clock.now = NOON + 200
        assert shown(await read(h)) == [("follow", 1)]


async def test_a_thousand_new_keys_that_follow_are_an_hour_of_few(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.clock.now = NOON
        await h.followers.take([by(BEN, kinds.FOLLOWS, ("p", ME), at=NOON)], ())
        h.clock.now += 10
        template = by(BEN, kinds.FOLLOWS, ("p", ME), at=NOON + 5)
        crowd = [msgspec.structs.replace(template, pubkey=f"{n:064x}") for n in range(1, 1001)]
        friend = msgspec.structs.replace(template, pubkey=CY_KEY)
        assert await h.followers.take([*crowd, friend], {CY_KEY}) == 61
        [fold] = await read(h)
        assert isinstance(fold, StrangersFold)
        assert fold.count == 61
        h.clock.now += 3700
        assert await h.followers.take(crowd, {CY_KEY}) == 60


async def test_a_damaged_file_of_followers_is_none_and_tells_no_news(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        for damage in (b"", b"{", b"[]", b'{"since":7}', b'{"since":{"x":"y"}}', b"\xff"):
            (tmp_path / "followers.json").write_bytes(damage)
            assert h.followers.before(NOON, limit=5) == []
        assert await h.followers.take([by(BEN, kinds.FOLLOWS, ("p", ME), at=START)], ()) == 0


async def test_what_was_seen_is_on_disk_and_never_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    one, other = SeenMark(path, 100), SeenMark(path, 300)
    await one.begin()
    assert (one.until, other.until) == (100, 100)  # not when the other process began
    await other.move(150)
    assert one.until == 150
    await one.move(120)
    assert (one.until, other.until, SeenMark(path, 500).until) == (150, 150, 150)
    path.write_bytes(b"{")
    assert (one.until, SeenMark(path, 500).until) == (150, 500)
    await one.move(160)
    assert other.until == 160


async def test_unseen_are_those_after_the_mark_and_nothing_from_the_future_hides_others(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as h:
        h.clock.now = NOON
        await h.keep(follows(ANA, BEN_KEY), NOTE, by(BEN, 1, ("p", ME), content="old", at=NOON))
        assert h.notifications.seen_until == START  # when this began
        await h.notifications.mark_seen(NOON)
        assert await h.notifications.unseen() == 0
        h.clock.now = NOON + 100
        new = by(BEN, 1, ("p", ME), content="new", at=NOON + 50)
        early = by(BEN, 1, ("p", ME), content="dated ahead", at=NOON + 500)
        await h.keep(new, early)
        assert await h.notifications.unseen() == 2
        await h.notifications.mark_seen(NOON + 500)
        assert h.notifications.seen_until == NOON + 100
        h.clock.now = NOON + 200
        await h.keep(by(BEN, 1, ("p", ME), content="after that", at=NOON + 150))
        assert await h.notifications.unseen() == 2
    async with house(tmp_path) as h:
        h.clock.now = NOON + 300
        assert await h.notifications.unseen() == 2


async def test_nobody_has_no_notifications(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        h.notifications._owner = ""
        assert (await h.notifications.page()).rows == ()
        assert await h.notifications.unseen() == 0


# Zaps


class Provider:
    """Stands in for the web: what each URL answers, and which were asked."""

    def __init__(self, status: int = 200, pubkey: str = PROVIDER.public_key.hex) -> None:
        self.asked: list[str] = []
        self.body = msgspec.json.encode({"allowsNostr": True, "nostrPubkey": pubkey})
        self.status = status

    async def get(self, url: str, dial: DialOptions, **limits: float) -> http.Response:
        self.asked.append(url)
        assert limits["max_bytes"] <= 2**16
        assert limits["timeout"] <= 10
        return http.Response(self.status, {}, self.body)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Provider:
    there = Provider()
    monkeypatch.setattr(http, "get", there.get)
    return there


PROFILE = by(ANA, 0, content='{"name":"ana","lud16":"ana@roof.example"}', at=NOON - DAY)


async def test_a_zap_is_claimed_until_the_provider_vouches_for_it(
    tmp_path: Path, provider: Provider
) -> None:
    async with house(tmp_path, media=DialOptions()) as h:
        h.clock.now, zaps = NOON + 100, h.zaps
        asked = request(21_000, e=NOTE.id, to=ME, by=BEN)
        good = receipt(asked, "210n", at=NOON)
        twin = receipt(asked, "210n", at=NOON + 1)
        liar = receipt(request(10**9, e=NOTE.id, to=ME, by=BEN), "10m", by=DEE, at=NOON + 2)
        broken = receipt(request(7_000, e=NOTE.id, to=ME, by=BEN), "210n", by=DEE, at=NOON + 3)
        await h.keep(follows(ANA, BEN_KEY), NOTE, PROFILE, good, twin, liar, broken)
        row, fold = await read(h, NotificationTab.ZAPS)
        assert isinstance(row, Notification)
        assert row.people == (BEN_KEY,)
        assert row.zapped == ZapSum(0, 10**9 + 21_000, 2)
        assert provider.asked == []  # nobody opened anything
        assert isinstance(fold, StrangersFold)  # what does not hold is its writer's, a stranger's
        assert fold.rows[0].people == (DEE_KEY,)
        assert fold.rows[0].zapped == ZapSum()
        assert "another amount" in zaps.problem(broken)

        assert await zaps.look_up(row.receipts) == ""
        assert provider.asked == ["https://roof.example/.well-known/lnurlp/ana"]
        row, _ = await read(h, NotificationTab.ZAPS)
        assert isinstance(row, Notification)
        assert row.zapped == ZapSum(21_000, 10**9, 1)  # what the liar claims stays claimed
        assert (await h.timeline.tallies([NOTE.id]))[NOTE.id].zapped == row.zapped
        checked = {view.id: view.zap_checked for view in await h.views.of([good, liar, NOTE])}
        assert checked == {good.id: True, liar.id: False, NOTE.id: False}
        await zaps.look_up(row.receipts)
        assert len(provider.asked) == 1  # kept
        h.clock.now += 2 * DAY
        assert not zaps.is_checked(zaps.read(good) or pytest.fail("not read"))
        await zaps.look_up([good])
        assert len(provider.asked) == 2


async def test_a_provider_may_be_named_by_a_code(tmp_path: Path, provider: Provider) -> None:
    good = receipt(request(21_000, e=NOTE.id, to=ME, by=BEN), "210n", at=NOON)
    async with house(tmp_path, media=DialOptions()) as h:
        await h.keep(by(ANA, 0, content=f'{{"name":"ana","lud06":"{LNURL}"}}', at=NOON - DAY))
        h.clock.now = NOON + 100
        assert await h.zaps.look_up([good]) == ""
        assert provider.asked == ["https://roof.example/.well-known/lnurlp/ana"]
        assert h.zaps.sum_of([good]) == ZapSum(21_000, 0, 0)


async def test_where_nobody_vouches_zaps_stay_claimed(tmp_path: Path, provider: Provider) -> None:
    good = receipt(request(21_000, e=NOTE.id, to=ME, by=BEN), "210n", at=NOON)
    async with house(tmp_path) as h:
        assert "media" in await h.zaps.look_up([good])
        zaps = Zaps(h.profiles, DialOptions(), h.clock)
        assert "no lightning address" in await zaps.look_up([good])
        assert provider.asked == []
        await h.keep(PROFILE)
        provider.status = 500
        h.clock.now += 900
        assert "status 500" in await zaps.look_up([good])
        assert await zaps.look_up([good]) == ""  # not asked again so soon
        assert len(provider.asked) == 1
        assert zaps.sum_of([good]) == ZapSum(0, 21_000, 1)
