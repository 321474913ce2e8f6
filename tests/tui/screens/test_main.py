"""The main screen: its sections, its lists and what arrives in them."""

from __future__ import annotations

import pytest

from nostr_client.errors import StoreFull
from nostr_client.nips import nip19
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.targets import PersonTarget
from nostr_client.tui.widgets import note_list
from tests.routing.moody import Relay
from tests.tui.world import (
    BOTH,
    NARROW,
    NEAR,
    WIDE,
    World,
    burst,
    furnish,
    sees,
    shown,
    told,
    until,
)


@pytest.mark.parametrize("size", [NARROW, WIDE])
async def test_home(world: World, size: tuple[int, int]) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        await sees(app, "Passed on.")
        text = shown(app)
        for words in (
            *("cy · 3m · repost of dee", "Passed on.", "ana · 20m", "My own words."),
            *("cy · 1h · to ben", "And the coffee was good!", "♥1", "The library roof is fixed."),
        ):
            assert words in text
        assert "A stranger's note" not in text
        assert "Hidden words." not in text
        assert "content warning: medical · s to show" in text
        await pilot.press("j", "s")
        await pilot.pause()
        assert "Hidden words." in shown(app)
        await pilot.press("s")
        await pilot.pause()
        assert "Hidden words." not in shown(app)


@pytest.mark.slow
async def test_an_empty_home_says_that_nobody_answered(world: World) -> None:
    world.relays = [NEAR]
    await world.watched()
    async with world.at_home(WIDE) as (app, _):
        await sees(app, "Nothing here yet: nobody answered")
        main = app.screen
        assert isinstance(main, MainScreen)
        await app.push_screen(
            ProfileScreen(main.client, main.renderer, PersonTarget(world.pubkey("ben")))
        )
        await sees(app, "no profile was found: nobody answered")


@BOTH
async def test_sections(world: World, size: tuple[int, int]) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        main = app.main
        assert main is not None
        for key, section, words in (
            ("3", "mentions", "A stranger's note for ana."),
            ("7", "notes", "My own words."),
            ("8", "relays", "add"),
            ("9", "accounts", "watched, read only"),
            ("1", "home", "The library roof is fixed."),
        ):
            await pilot.press(key)
            await sees(app, words)
            assert main.pane.name == section
            assert main.front.has_focus
            assert f"{key} {section.capitalize()}" in shown(app)
        lines = shown(app).splitlines()
        row = next(row for row, line in enumerate(lines) if " 3 " in line)
        await pilot.click(offset=(lines[row].index(" 3 ") + 1, row))
        await until(lambda: main.pane.name == "mentions")


async def test_a_thread_stands_beside_the_list_where_it_is_wide(world: World) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(WIDE) as (app, pilot):
        main = app.main
        assert main is not None
        await pilot.press("G")
        await sees(app, "thread · 1 answer")
        await pilot.press("enter")
        assert app.screen is main
        await until(lambda: main.detail.notes.has_focus)
        await pilot.press("j", "p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await pilot.press("escape")
        await until(lambda: app.screen is main)
        await pilot.press("escape")
        assert main.front.has_focus
        await pilot.resize_terminal(*NARROW)
        await pilot.pause()
        assert not main.detail.display
        await pilot.resize_terminal(*WIDE)
        await pilot.pause()
        assert main.detail.display


async def test_new_notes_wait_to_be_asked_for(world: World) -> None:
    await world.put(
        world.follows("ana", "ben"),
        *(world.note("ben", f"note {n}", ago=100 + n) for n in range(60)),
    )
    await world.watched()
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await sees(app, "note 3")
        await pilot.press("j")
        lines = shown(app).splitlines()[3:-1]
        fresh = [world.note("ben", f"fresh {n}", ago=n) for n in range(3)]
        await app.main.client.store.save(fresh)
        await sees(app, "▲ 3 new · g shows them")
        assert shown(app).splitlines()[3:-1] == lines
        await pilot.press("g")
        await sees(app, "fresh 0")
        assert "new · g" not in shown(app)


async def test_an_unreadable_store_is_said(world: World) -> None:
    await world.watched()
    (world.where.data / "events.db").write_bytes(b"this is no database" * 100)
    async with world.app() as (app, pilot):
        await sees(app, "This cannot be opened")
        await pilot.press("ctrl+q")
        await until(lambda: not app.is_running)


@pytest.mark.slow
async def test_ages_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(note_list, "AGES_EVERY", 0.2)
    await world.put(world.follows("ana", "ben"), world.note("ben", "Just said.", ago=0))
    await world.watched()
    async with world.at_home(WIDE) as (app, pilot):
        assert app.main is not None
        await sees(app, " · now")
        app.main.renderer._clock = lambda: world.now + 18 * 60 + 5
        await until(lambda: shown(app).count(" · 18m") == 2)  # the list, and the thread beside it
        assert " · now" not in shown(app)
        await pilot.press("p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await sees(app, " · 18m")
        app.screen._renderer._clock = lambda: world.now + 3 * 3600
        await sees(app, " · 3h")


@pytest.mark.parametrize("steps", [0, pytest.param(40, marks=pytest.mark.slow)])
async def test_an_own_note_just_sent_is_seen_at_the_top(world: World, steps: int) -> None:
    """Where the list is longer than the screen, and wherever one was in it."""
    await world.put(
        world.follows("ana", "ben"),
        *(world.note("ben", f"note {n}", ago=100 + n) for n in range(60)),
    )
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "note 3")
        await pilot.press(*("j" * steps))
        burst(app, "cmine, and new\x13\x1b")
        await until(lambda: "mine, and new" in "\n".join(shown(app).splitlines()[2:6]))
        await until(lambda: app.screen is main)
        assert main.front.selected.event.content == "mine, and new"


@pytest.mark.slow
async def test_what_arrives_by_itself_does_not_move_the_list(world: World) -> None:
    """Also an own note, written by another program."""
    await world.put(
        world.follows("ana", "ben"),
        *(world.note("ben", f"note {n}", ago=100 + n) for n in range(60)),
    )
    await world.account()
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await sees(app, "note 3")
        await pilot.press(*("j" * 20))
        selected = app.main.front.selected
        await app.main.client.store.save([world.note("ana", "from elsewhere", ago=0)])
        await sees(app, "▲ 1 new")
        assert app.main.front.selected == selected


async def test_what_notes_name_is_fetched_and_shown(world: World) -> None:
    """A repost without its note, and a quote: the screen shows them once relays have sent them.
    Where a repost says that its note is, is asked when the repost is opened."""
    deep = world.note("dee", "Said long ago.", 9000)
    other = world.note("dee", "Worth reading.", 8000)
    far = world.note("eve", "Far away.", 7000)
    async with Relay(deep, other, world.named("dee")) as mine, Relay(far) as hers:
        world.relays = [mine.url]
        eve = (("e", far.id, hers.url), ("p", world.pubkey("eve")))
        await world.put(
            world.follows("ana", "ben"),
            world.named("ben"),
            world.event("ben", 16, "", eve, 50),
            world.note("ben", f"Look: nostr:{nip19.encode_note(other.id)}", 100),
            world.event("ben", 6, "", (("e", deep.id), ("p", world.pubkey("dee"))), 200),
        )
        await world.watched()
        async with world.at_home(NARROW) as (app, pilot):
            for words in ("Said long ago.", "┃ Worth reading.", "repost of dee"):
                await sees(app, words)
            await sees(app, "↗ a note by dee")
            assert far.id in str(mine.sent("REQ"))
            assert "repost of a note that is not here" in shown(app)
            assert not hers.connections
            await pilot.press("enter")
            await until(lambda: isinstance(app.screen, ThreadScreen))
            await sees(app, "Far away.")
            await pilot.press("p")
            await until(lambda: isinstance(app.screen, ProfileScreen))


async def test_what_holds_replication_up_is_said_once(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, _):
        assert app.main is not None
        replication = app.main.client.replication

        async def full() -> None:
            raise StoreFull("send.lock: the disk is full: make room on it")

        replication._work = full  # type: ignore[method-assign]
        replication.problem = "send.lock: the disk is full: make room on it"
        await told(app, "make room on it. It goes on when that is mended.")
        assert app.is_running


@pytest.mark.slow
async def test_the_place_is_kept_over_a_restart(world: World) -> None:
    """What arrived since is above it, and counted; another section keeps its own."""
    await world.put(
        world.follows("ana", "ben"),
        *(world.note("ben", f"note {n}.", ago=200 + n) for n in range(150)),
    )
    await world.watched()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "note 3.")
        await pilot.press(*["pagedown"] * 9)
        await sees(app, "note 57.")
        reached = main.front.selected.event
        lines = shown(app).splitlines()[3:-1]
        await pilot.press("7")
        await app.leave(0)
    await world.put(*(world.note("ben", f"fresh {n}.", ago=n) for n in range(5)))
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        assert main.pane.name == "notes"
        await pilot.press("1")
        await sees(app, "▲ 5 new · g shows them")
        assert main.front.selected.event == reached
        assert shown(app).splitlines()[3:-1] == lines
        await pilot.press("g")
        await sees(app, "fresh 0.")
        assert "new · g" not in shown(app)
