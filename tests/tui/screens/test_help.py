"""The help."""

from __future__ import annotations

import pytest
from textual.style import Style

from nostr_client.tui.app import NostrApp
from nostr_client.tui.help_rows import HelpRenderer, HelpRow, help_rows
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.own_keys import every_group
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.help import HelpScreen, groups_here
from nostr_client.tui.screens.note_compose import NoteComposeScreen
from tests.tui.world import BOTH, PASSWORD, World, sees, shown, type_in, until


def test_each_key_stands_in_a_part_that_opens_and_is_found_by_a_word() -> None:
    groups = (*key_groups(), *every_group())
    titles = {group.title for group in groups}
    folded = help_rows(groups, [("About", "Some words")], (), "")
    assert {row.says for row in folded} == {*titles, "About"}
    whole = help_rows(groups, (), titles, "")
    said = {row.says for row in whole if not row.is_title}
    assert said == {with_keys(key.says) for group in groups for key in group.keys if key.bound}
    found = help_rows(groups, [("About", "Some words")], (), "repost")
    assert "Repost (u takes it back)" in [row.says for row in found]
    assert all("repost" in row.says.lower() for row in found if not row.is_title)
    by_key = [row.says for row in help_rows(key_groups(), (), (), "f1")]
    assert by_key[:2] == ["Everywhere", "This help"]


def test_a_line_too_long_for_it_goes_on_below_its_words() -> None:
    row = HelpRow("part", "id", "j ↓", "one two three four five six seven")
    drawn = [line.plain for line in HelpRenderer().lines(row, 40, lambda name: Style())]
    assert len(drawn) == 2
    assert drawn[0].startswith("  j ↓ ")
    assert drawn[1].startswith(" " * 21 + "f")


@BOTH
async def test_help_knows_every_part(world: World, size: tuple[int, int]) -> None:
    await world.watched()
    async with world.at_home(size) as (app, pilot):
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        parts = {group.place for group in app.screen._groups}
        assert {group.place for group in (*key_groups(), *every_group())} == parts
        await sees(app, "▼ On a note")
        await sees(app, "r                  Reply")
        await pilot.press("question_mark")
        assert app.screen is app.main


async def test_help_names_the_own_relay(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await sees(app, "own off")
        await pilot.press("question_mark", "end")
        await sees(app, "▶ Your own relay (off)")
        await pilot.press("enter", "end")
        await sees(app, "own-relay start")


async def first_title(app: NostrApp) -> str:
    await until(lambda: isinstance(app.screen, HelpScreen))
    screen = app.screen
    assert isinstance(screen, HelpScreen)
    await until(lambda: bool(screen.rows.items))
    assert screen.rows.items[0].open, "what the focus can do is not folded"
    return screen.rows.items[0].says


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
