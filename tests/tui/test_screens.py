"""The screens of an open account: sections, threads, profiles, relays, accounts, help, colours."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.pilot import Pilot

from nostr_client.net.outcome import End, How
from nostr_client.nips import nip19
from nostr_client.social.views import ThreadView
from nostr_client.tui.app import NostrApp
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.preferences import load_preferences
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog, QuitDialog
from nostr_client.tui.screens.help import HelpScreen
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.widgets import note_list
from nostr_client.tui.widgets.thread import _summary
from tests.conftest import StartRelay
from tests.routing.moody import Relay
from tests.tui.world import (
    NARROW,
    NEAR,
    PASSWORD,
    WIDE,
    World,
    burst,
    sees,
    shown,
    told,
    type_in,
    until,
)

BOTH = pytest.mark.parametrize("size", [NARROW, WIDE])


async def furnish(world: World) -> None:
    """Ana follows ben and cy; they speak with each other."""
    roof = world.note("ben", "The library roof is fixed.", ago=7200)
    coffee = world.note(
        "cy",
        "And the coffee was good!",
        3600,
        (("e", roof.id, "", "root"), ("p", world.pubkey("ben"))),
    )
    await world.put(
        world.follows("ana", "ben", "cy"),
        *(world.named(name) for name in ("ana", "ben", "cy", "dee")),
        roof,
        coffee,
        world.note("dee", "A stranger's note for ana.", 1800, (("p", world.pubkey("ana")),)),
        world.note("ana", "My own words.", 1200),
        world.note("cy", "Hidden words.", 600, (("content-warning", "medical"),)),
        world.event("ben", 7, "+", (("e", coffee.id), ("p", world.pubkey("cy"))), 300),
        world.event(
            "cy",
            6,
            world.note("dee", "Passed on.", 500).json.decode(),
            (("e", world.note("dee", "Passed on.", 500).id), ("p", world.pubkey("dee"))),
            200,
        ),
    )


@BOTH
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


async def test_an_empty_home_says_that_nobody_answered(world: World) -> None:
    world.relays = [NEAR]
    await world.watched()
    async with world.at_home(WIDE) as (app, _):
        await sees(app, "Nothing here yet: nobody answered")
        main = app.screen
        assert isinstance(main, MainScreen)
        await app.push_screen(ProfileScreen(main.client, main.renderer, world.pubkey("ben")))
        await sees(app, "no profile was found: nobody answered")


def test_a_thread_says_what_lacks_in_it() -> None:
    dead = End(url="ws://dead", how=How.UNREACHABLE)
    heard = End(url="ws://heard", how=How.ANSWERED)
    large = End(url="ws://large", how=How.INCOMPLETE, problem="1 too large to be kept")
    for ends, words in (
        ((heard,), "this note is not here · every relay that was asked answered, and has none"),
        ((dead,), "this note is not here · nobody answered"),
        ((heard, large), "this note is not here · not everything could be read"),
    ):
        thread = ThreadView("f" * 64, None, ends={end.url: end for end in ends})
        assert _summary(thread) == words


@BOTH
async def test_sections(world: World, size: tuple[int, int]) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        main = app.main
        assert main is not None
        for key, section, words in (
            ("2", "mentions", "A stranger's note for ana."),
            ("3", "notes", "My own words."),
            ("4", "relays", "add"),
            ("5", "accounts", "watched, read only"),
            ("1", "home", "The library roof is fixed."),
        ):
            await pilot.press(key)
            await sees(app, words)
            assert main.pane.name == section
            assert main.front.has_focus
            assert f"{key} {section.capitalize()}" in shown(app)
        rail = "#rail" if size == WIDE else "#tabs"
        await pilot.click(rail, offset=(3, 2) if size == WIDE else (13, 0))
        await until(lambda: main.pane.name == "mentions")


async def test_a_thread_is_a_screen_of_its_own_where_it_is_narrow(world: World) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        await pilot.press("G")
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("enter")
        assert isinstance(app.screen, ThreadScreen)
        await sees(app, "1 answer")
        text = shown(app)
        assert "The library roof is fixed." in text
        assert "└ cy · 1h · to ben" in text
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


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


async def test_an_answer_appears_in_the_open_thread(world: World) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        assert app.main is not None
        await pilot.press("G")
        await pilot.pause()
        await pilot.press("enter")
        await sees(app, "1 answer")
        note = app.screen.panel.note  # type: ignore[attr-defined]
        late = world.note("dee", "I heard of it.", 5, (("e", note.event.id, "", "root"),))
        await app.main.client.store.save([late])
        await sees(app, "2 answers")
        assert "I heard of it." in shown(app)


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


@BOTH
async def test_profile_and_follow(
    world: World, size: tuple[int, int], start_relay: StartRelay
) -> None:
    await furnish(world)
    world.relays = [(await start_relay()).url]
    await world.account()
    async with world.at_home(size) as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "relays 1/1")
        await pilot.press("2")
        await until(lambda: main.front.selected is not None)
        await pilot.press("p")
        await sees(app, "dee  · not followed")
        assert "npub1" in shown(app)
        assert "A stranger's note for ana." in shown(app)
        await pilot.press("F")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("n")
        assert world.pubkey("dee") not in await main.client.follows.pubkeys()
        await pilot.press("F")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("y")
        await sees(app, "you follow them")
        assert await main.client.follows.pubkeys() == [
            world.pubkey(name) for name in ("ben", "cy", "dee")
        ], "nobody was lost"


async def test_react_and_repost(world: World, start_relay: StartRelay) -> None:
    await furnish(world)
    world.relays = [(await start_relay()).url]
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "relays 1/1")
        await pilot.press("G")
        await pilot.pause()
        await pilot.press("f")
        await told(app, "Reacted: 1 of 1 relays have it")
        await until(lambda: bool(main.front.selected.tally.mine))
        await pilot.press("f")
        await told(app, "You have reacted to this note already.")
        await pilot.press("t")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("enter")
        assert isinstance(app.screen, ConfirmDialog), "enter does nothing by mistake"
        await pilot.press("y")
        await told(app, "Reposted: 1 of 1 relays have it")


async def test_relays(world: World, start_relay: StartRelay) -> None:
    one, two = await start_relay(), await start_relay()
    world.relays = [one.url]
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "relays 1/1")
        await pilot.press("4")
        await sees(app, "these stand in")
        assert "up" in shown(app)
        assert " ms" in shown(app)
        await pilot.press("a")
        await sees(app, "Add a relay")
        await type_in(pilot, two.url)
        await pilot.press("enter")
        await sees(app, "Begin a new relay list?")
        await pilot.press("y")
        await told(app, "is in your list")
        await sees(app, "relays 2/2")
        await pilot.press("j", "m")
        await told(app, "is for reading now")
        rows = {row.url: row for row in await main.client.relays.rows()}
        assert rows[two.url].read
        assert not rows[two.url].write
        await pilot.press("x")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("y")
        await told(app, "is out of your list")
        assert [row.url for row in await main.client.relays.rows()] == [one.url]
        await pilot.press("k", "d")
        await sees(app, "verdict")
        assert "websocket" in shown(app)
        await pilot.press("escape")
        assert app.screen is main


async def test_accounts(world: World) -> None:
    await world.put(world.note("ana", "By ana."), world.note("ben", "By ben."))
    await world.watched("ben")
    await world.account("ana")
    async with world.at_home() as (app, pilot):
        await sees(app, "By ana.")
        await pilot.press("5")
        await sees(app, "ana  in use  key encrypted here")
        await pilot.press("g")
        await pilot.press("enter")
        await sees(app, "By ben.")
        current = world.accounts.current()
        assert current is not None
        assert current.name == "ben"
        await pilot.press("5")
        await sees(app, "watched, read only")
        await pilot.press("x")
        await told(app, "This account is in use")
        await pilot.press("a")
        await sees(app, "New here")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)


async def test_the_only_copy_of_a_key_does_not_go_by_a_slip(world: World) -> None:
    await world.watched("ben")
    await world.accounts.create("eve", password="long enough")
    async with world.at_home() as (app, pilot):
        await pilot.press("5")
        await sees(app, "no backup yet")
        await pilot.press("G", "x")
        await sees(app, "may be the only copy")
        await pilot.press("y", "enter")
        assert len(world.accounts.all()) == 2
        app.screen.query_one("#word").value = "forget"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: len(world.accounts.all()) == 1)


@BOTH
async def test_help_holds_every_key(world: World, size: tuple[int, int]) -> None:
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        texts = "\n".join(str(part.render()) for part in app.screen.query(".help-part"))
        for group in key_groups():
            assert group.title in texts
            assert all(key.says in texts for key in group.keys)
        assert shown(app).index("In a list") > 0
        await pilot.press("question_mark")
        assert app.screen is app.main


async def test_the_palette_and_a_theme_that_is_kept(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await pilot.press("colon")
        await sees(app, "Choose the colours")
        assert "Relays: where your notes are kept" in shown(app)
        await pilot.press("escape")
        app.theme = "nord"
        await until(lambda: load_preferences(world.where).theme == "nord")
    async with world.at_home() as (app, _):
        assert app.theme == "nord"


async def test_a_command_from_the_palette(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await pilot.press("colon")
        await sees(app, "Choose the colours")
        await type_in(pilot, "relays")
        await sees(app, "where your notes are kept")
        await pilot.press("enter")
        await until(lambda: app.main is not None and app.main.pane.name == "relays")


async def test_no_color(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    await furnish(world)
    await world.watched()
    async with world.at_home() as (app, _):
        await sees(app, "Passed on.")
        for strip in app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                if style is None:
                    continue
                for color in (style.color, style.bgcolor):
                    assert color is None or color.is_default
        await sees(app, "▌ cy · 3m")  # the selection, without any colour


@BOTH
async def test_every_theme_can_be_read(world: World, size: tuple[int, int]) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        for name in ("dusk", "paper", "textual-light", "nord", "gruvbox"):
            app.theme = name
            await pilot.pause()
            notes = app.main.front  # type: ignore[union-attr]
            text = notes.get_visual_style("note--text")
            back = notes.get_visual_style("list--selected")
            assert text.foreground is not None
            assert back.background is not None
            assert contrast(text.foreground, back.background) > 4.5


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of WCAG."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: Color) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


async def test_an_unreadable_store_is_said(world: World) -> None:
    await world.watched()
    (world.where.data / "events.db").write_bytes(b"this is no database" * 100)
    async with world.app() as (app, pilot):
        await sees(app, "This cannot be opened")
        await pilot.press("ctrl+q")
        await until(lambda: not app.is_running)


# Manners


async def test_ages_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(note_list, "AGES_EVERY", 0.02)
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
        app.main.renderer._clock = lambda: world.now + 3 * 3600
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


@pytest.mark.slow
async def test_after_unlocking_the_act_goes_on(world: World, start_relay: StartRelay) -> None:
    await furnish(world)
    world.relays = [(await start_relay()).url]
    await world.account()

    async def locked(pilot: Pilot[int], app: NostrApp, keys: str) -> None:
        await until(lambda: app.main is not None and app.main.front.selected is not None)
        burst(app, keys)
        await until(lambda: bool(app.screen.query("#password")))
        burst(app, f"{PASSWORD}\n")

    async with world.at_home(unlock=False) as (app, pilot):
        await locked(pilot, app, "Gr")
        await sees(app, "Answer to ben")
    async with world.at_home(unlock=False) as (app, pilot):
        await locked(pilot, app, "Gf")
        await told(app, "Reacted:")
    async with world.at_home(unlock=False) as (app, pilot):
        await locked(pilot, app, "Gt")
        await sees(app, "Repost this note of ben")
    async with world.at_home(unlock=False) as (app, pilot):
        await until(lambda: app.main is not None and app.main.front.selected is not None)
        await pilot.press("4")
        await locked(pilot, app, "a")
        await sees(app, "Add a relay")
        assert app.main is not None
        assert app.main.pane.name == "relays"
    async with world.at_home(unlock=False) as (app, pilot):
        await until(lambda: app.main is not None and app.main.front.selected is not None)
        await pilot.press("2")
        await sees(app, "A stranger's note")
        await pilot.press("p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await locked(pilot, app, "F")
        await sees(app, "Follow dee?")
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ProfileScreen))


@pytest.mark.slow
async def test_a_key_that_is_not_given_ends_the_act(world: World) -> None:
    await world.account()
    async with world.at_home(unlock=False) as (app, pilot):
        await pilot.press("c")
        await until(lambda: bool(app.screen.query("#password")))
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)


@pytest.mark.parametrize("size", [NARROW, pytest.param(WIDE, marks=pytest.mark.slow)])
async def test_q_closes_a_panel_and_ctrl_c_asks(world: World, size: tuple[int, int]) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        main = app.main
        assert main is not None
        await until(lambda: main.front.selected is not None)
        for keys, kind in (
            ("question_mark", HelpScreen),
            ("p", ProfileScreen),
            ("ctrl+c", QuitDialog),
        ):
            await pilot.press(keys)
            await until(lambda kind=kind: isinstance(app.screen, kind))  # type: ignore[misc]
            await pilot.press("q")
            await until(lambda: app.screen is main)
        await pilot.press("enter")
        await until(lambda: size == WIDE or isinstance(app.screen, ThreadScreen))
        await pilot.press("q")
        await until(lambda: app.screen is main and main.front.has_focus)
        await pilot.press("q")
        assert app.screen is main, "nothing is left to close"
        await pilot.press("ctrl+c")
        await sees(app, "Leave nostr-client?")
        await pilot.press("ctrl+c")
        await until(lambda: not app.is_running)


async def test_ctrl_c_and_q_and_ctrl_z_in_a_field_are_the_fields(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        burst(app, "cq\x03q")
        await until(lambda: app.input_queue.idle and isinstance(app.screen, ComposeScreen))
        await sees(app, "2 characters")
        text = app.screen.query_one("#text")
        assert text.text == "qq"  # type: ignore[attr-defined]
        await pilot.press("ctrl+z")
        await until(lambda: text.text == "")  # type: ignore[attr-defined]
        assert isinstance(app.screen, ComposeScreen)


async def test_help_names_the_own_relay(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await sees(app, "own off")
        await pilot.press("question_mark", "tab", "end")
        await sees(app, "Your own relay (off)")
        await sees(app, "own-relay start")


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


async def test_what_comes_when_a_profile_is_closing_has_no_place_and_ends_nothing(
    world: World,
) -> None:
    await furnish(world)
    await world.account()
    async with world.at_home() as (app, _pilot):
        assert app.main is not None
        screen = ProfileScreen(app.main.client, app.main.renderer, world.pubkey("dee"))
        await app.push_screen(screen)
        await screen.query_one("#about").remove()  # its lines go first, while it is still there
        assert screen.is_mounted
        await screen.refresh_profile()
