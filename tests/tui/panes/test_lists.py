"""The section of the lists: versions, what is different, undo, two devices' versions together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.content import Content

from nostr_client.protocol.event import Event
from nostr_client.store.contract import StoreOptions
from nostr_client.store.opening import open_store
from nostr_client.tui.panes.lists import ListsPane
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.thread import ThreadScreen
from tests.conftest import StartRelay
from tests.tui.world import World, sees, told, until


async def test_two_devices_follow_lists_are_put_together_and_undone(
    world: World, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    world.relays = [relay.url]
    await world.account()

    def follows(ago: int, *names: str) -> Event:
        return world.event("ana", 3, "", tuple(("p", world.pubkey(n)) for n in names), ago)

    base, mine, theirs = (
        follows(ago, *names)
        for ago, names in ((900, ["ben"]), (600, ["ben", "cy"]), (300, ["ben", "dee"]))
    )
    await world.put(
        *(world.named(name) for name in ("ben", "cy", "dee")),
        world.event("ana", 10002, "", (("r", relay.url),), 10**6),
    )
    options = StoreOptions(keep_history_of=[world.pubkey("ana")])
    async with open_store(world.where.data / "events.db", options) as store:
        for version in (base, mine, theirs):
            await store.save([version])
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await sees(app, "relays 1/1")
        await pilot.press("0")
        await sees(app, "follows · 3 versions")
        await sees(app, "M puts both together")
        await sees(app, "+ public p dee")
        await sees(app, "- public p cy")
        await pilot.press("M")
        await sees(app, "Put versions 2 and 1 of your follow list together?")
        await pilot.press("y")
        await told(app, "Your follow list is as you wanted")
        await sees(app, "follows · 4 versions")
        follows_now = await app.main.client.follows.pubkeys()
        assert set(follows_now) == {world.pubkey(name) for name in ("ben", "cy", "dee")}
        await pilot.press("G", "U")
        await until(lambda: isinstance(app.screen, ConfirmDialog))
        await sees(app, "Publish your follow list as version 4 had it?")
        await pilot.press("y")
        await sees(app, "takes 2 of its 3 entries out")
        assert await app.main.client.follows.pubkeys() == follows_now, "not without the word"
        await pilot.press("escape")
        await pilot.press("right")
        await sees(app, "mutes · 0 versions")


async def test_names_stand_there_at_once_and_one_that_comes_later_takes_its_place(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.account()
    await world.put(world.follows("ana", "ben", "cy"), world.named("ben"))
    drawn: list[str] = []
    difference = ListsPane._difference

    def noted(*given: Any) -> Iterator[Content]:
        for line in difference(*given):
            drawn.append(line.plain)
            yield line

    monkeypatch.setattr(ListsPane, "_difference", noted)
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await pilot.press("0")
        await sees(app, "public p ben")
        assert not [line for line in drawn if world.npub("ben")[:10] in line], "not even at first"
        await sees(app, f"public p {world.npub('cy')[:10]}")
        await app.main.client.store.save([world.named("cy", "Cyan")])
        await sees(app, "public p Cyan")


async def test_a_name_that_comes_while_another_screen_is_open_stands_there_too(
    world: World,
) -> None:
    await world.account()
    note = world.note("ben", f"Ask nostr:{world.npub('cy')}, who knows.")
    await world.put(world.follows("ana", "ben"), world.named("ben"), note)
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, ThreadScreen))
        await sees(app, f"Ask @{world.npub('cy')[:10]}")
        await app.main.client.store.save([world.named("cy", "Cyan")])
        await sees(app, "Ask @Cyan")
