"""The help."""

from __future__ import annotations

from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.help import HelpScreen
from tests.tui.world import (
    BOTH,
    World,
    sees,
    shown,
)


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


async def test_help_names_the_own_relay(world: World) -> None:
    await world.watched()
    async with world.at_home() as (app, pilot):
        await sees(app, "own off")
        await pilot.press("question_mark", "tab", "end")
        await sees(app, "Your own relay (off)")
        await sees(app, "own-relay start")
