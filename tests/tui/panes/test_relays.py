"""The section of the relays."""

from __future__ import annotations

import pytest

from nostr_client.protocol.event import Draft
from nostr_client.resilience.audit_report import read_report
from nostr_client.tui.screens.dialogs import ConfirmDialog
from tests.conftest import StartRelay
from tests.tui.world import (
    World,
    sees,
    shown,
    told,
    type_in,
    until,
)

FAR = "wss://far.example"


async def test_relays(world: World, start_relay: StartRelay) -> None:
    one, two = await start_relay(), await start_relay()
    world.relays = [one.url]
    await world.account()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "relays 1/1")
        await pilot.press("8")
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
        await sees(app, "nostr-client relay")
        assert "health     up" in shown(app)
        assert "NIPs 1, " in shown(app)
        await pilot.press("A")
        await sees(app, "nothing to say; it shows 0 of your notes")
        await sees(app, "Fewer than two others to compare with")
        await pilot.press("w")
        await sees(app, "Sign what was found, as yourself?")
        await type_in(pilot, "sign it")
        await pilot.press("enter")
        await sees(app, "Into which new file?")
        report = world.where.data / "audit.json"
        app.screen.query_one("#line").value = str(report)  # type: ignore[attr-defined]
        await pilot.press("enter")
        await told(app, "The report is signed and written")
        event, found = read_report(report.read_bytes())
        assert (event.pubkey, list(found.relays)) == (world.pubkey("ana"), [one.url])
        await pilot.press("escape")


@pytest.mark.slow
async def test_a_relay_is_blocked_and_dialled_again(world: World, start_relay: StartRelay) -> None:
    """It stays in the list of relays, said to be blocked, so that it can be taken back."""
    one = await start_relay()
    world.relays = [one.url]
    await world.account()
    await world.put(
        world.event("ana", 10002, "", (("r", one.url),), 10**6),
        world.event("ana", 10006, "", (("relay", FAR),), 10**6),
    )
    async with world.at_home() as (app, pilot):
        await sees(app, "relays 1/1")
        await pilot.press("8")
        await sees(app, FAR)
        await pilot.press("j")
        await sees(app, "you blocked it: it is never dialled")
        await pilot.press("b")
        await sees(app, f"Dial {FAR} again?")
        await pilot.press("y")
        await told(app, "is not blocked any more")
        await until(lambda: FAR not in shown(app))


@pytest.mark.slow
async def test_a_dead_relay_is_left_after_asking(world: World, start_relay: StartRelay) -> None:
    """`E`: the plan is shown, y carries it out, and it says what is where."""
    alive = await start_relay()
    world.relays = [alive.url]
    await world.account()
    dead = "ws://127.0.0.1:9"
    key = world.person("ana")
    await world.put(Draft(10002, "", (("r", dead),), 1_700_000_000).sign(key, 1_700_000_000))
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "relays")
        await pilot.press("8")
        await sees(app, dead)
        await pilot.press("E")
        await sees(app, "joins")
        assert f"+ {alive.url}" in shown(app)
        assert await main.client.evacuation.journal.last() is None, "nothing before the question"
        await pilot.press("y")
        await sees(app, "took the new relay list")
        assert [row.url for row in await main.client.relays.rows()] == [alive.url]
        await pilot.press("escape")
        assert app.screen is main
