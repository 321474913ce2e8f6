"""Columns beside the section in front, where the screen is wide."""

from __future__ import annotations

import pytest

from tests.tui.world import WIDE, World, furnish, sees, shown, type_in, until

BROAD = (300, 40)


@pytest.mark.slow
async def test_columns_stand_side_by_side_and_are_kept(world: World) -> None:
    await furnish(world)
    await world.put(world.note("dee", "About #library roofs.", tags=(("t", "library"),)))
    await world.watched()
    async with world.at_home(BROAD) as (app, pilot):
        main = app.main
        assert main is not None
        names = lambda: [column.called for column in main.columns.shown]  # noqa: E731
        await until(lambda: names() == ["notifications"])
        await pilot.press("plus", "number_sign")
        await sees(app, "Which hashtag?")
        await type_in(pilot, "#Library\n")
        await until(lambda: names() == ["notifications", "#library"])
        await sees(app, "About #library roofs.")
        added = main.columns.shown[1].view.front
        await until(lambda: added.has_focus and added.selected is not None)
        await pilot.press("ctrl+left", "ctrl+left")
        assert main.front.has_focus
        await pilot.press("minus")
        assert names() == ["notifications", "#library"], "what is in front is no column"
        await pilot.press("ctrl+right", "minus")
        await until(lambda: names() == ["#library"])
        assert main.front.has_focus

        await pilot.resize_terminal(*WIDE)
        await until(lambda: not names())
        assert main.detail.display
        await pilot.press("plus")
        await sees(app, "columns need a terminal of 200 cells")
        await app.leave(0)
    async with world.at_home(BROAD) as (app, pilot):
        await sees(app, "About #library roofs.")
        assert [column.called for column in app.main.columns.shown] == ["#library"]
        assert all(len(line) <= BROAD[0] for line in shown(app).splitlines())
