"""The app: acting, unlocking, commands, colours, leaving."""

from __future__ import annotations

import json

import pytest
from textual import events
from textual.color import Color
from textual.css.query import NoMatches
from textual.pilot import Pilot

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.store.opening import open_store
from nostr_client.tui import held_acts
from nostr_client.tui.app import NostrApp
from nostr_client.tui.held_acts import HeldAct, HeldActs
from nostr_client.tui.preferences import load_preferences
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import QuitDialog
from nostr_client.tui.screens.help import HelpScreen
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.thread import ThreadScreen
from tests.conftest import StartRelay
from tests.tui.world import (
    BOTH,
    NARROW,
    PASSWORD,
    WIDE,
    World,
    burst,
    furnish,
    sees,
    shown,
    told,
    type_in,
    until,
)


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
        await told(app, "u takes it back")
        await told(app, "1 of 1 relays have it")
        await until(lambda: bool(main.front.selected.tally.mine))
        await pilot.press("f")
        await told(app, "You have reacted to this note already.")
        await pilot.press("t")
        await told(app, "repost of")
        await until(lambda: bool(main.front.selected.tally.reposted))
        await pilot.press("t")
        await told(app, "You have reposted this note already.")


@pytest.mark.slow
async def test_one_reacts_with_an_emoji_of_ones_own(world: World) -> None:
    await furnish(world)
    boat = ("emoji", "boat", "https://media.example/boat.png")
    await world.put(world.event("ana", 10030, "", (boat,), 100))
    account = await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await pilot.press("e")
        await sees(app, ":boat:")
        await pilot.press("9")
        await told(app, ":boat: for")

        async def reacted() -> Event | None:
            mine = Filter.of(kinds=[7], authors=[account.pubkey])
            return next(iter(await main.client.store.query([mine])), None)

        event = await until(reacted)
        assert event.content == ":boat:"
        assert boat in event.tags


async def test_what_is_taken_back_in_time_is_never_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_acts, "HOLD", 60)
    await furnish(world)
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await pilot.press("f", "f")
        await told(app, "This is about to be done")
        await pilot.press("u")
        await told(app, "Taken back: ♥ for")
        await pilot.press("u")
        await told(app, "There is nothing to take back.")
        assert not await main.client.store.query(
            [Filter.of(kinds=[7], authors=[main.client.pubkey])]
        )


@pytest.mark.slow
async def test_what_is_held_is_done_for_whoever_leaves_and_stays_on_disk_till_then(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(world)
    account = await world.account()

    async def never(act: HeldAct) -> bool:
        raise AssertionError("nobody holds anything here")

    left = HeldActs(world.where, account.pubkey, never)
    monkeypatch.setattr(held_acts, "HOLD", 60)
    async with world.at_home() as (app, pilot):
        await pilot.press("f")
        await told(app, "u takes it back")
        folder = world.where.data / "held" / account.pubkey
        await until(lambda: list(folder.glob("*.json")))
        assert not await left.left_over(), "another process sees that it is held"
        await app.leave(0)

    assert not await left.left_over()
    async with open_store(world.where.data / "events.db") as store:
        assert await store.query([Filter.of(kinds=[7], authors=[account.pubkey])])


async def test_whoever_lists_a_relay_that_has_ended_is_told_at_the_start(world: World) -> None:
    ended = starter_relays().gone[0].url
    await world.put(world.event("ana", 10002, "", (("r", ended), ("r", "ws://127.0.0.1:9"))))
    await world.account()
    async with world.at_home() as (app, _):
        await told(app, f"{ended}: its operator announced its end")


TALL = (80, 160)
"""Room for all commands."""


async def test_the_palette_and_a_theme_that_is_kept(world: World) -> None:
    await world.watched()
    async with world.at_home(TALL) as (app, pilot):
        await pilot.press("ctrl+p")
        await sees(app, "Choose the colours")
        order = ("Home: the notes", "Relays: where your notes are kept", "Leave", "Theme")
        places = [shown(app).index(words) for words in order]
        assert places == sorted(places), "in the keymap's order, in each run"
        await pilot.press("escape")
        app.theme = "nord"
        await until(lambda: load_preferences(world.where).theme == "nord")
    async with world.at_home() as (app, _):
        assert app.theme == "nord"


async def test_a_command_from_the_palette(world: World) -> None:
    await world.watched()
    async with world.at_home(TALL) as (app, pilot):
        assert app.main is not None
        await pilot.press("ctrl+p")
        await sees(app, "Choose the colours")
        await type_in(pilot, "Relays: where")
        await sees(app, "where your notes are kept")
        await until(lambda: "Choose the colours" not in shown(app))
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
        await told(app, "u takes it back")
        await told(app, "relays have it")
    async with world.at_home(unlock=False) as (app, pilot):
        await locked(pilot, app, "Gt")
        await told(app, "repost of ben")
    async with world.at_home(unlock=False) as (app, pilot):
        await until(lambda: app.main is not None and app.main.front.selected is not None)
        await pilot.press("8")
        await locked(pilot, app, "a")
        await sees(app, "Add a relay")
        assert app.main is not None
        assert app.main.pane.name == "relays"
    async with world.at_home(unlock=False) as (app, pilot):
        await until(lambda: app.main is not None and app.main.front.selected is not None)
        await pilot.press("3")
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


@BOTH
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


async def test_a_screen_that_comes_as_all_ends_is_no_error(world: World) -> None:
    async with world.app() as (app, _):
        app.exit(0)
        app._handle_exception(NoMatches("no widget in it"))
    assert app.return_code == 0


async def test_a_key_that_comes_as_all_ends_is_no_error(world: World) -> None:
    async with world.app() as (app, _):
        await app._close_all()
        app._running = False
        app.post_message(events.Key("escape", None))


async def test_what_a_note_points_to_is_reached_by_keys_and_copied(world: World) -> None:
    await world.put(
        world.named("ben"),
        world.follows("ana", "ben"),
        world.note("ben", f"Ask nostr:{world.npub('cy')} #roof https://roof.example/{'x' * 90}"),
        world.note("cy", "Slates! #roof", 90, (("t", "roof"),)),
    )
    await world.account()
    async with world.at_home(NARROW) as (app, pilot):
        await sees(app, "Ask")
        await pilot.press("o")
        await sees(app, "What is in this note")
        assert "https://roof.example" in shown(app)
        await pilot.press("2")
        await sees(app, "Slates!")
        assert app.screen.query("#hints")
        await pilot.press("y")
        await sees(app, "Copy")
        await pilot.press("2")
        await told(app, "Copied: Slates! #roof")
        assert app.clipboard == "Slates! #roof"
        await pilot.press("J")
        await sees(app, "The event as it was signed")
        await pilot.press("y")
        await told(app, "Copied: {")
        assert json.loads(app.clipboard)["content"] == "Slates! #roof"
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
        await pilot.press("greater_than_sign")
        await sees(app, "Slates!")
        await pilot.press("less_than_sign")
        await until(lambda: app.screen is app.main)
        await pilot.press("o", "3")
        await told(app, "roof.example")
