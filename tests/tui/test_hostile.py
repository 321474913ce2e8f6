"""Whatever strangers write, it is shown as text: on every screen, in names, words and questions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
from textual.style import Style

from nostr_client.net.relay_check import CheckStep
from nostr_client.social.views import RelayRow
from nostr_client.tui.app import NostrApp
from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.panes.relays import RelayRenderer
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.relay_check import RelayCheckScreen
from nostr_client.tui.screens.thread import ThreadScreen
from tests.tui.world import BOTH, NARROW, World, sees, shown, told, until

MARKUP = "[@click=app.quit]x[/]"
HOSTILE = (
    f"{MARKUP}\x1b]0;PWNED\x07\x1b[2J\x9b31m\r\x0e\u202e[/][bold]b[/bold]$text[link=x]y[/link]"
)
DETECTED = ("\x1b", "\x07", "\r", "\x0e", "\u202e", "\x9b", "PWNED")


def check(app: NostrApp, where: str) -> None:
    """No character that a terminal obeys, no style that does something when it is clicked but to
    open the page that is to be read there."""
    text = shown(app)
    for character in DETECTED:
        assert character not in text, f"{character!r} on {where}"
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            if segment.style is not None:
                link = segment.style.link or "https://"
                assert link.startswith(("https://", "http://")), f"{link!r} on {where}"
                assert link.isprintable(), f"{link!r} on {where}"
                assert segment.text.strip() in link or segment.style.link is None
                for name, value in segment.style.meta.items():
                    assert "app.quit" not in str(value), f"{name} on {where}"


async def furnish(world: World) -> None:
    note = world.note("eve", HOSTILE, 300)
    await world.put(
        world.follows("ana", "eve"),
        world.event(
            "eve",
            0,
            json.dumps({"name": HOSTILE, "about": HOSTILE, "nip05": f"{MARKUP}@example.com"}),
            ago=900,
        ),
        note,
        world.note("eve", "answer", 200, (("e", note.id, "", "root"), ("p", "junk"))),
        world.note("eve", f"nostr:npub1{'q' * 58} #{MARKUP} https://x.example/{MARKUP}", 100),
        world.note("eve", "hidden", 50, (("content-warning", HOSTILE),)),
        world.note("eve", HOSTILE, 40, (("p", world.pubkey("ana")),)),
    )


@BOTH
async def test_every_screen(world: World, size: tuple[int, int]) -> None:
    await furnish(world)
    await world.account("ana")
    async with world.at_home(size) as (app, pilot):
        await sees(app, MARKUP)
        check(app, "home")
        await pilot.press("3")
        await sees(app, MARKUP)
        check(app, "mentions")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(app.screen, ThreadScreen) == (size == NARROW)
        await sees(app, MARKUP)
        check(app, "thread")
        await pilot.press("p")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await sees(app, MARKUP)
        check(app, "profile")
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        await sees(app, f"│ {MARKUP}")
        check(app, "compose")
        await pilot.press("escape")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await pilot.press("t")
        await told(app, "repost of")
        check(app, "held")
        await pilot.press("u")
        await pilot.press("ctrl+p")
        await sees(app, "Search for commands")
        check(app, "palette")
        await pilot.press("escape", "colon")
        await sees(app, "Reply  (r)")
        check(app, "command line")
        assert app.is_running


SHOWN_IN = {"home", "mentions", "notifications"}
"""Sections that show what was written here to be hostile; the others must be no worse."""


@pytest.mark.slow
async def test_every_section_there_is(world: World) -> None:
    await furnish(world)
    await world.account("ana")
    async with world.at_home() as (app, pilot):
        for pane in PANES:
            app.action_section(pane.name)
            await until(lambda: app.main is not None and app.main.pane is pane)  # noqa: B023
            if pane.name in SHOWN_IN:
                await sees(app, MARKUP)
            await pilot.pause()
            check(app, pane.name)
            if pane.name in SHOWN_IN:
                for key, screen in (("question_mark", "help"), ("enter", "what it opens")):
                    await pilot.press(key)
                    await pilot.pause()
                    check(app, f"{screen} of {pane.name}")
                    await pilot.press("escape")
        assert {pane.name for pane in PANES} >= SHOWN_IN


async def test_notifications(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, _):
        app.say(HOSTILE, "error")
        await told(app, MARKUP)
        await sees(app, MARKUP)
        check(app, "notification")


async def test_questions(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        for dialog in (
            ConfirmDialog(HOSTILE, HOSTILE, yes="do"),
            PromptDialog(HOSTILE, "", yes="do", detail=HOSTILE),
        ):
            app.push_screen(dialog)
            await sees(app, MARKUP)
            check(app, "question")
            await pilot.press("escape")
        assert app.is_running


async def test_an_account_called_like_markup(world: World) -> None:
    await world.accounts.add_watch_only(world.pubkey("ana"), MARKUP, switch=True)
    async with world.at_home() as (app, pilot):
        await sees(app, f"{MARKUP}  read only")
        await pilot.press("9")
        await sees(app, f"{MARKUP}  in use")
        check(app, "accounts")


async def test_a_check_of_a_hostile_relay(world: World) -> None:
    async def steps() -> AsyncIterator[CheckStep]:
        yield CheckStep(HOSTILE, False, HOSTILE, 0.1)

    await world.watched()
    async with world.at_home() as (app, pilot):
        app.push_screen(RelayCheckScreen(f"wss://{MARKUP}.example", steps()))
        await sees(app, "✕")
        check(app, "check")
        await pilot.press("escape")


def test_a_relays_last_word() -> None:
    row = RelayRow("wss://a.example/" + MARKUP, True, True, state=HOSTILE, last_word=HOSTILE)
    for width in (30, 80, 150):
        lines = RelayRenderer().lines(row, width, lambda name: Style())
        text = "\n".join(line.plain for line in lines)
        assert all(line.cell_length <= width for line in lines)
        assert not any(character in text for character in DETECTED)
        if width == 150:
            assert f"  {MARKUP}" in text
