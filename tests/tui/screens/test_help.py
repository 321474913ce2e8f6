"""The help."""

from __future__ import annotations

import pytest
from textual.widgets import Static

from nostr_client.tui.app import NostrApp
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.help import HelpScreen, groups_here
from nostr_client.tui.screens.note_compose import NoteComposeScreen
from tests.tui.world import BOTH, PASSWORD, World, sees, shown, type_in, until


@BOTH
async def test_help_holds_every_key(world: World, size: tuple[int, int]) -> None:
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        texts = "\n".join(str(part.render()) for part in app.screen.query(".help-part"))
        for group in key_groups():
            assert group.title in texts
            assert all(with_keys(key.says) in texts for key in group.keys)
        assert shown(app).index("On a note") > 0
        await pilot.press("question_mark")
        assert app.screen is app.main


async def test_help_names_the_own_relay(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await sees(app, "own off")
        await pilot.press("question_mark", "tab", "end")
        await sees(app, "Your own relay (off)")
        await sees(app, "own-relay start")


async def first_title(app: NostrApp) -> str:
    await until(lambda: isinstance(app.screen, HelpScreen))
    await until(lambda: bool(app.screen.query(".help-part")))
    return str(app.screen.query(".help-part").first(Static).render()).partition("\n")[0]


async def test_it_begins_with_what_the_focus_can_do(world: World) -> None:
    await world.account()
    async with world.app() as (app, pilot):
        await until(lambda: bool(app.screen.query("#password")))
        assert [group.title for group in groups_here(app.screen)] == ["Unlocking"]
        await type_in(pilot, PASSWORD)
        await pilot.press("enter")
        await until(lambda: app.main is not None and app.main.front.has_focus)
        await pilot.press("question_mark")
        assert await first_title(app) == "On a note"
        await pilot.press("escape")
        app.action_section("relays")
        await pilot.press("question_mark")
        assert await first_title(app) == "Relays"
        await pilot.press("escape", "c")
        await until(lambda: isinstance(app.screen, NoteComposeScreen))
        await pilot.press("f1")
        assert await first_title(app) in ("Writing", "Writing a note")


@pytest.mark.slow
async def test_it_is_searched(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await pilot.press("question_mark", "slash")
        await type_in(pilot, "repost")
        await until(lambda: "Reply" not in shown(app))
        await sees(app, "Repost (u takes it back)")
        await pilot.press("escape")
        await sees(app, "Reply")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
