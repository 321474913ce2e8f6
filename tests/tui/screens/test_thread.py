"""The screen of a thread, and what a thread says of itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from nostr_client.net.outcome import End, How
from nostr_client.social.views import ThreadView
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.widgets.thread import _summary
from tests.tui.world import (
    NARROW,
    World,
    furnish,
    sees,
    shown,
    until,
)


def test_a_thread_says_what_lacks_in_it() -> None:
    dead = End(url="ws://dead", how=How.UNREACHABLE)
    heard = End(url="ws://heard", how=How.ANSWERED)
    large = End(url="ws://large", how=How.INCOMPLETE, problem="1 too large to be kept")
    for ends, words in (
        ((heard,), "this note is not here · every relay that was asked answered, and has none"),
        ((dead,), "this note is not here · nobody answered"),
        ((heard, large), "this note is not here · not everything could be read"),
    ):
        thread = ThreadView("f" * 64, None, ends={end.url: end for end in ends})
        assert _summary(thread) == words


async def test_a_thread_is_a_screen_of_its_own_where_it_is_narrow(world: World) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        await pilot.press("G")
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("enter")
        assert isinstance(app.screen, ThreadScreen)
        await sees(app, "1 answer")
        text = shown(app)
        assert "The library roof is fixed." in text
        assert "└ cy · 1h · to ben" in text
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_the_note_stands_there_before_its_thread_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        await pilot.press("G")
        await until(lambda: bool(app.main and app.main.front.selected))
        assert app.main is not None
        threads, seen = app.main.client.threads, list[str]()
        load = threads.load

        async def read(note_id: str) -> ThreadView:
            if isinstance(app.screen, ThreadScreen):
                seen.append(shown(app))
            return await load(note_id)

        monkeypatch.setattr(threads, "load", read)
        await pilot.press("enter")
        await sees(app, "1 answer")
        assert "thread · being read" in seen[0]
        assert "The library roof is fixed." in seen[0]


async def test_an_answer_appears_in_the_open_thread(world: World) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        assert app.main is not None
        await pilot.press("G")
        await pilot.pause()
        await pilot.press("enter")
        await sees(app, "1 answer")
        target = app.screen.panel.target  # type: ignore[attr-defined]
        late = world.note("dee", "I heard of it.", 5, (("e", target.id, "", "root"),))
        await app.main.client.store.save([late])
        await sees(app, "2 answers")
        assert "I heard of it." in shown(app)


@pytest.mark.slow
async def test_what_is_missing_is_asked_for_again_by_enter(world: World) -> None:
    await world.put(
        world.follows("ana", "ben"),
        world.note("ben", "I say so too.", 5, (("e", "9" * 64, "", "root"),)),
    )
    await world.watched()
    async with world.at_home(NARROW) as (app, pilot):
        assert app.main is not None
        await until(lambda: bool(app.main and app.main.front.selected))
        await pilot.press("enter")
        await sees(app, "1 earlier note is missing")
        threads, asked = app.main.client.threads, []

        async def fetch(note_id: str, **how: object) -> ThreadView:
            asked.append(how["in_passing"])
            dead = End(url="ws://dead.example", how=How.UNREACHABLE)
            return replace(await threads.load(note_id), ends={dead.url: dead})

        threads.fetch = fetch  # type: ignore[method-assign, assignment]
        await pilot.press("g", "g", "enter")
        await sees(app, "missing: asked dead.example · enter asks again")
        assert asked[-1] is False


@pytest.mark.slow
async def test_a_note_that_is_opened_stands_there_before_its_thread_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(world)
    await world.watched("ana")
    async with world.at_home() as (app, pilot):
        assert app.main is not None
        threads, ready = app.main.client.threads, asyncio.Event()
        load = threads.load

        async def late(event_id: str) -> ThreadView:
            await ready.wait()
            return await load(event_id)

        monkeypatch.setattr(threads, "load", late)
        await sees(app, "The library roof is fixed.")
        await pilot.press("G", "enter")
        await sees(app, "thread · being read")
        await sees(app, "The library roof is fixed.")
        ready.set()
        await sees(app, "And the coffee was good!")
        await sees(app, "thread · 1 answer")
