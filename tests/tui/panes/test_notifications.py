"""The section of the notifications: grouped, by day, seen once it was opened; zaps are claimed
until the person looks."""

from __future__ import annotations

import datetime
import time
from dataclasses import replace

import msgspec
import pytest
from textual.style import Style

from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.social.notification_views import Notification, NotificationSort, StrangersFold
from nostr_client.social.views import Profile, ZapSum
from nostr_client.tui.app import NostrApp
from nostr_client.tui.notification_renderer import (
    NotificationRenderer,
    day_words,
    items_of,
    zap_words,
)
from nostr_client.tui.panes.notifications import target_of_row
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.targets import AddressTarget, NoteTarget, PersonTarget
from tests.nips.zaps import PROVIDER, receipt, request
from tests.tui.test_hostile import DETECTED, HOSTILE
from tests.tui.world import NARROW, WIDE, World, sees, shown, told
from tests.waiting import until

SEEN_FILE = "seen-{}.json"
LATELY = 5
"""Seconds: of today, but for the first ones of a day."""


async def furnish(world: World, *, lately: int = LATELY) -> None:
    """Ben, cy, eve, fay and gus like a note of ana's; others write."""
    me = world.pubkey("ana")
    roof = world.note("ana", "The library roof is fixed.", 90_000)
    to_roof = (("e", roof.id), ("p", me))
    friends = ("ben", "cy", "eve", "fay", "gus")
    await world.put(
        world.follows("ana", *friends),
        *(world.named(name) for name in (*friends, "dee")),
        world.event("ana", 0, '{"name":"ana","lud16":"ana@roof.example"}', ago=10**6),
        roof,
        *(world.event(name, 7, "+", to_roof, lately) for name in friends),
        world.note("cy", "And the coffee was good!", lately + 1, to_roof),
        world.event("dee", 7, "+", to_roof, lately + 2),
        world.note("dee", "Buy this.", lately + 3, (("p", me),)),
        receipt(
            request(21_000, e=roof.id, to=me, by=world.person("ben"), content="for the roof"),
            "210n",
            at=world.now - lately - 4,
        ),
    )


async def seen_before(world: World) -> None:
    """All was seen up to an hour ago."""
    path = world.where.data / SEEN_FILE.format(world.pubkey("ana")[:16])
    path.write_bytes(msgspec.json.encode({"until": world.now - 3600}))


@pytest.mark.slow
async def test_a_visit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are grouped; what is new is marked, and seen once they were opened; zaps are claimed
    until the person opens them; enter opens what it is about; x shows who it was."""
    asked = []

    async def get(url: str, dial: DialOptions, **limits: float) -> http.Response:
        asked.append(url)
        answer = {"allowsNostr": True, "nostrPubkey": PROVIDER.public_key.hex}
        return http.Response(200, {}, msgspec.json.encode(answer))

    monkeypatch.setattr(http, "get", get)
    await furnish(world)
    await seen_before(world)
    await world.watched("ana")
    async with world.at_home(NARROW) as (app, pilot):
        main = app.main
        assert main is not None
        view = main.views["notifications"]
        await until(lambda: view.mark == "3")
        await pilot.press("2")
        await sees(app, "and 4 others")
        text = shown(app)
        for words in ("The library roof is fixed.", "And the coffee was good!", "21 sats claimed"):
            assert words in text
        assert "2 from people nobody you know follows · x shows" in text
        assert "Buy this" not in text
        assert "● ♥" in text  # new, and not by its colour alone
        await until(lambda: view.mark == "")
        assert main.client.notifications.seen_until >= world.now - LATELY

        await pilot.press("x")
        await sees(app, "gus\n")
        await pilot.press("x", "j", "enter")  # the answer itself
        await until(lambda: selected(app) == "And the coffee was good!")
        await pilot.press("escape")
        await until(lambda: app.screen is main)
        await pilot.press("G", "enter")
        await sees(app, "Buy this.")
        await pilot.press("j", "p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await pilot.press("escape")
        await until(lambda: app.screen is main)

        await pilot.press("]")
        await sees(app, "[mentions]")
        await until(lambda: "4 others" not in shown(app) and "coffee" in shown(app))
        await pilot.press("]", "]")
        await sees(app, "Nobody began to follow you")
        assert asked == []
        await pilot.press("]")
        await sees(app, "21 sats claimed")
        await pilot.press("enter")
        await until(lambda: selected(app) == "The library roof is fixed.")
        assert asked == ["https://roof.example/.well-known/lnurlp/ana"]
        await pilot.press("z")
        await told(app, "21 sats are checked")
        await pilot.press("escape")
        await until(lambda: "21 sats" in shown(app) and "claimed" not in shown(app))

        await pilot.press("1", "2", "]")  # another visit: nothing is new
        await sees(app, "[all]")
        await until(lambda: " ♥" in shown(app) and "● ♥" not in shown(app))
        late = world.note("ben", "A little late.", LATELY + 10, (("p", world.pubkey("ana")),))
        await main.client.store.save([late])
        await sees(app, "A little late.")


def selected(app: NostrApp) -> str:
    """The note under the cursor of a thread that was opened."""
    if not isinstance(app.screen, ThreadScreen):
        return ""
    note = app.screen.panel.notes.note
    return note.event.content if note is not None else ""


@pytest.mark.slow
async def test_whatever_strangers_write_is_shown_as_text(world: World) -> None:
    me = world.pubkey("ana")
    mine = world.note("ana", HOSTILE, 100)
    to_mine = (("e", mine.id), ("p", me))
    await world.put(
        world.follows("ana", "eve"),
        world.event("eve", 0, msgspec.json.encode({"name": HOSTILE}).decode(), ago=900),
        mine,
        world.note("eve", HOSTILE, 9, to_mine),
        world.event("eve", 7, HOSTILE, to_mine, 8),
        world.event("eve", 24, HOSTILE, (("p", me), ("alt", HOSTILE)), 7),
        world.event("eve", 9735, HOSTILE, (*to_mine, ("bolt11", HOSTILE)), 6),
        receipt(
            request(21_000, to=me, by=world.person("eve"), content=HOSTILE),
            "210n",
            at=world.now - 5,
        ),
    )
    await world.watched("ana")
    async with world.at_home(WIDE) as (app, pilot):
        await pilot.press("2")
        await sees(app, "21 sats claimed")
        await sees(app, "♥")
        await pilot.press("g", "x", "j", "x")
        text = shown(app)
        for character in DETECTED:
            assert character not in text


def row(sort: NotificationSort, **fields: object) -> Notification:
    plain = Notification(sort.value, sort, datetime.date(2026, 1, 2), 5, ("ab" * 32,), 1)
    return replace(plain, **fields)  # type: ignore[arg-type]


def test_a_row_leads_to_what_it_is_about(world: World) -> None:
    note = world.note("ben", "x")
    assert target_of_row(
        row(NotificationSort.REPLY, event=note, target_id="cd" * 32)
    ) == NoteTarget(note.id)
    assert target_of_row(
        row(NotificationSort.REACTION, event=note, target_id="cd" * 32)
    ) == NoteTarget("cd" * 32)
    assert target_of_row(
        row(NotificationSort.REACTION, target=note, target_id=note.id)
    ) == NoteTarget(note.id)
    assert target_of_row(row(NotificationSort.REPOST, target_id="30023:a:b")) == AddressTarget(
        "30023:a:b"
    )
    assert target_of_row(row(NotificationSort.FOLLOW)) == PersonTarget("ab" * 32)


def test_days_and_amounts_in_words() -> None:
    now = time.mktime((2026, 3, 12, 18, 40, 0, 0, 0, -1))
    day = datetime.date(2026, 3, 12)
    words = [day_words(day - datetime.timedelta(days=n), now) for n in (-1, 0, 1, 2, 400)]
    assert words == ["today", "today", "yesterday", "10 Mar", "5 Feb 2025"]
    assert zap_words(ZapSum(21_000, 0, 0)) == "21 sats"
    assert zap_words(ZapSum(0, 10**9, 1)) == "1,000,000 sats claimed"
    assert zap_words(ZapSum(1_500_000, 999, 1)) == "1,500 sats, <1 sats claimed"
    assert zap_words(ZapSum()) == ""


def test_a_fold_shows_its_rows_and_they_their_people() -> None:
    inside = row(NotificationSort.REACTION, people=("ab" * 32, "cd" * 32), count=2)
    fold = StrangersFold("fold", inside.day, 5, 2, (inside,))
    keys = [item.key for item in items_of([fold], {"fold", "reaction"}, 0, 0.0)]
    assert keys == ["fold", "reaction", f"reaction/{'ab' * 32}", f"reaction/{'cd' * 32}"]
    assert len(items_of([fold], set(), 0, 0.0)) == 1
    assert items_of([fold], set(), 4, 0.0)[0].fresh
    assert not items_of([fold], set(), 5, 0.0)[0].fresh


def test_a_namesake_is_warned_of_and_a_crowd_shows_its_words_when_it_is_opened(
    world: World,
) -> None:
    ben, eve, note = "ab" * 32, "cd" * 32, world.note("eve", "all of you")
    renderer = NotificationRenderer(
        lambda pubkey: "ben",
        lambda event: "",
        namesake=lambda pubkey: Profile(ben, name="ben\x1b[2J") if pubkey == eve else None,
    )

    def seen(shown: Notification, opened: tuple[str, ...] = ()) -> list[str]:
        items = items_of([shown], opened, 0, 0.0)
        return [renderer.lines(item, 120, lambda name: Style())[-1].plain for item in items]

    one = row(NotificationSort.MENTION, event=note, people=(eve,))
    assert "(not the ben you follow) all of you" in seen(one)[0]
    assert "not the" not in seen(replace(one, people=(ben,)))[0]
    loud = replace(one, crowd=25, said=3, count=2, people=(ben, eve))
    folded, *rest = seen(loud)
    assert "tags 25 people, 3 notes · x shows, m mutes" in folded
    assert "all of you" not in folded
    assert rest == []
    opened = seen(loud, (loud.key,))
    assert "all of you" in opened[0]
    assert [line.strip() for line in opened[1:]] == ["ben", "ben (not the ben you follow)"]
