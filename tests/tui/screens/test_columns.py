"""Columns beside the section in front, where the screen is wide."""

from __future__ import annotations

import json

import pytest
import websockets

from nostr_client.protocol import kinds
from nostr_client.tui.widgets import columns
from nostr_client.tui.widgets.columns import view_of
from tests.conftest import StartRelay
from tests.tui.world import WIDE, World, furnish, sees, shown, told, type_in, until

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


@pytest.mark.slow
async def test_a_list_and_a_relay_are_columns_too(
    world: World, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = await start_relay()
    there = (
        world.note("ben", "Read at a relay."),
        world.note("ben", "And later."),
    )

    async def lay(number: int) -> None:
        async with websockets.connect(relay.url) as socket:
            await socket.send(json.dumps(["EVENT", json.loads(there[number].json)]))
            assert json.loads(await socket.recv())[2]

    await lay(0)
    friends = (("d", "x"), ("title", "Friends\x1b[2J"), ("p", world.pubkey("cy")))
    await world.put(
        *(world.named("ben"), world.named("cy"), world.note("cy", "Of a friend.")),
        world.event("ana", kinds.FOLLOW_SET, "", friends),
    )
    await world.watched()
    async with world.at_home(BROAD) as (app, pilot):
        main = app.main
        assert main is not None
        names = lambda: [column.called for column in main.columns.shown]  # noqa: E731
        await until(lambda: names() == ["notifications"])
        await pilot.press("plus", "equals_sign")
        await sees(app, "Which list?")
        await pilot.press("enter")
        address = f"30000:{world.pubkey('ana')}:x"
        await until(lambda: names() == ["notifications", address])
        await sees(app, "Of a friend.")
        await sees(app, "Friends")
        await pilot.press("minus")
        await until(lambda: names() == ["notifications"])
        await pilot.press("plus", "at")
        await sees(app, "Which relay?")
        await type_in(pilot, f"{relay.url}\n")
        await until(lambda: relay.url in names())
        await sees(app, "Read at a relay.")
        await lay(1)
        monkeypatch.setattr(columns, "READ_EVERY", 0.0)
        await until(lambda: "1 new" in shown(app) or "And later." in shown(app))
        await pilot.press("plus", "at")
        await type_in(pilot, "no relay\n")
        await told(app, "relay")
        assert len(names()) == 2


@pytest.mark.slow
async def test_a_list_that_is_nowhere_is_said(world: World) -> None:
    await world.watched()
    async with world.at_home(BROAD) as (app, _):
        main = app.main
        assert main is not None
        assert view_of("no such section", main.columns._given) is None
        main.columns.add(f"30000:{'c' * 64}:gone")
        main._place_columns()
        await sees(app, columns.NO_LIST)
