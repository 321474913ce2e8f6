"""The section of the accounts."""

from __future__ import annotations

from tests.tui.world import (
    World,
    sees,
    told,
    until,
)


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
