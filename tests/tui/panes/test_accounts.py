"""The section of the accounts."""

from __future__ import annotations

import logging

import pytest

from nostr_client.nips import nip19, nip49
from tests.tui.world import (
    PASSWORD,
    World,
    sees,
    shown,
    told,
    type_in,
    until,
)


async def test_accounts(world: World) -> None:
    await world.put(world.note("ana", "By ana."), world.note("ben", "By ben."))
    await world.watched("ben")
    await world.account("ana")
    async with world.at_home() as (app, pilot):
        await sees(app, "By ana.")
        await pilot.press("9")
        await sees(app, "ana  in use  key encrypted here")
        await pilot.press("g")
        await pilot.press("enter")
        await sees(app, "By ben.")
        current = world.accounts.current()
        assert current is not None
        assert current.name == "ben"
        await pilot.press("9")
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
        await pilot.press("9")
        await sees(app, "no backup yet")
        await pilot.press("G", "x")
        await sees(app, "may be the only copy")
        await pilot.press("y", "enter")
        assert len(world.accounts.all()) == 2
        app.screen.query_one("#word").value = "forget"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(lambda: len(world.accounts.all()) == 1)


@pytest.mark.slow
async def test_a_key_is_taken_away_encrypted_or_bare_after_its_name_was_typed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await world.account("ana")
    nsec = nip19.encode_nsec(world.person("ana"))
    async with world.at_home((100, 30)) as (app, pilot):
        await pilot.press("9", "e")
        await sees(app, "Its password")
        await type_in(pilot, PASSWORD)
        assert PASSWORD not in shown(app)
        await pilot.press("enter")
        await sees(app, "ncryptsec1••••")
        await pilot.press("y")
        await until(lambda: app.clipboard.startswith("ncryptsec1"))
        assert bytes(nip49.decrypt(app.clipboard, PASSWORD)) == bytes(world.person("ana"))
        await pilot.press("escape", "E")
        await sees(app, "Show the bare secret key of ana?")
        await type_in(pilot, "y")
        await pilot.press("enter")
        assert "type: ana" in shown(app) or "Show the bare" in shown(app), "another word is no"
        app.screen.query_one("#word").value = "ana"  # type: ignore[attr-defined]
        await pilot.press("enter")
        await sees(app, "Its password")
        await type_in(pilot, "another password")
        await pilot.press("enter")
        await until(lambda: app.screen is app.main)
        await pilot.press("E")
        await sees(app, "Show the bare")
        await type_in(pilot, "ana")
        await pilot.press("enter")
        await sees(app, "Its password")
        await type_in(pilot, PASSWORD)
        await pilot.press("enter")
        await sees(app, "nsec1••••")
        assert nsec[:20] not in app.export_screenshot()
        await pilot.press("y")
        await told(app, "A bare key is not copied")
        await pilot.press("v")
        await sees(app, nsec[:40])
        assert nsec[:20] not in app.export_screenshot(), "no picture of it"
        await pilot.press("v")
        await sees(app, "nsec1••••")
        await pilot.press("escape")
        await until(lambda: app.screen is app.main)
    assert nsec[5:30] not in caplog.text
    assert world.accounts.all()[0].backed_up
