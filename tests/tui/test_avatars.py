"""People's pictures: whose come by themselves, and that nothing moves when one comes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from textual.content import Content

from nostr_client.config import ClientConfig
from nostr_client.errors import InvalidData
from nostr_client.nips.nip92 import MediaItem
from nostr_client.protocol.event import Event
from nostr_client.social.media.thumbnail_folder import Pixels
from nostr_client.social.views import Profile
from nostr_client.tui.avatars import ACROSS, INDENT, ROWS, Avatars
from nostr_client.tui.half_blocks import HALF
from nostr_client.tui.targets import PersonTarget
from tests.tui.test_pictures import fetched, place
from tests.tui.world import WIDE, World, sees, shown, told, until

__all__ = ["fetched"]
BEN = Profile("b" * 64, picture="https://pics.example/ben.png")
EVE = Profile("e" * 64, picture="https://pics.example/eve.png")


async def test_whose_come_and_in_which_room() -> None:
    asked: list[tuple[str, str]] = []

    async def fetch(item: MediaItem, author: str) -> Pixels:
        asked.append((item.url, author))
        if len(asked) > 1:
            raise InvalidData("no picture")
        return Pixels(6, 3, bytes(54))

    on, off = (Avatars(fetch, lambda who: who == BEN.pubkey, on=on) for on in (True, False))
    assert (on.is_missing(BEN), on.is_missing(EVE), off.is_missing(BEN)) == (True, False, False)
    assert not on.is_missing(Profile(BEN.pubkey, picture="http://pics.example/plain.png"))
    row = [Content("Ben")]
    before = on.beside(BEN, row)
    assert [line.plain for line in before] == [" " * INDENT + "Ben", " " * INDENT]
    changed: list[bool] = []
    assert await on.load(BEN, lambda: changed.append(True)) == ""
    assert (asked, changed) == ([(BEN.picture, BEN.pubkey)], [True])
    after = on.beside(BEN, row)
    assert [line.cell_length for line in after] == [line.cell_length for line in before]
    assert HALF in after[0].plain
    assert len(on.lines(BEN, ACROSS, ROWS)) == ROWS
    tall = [Content("Ben"), Content("who has"), Content("a long name")]
    for lines in (tall, tall, row):
        assert len(on.beside(BEN, lines)) == max(len(lines), ROWS), "as often as it is drawn"
    assert not on.is_missing(BEN)
    on.ask(EVE)
    assert on.is_missing(EVE)
    assert await on.load(EVE, lambda: changed.append(True)) == "no picture"
    assert len(changed) == 1
    assert not on.is_missing(EVE), "what failed is not asked for by itself again"
    on.ask(EVE)
    assert on.is_missing(EVE)


@pytest.mark.slow
async def test_they_stand_on_profiles_and_in_rows(
    world: World, fetched: dict[str, asyncio.Future[Pixels]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def profile(name: str) -> Event:
        said = {"name": name, "picture": f"https://pics.example/{name}.png"}
        return world.event(name, 0, msgspec.json.encode(said).decode(), ago=10**6)

    config = msgspec.structs.replace(world.config, avatars=True)
    monkeypatch.setattr(World, "config", property(lambda self: config))
    await world.put(
        *(world.follows("ana", "ben"), world.follows("ben", "eve", "ana")),
        *(profile("ben"), profile("eve"), world.note("ben", "Good morning.")),
    )
    await world.watched()
    async with world.at_home(WIDE) as (app, pilot):
        assert app.main is not None
        await until(lambda: app.main is not None and app.main.pictures.avatars.on)
        await sees(app, "Good morning.")
        app._navigation.open(PersonTarget(world.pubkey("ben")))
        await sees(app, "[notes]")
        await until(lambda: "https://pics.example/ben.png" in fetched)
        before = place(app, "[notes]")
        fetched["https://pics.example/ben.png"].set_result(Pixels(20, 20, bytes(1200)))
        await until(lambda: HALF in shown(app))
        assert place(app, "[notes]") == before
        await pilot.press("l", "l", "l")
        await sees(app, "2 people")
        row = place(app, "eve")
        app._navigation.open(PersonTarget(world.pubkey("eve")))
        await sees(app, "not followed")
        assert list(fetched) == ["https://pics.example/ben.png"], "a stranger's waits"
        await pilot.press("V")
        await until(lambda: len(fetched) == 2)
        fetched["https://pics.example/eve.png"].set_result(Pixels(20, 20, bytes(1200)))
        await until(lambda: HALF in shown(app))
        await pilot.press("escape")
        await until(lambda: "2 people" in shown(app))
        app.screen.refresh()
        assert place(app, "eve") == row


@pytest.mark.slow
async def test_one_that_is_asked_for_and_cannot_be_had_is_said(
    world: World, fetched: dict[str, asyncio.Future[Pixels]]
) -> None:
    assert not ClientConfig().avatars
    said = '{"name":"eve","picture":"https://pics.example/eve.png"}'
    await world.put(world.event("eve", 0, said), world.named("ben"), world.note("eve", "Hello."))
    await world.watched()
    async with world.at_home(WIDE) as (app, pilot):
        app._navigation.open(PersonTarget(world.pubkey("eve")))
        await sees(app, "Hello.")
        assert not app.screen.query_one("#face").display
        await pilot.press("V")
        await until(lambda: bool(fetched))
        fetched["https://pics.example/eve.png"].set_exception(InvalidData("no picture\x1b[2J"))
        await told(app, "no picture")
        app._navigation.open(PersonTarget(world.pubkey("ben")))
        await sees(app, "ben")
        await pilot.press("V")
        await told(app, "They name no picture of themselves.")
