"""The screen of a person."""

from __future__ import annotations

import json

import pytest

from nostr_client.errors import NostrError
from nostr_client.net import http
from nostr_client.protocol import kinds
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.targets import PersonTarget
from tests.conftest import StartRelay
from tests.tui.world import (
    BOTH,
    World,
    furnish,
    sees,
    shown,
    until,
)


@BOTH
async def test_profile_and_follow(
    world: World, size: tuple[int, int], start_relay: StartRelay
) -> None:
    await furnish(world)
    world.relays = [(await start_relay()).url]
    await world.account()
    async with world.at_home(size) as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "relays 1/1")
        await pilot.press("3")
        await until(lambda: main.front.selected is not None)
        await pilot.press("p")
        await sees(app, "dee  · not followed")
        await sees(app, "npub1")
        assert "A stranger's note for ana." in shown(app)
        await pilot.press("F")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("n")
        assert world.pubkey("dee") not in await main.client.follows.pubkeys()
        await pilot.press("F")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await pilot.press("y")
        await sees(app, "you follow them")
        assert await main.client.follows.pubkeys() == [
            world.pubkey(name) for name in ("ben", "cy", "dee")
        ], "nobody was lost"


@pytest.mark.slow
async def test_what_comes_when_a_profile_is_closing_has_no_place_and_ends_nothing(
    world: World,
) -> None:
    await furnish(world)
    await world.account()
    async with world.at_home() as (app, _pilot):
        assert app.main is not None
        screen = ProfileScreen(
            app.main.client, app.main.renderer, PersonTarget(world.pubkey("dee"))
        )
        await app.push_screen(screen)
        await screen.query_one("#about").remove()  # its lines go first, while it is still there
        assert screen.is_mounted
        await screen.refresh_target()


@pytest.mark.slow
async def test_what_they_say_now_and_have_pinned(world: World) -> None:
    kept = world.note("ben", "Read\x1b[2J this first", 50)
    await world.account()
    await world.put(
        *(world.named("ben"), world.follows("ana", "ben"), kept),
        world.event("ben", 30_315, "on a \x1b[31mladder", (("d", "general"),), 40),
        world.event("ben", 10_001, "", (("e", kept.id), ("e", "x")), 40),
    )
    async with world.at_home() as (app, pilot):
        await sees(app, "this first")
        await pilot.press("p")
        await sees(app, "now: on a")
        await sees(app, "pinned: Read")
        assert "\x1b" not in shown(app)


@pytest.mark.slow
async def test_the_domain_of_a_strangers_name_is_asked_when_the_person_wants_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def get(url: str, *args: object, **options: object) -> object:
        asked.append(url)
        raise NostrError("no")

    monkeypatch.setattr(http, "get", get)
    await furnish(world)
    for name in ("ben", "dee"):
        said = json.dumps({"name": "ben", "nip05": f"{name}@{name}.example"})
        await world.put(world.event(name, kinds.METADATA, said, (), -5))
    await world.watched()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        for name, shown_as in (("ben", "? ben@ben.example"), ("dee", "? dee@dee.example (not ch")):
            target = PersonTarget(world.pubkey(name))
            await app.push_screen(ProfileScreen(main.client, main.renderer, target))
            await sees(app, shown_as)
        await sees(app, "(not the ben you follow): that is npub1")
        await until(lambda: asked == ["https://ben.example/.well-known/nostr.json?name=ben"])
        await pilot.press("N")
        await until(lambda: len(asked) == 2)
        await sees(app, "its domain does not answer")
