"""Workers that are ended before they began, and that meet errors of ours."""

from __future__ import annotations

import asyncio
import gc
from functools import partial

from textual.app import App
from textual.screen import Screen

from nostr_client.errors import StoreError
from nostr_client.tui.saying import Say
from nostr_client.tui.workers import start_worker


async def test_what_is_ended_before_its_first_step_leaves_nothing_behind() -> None:
    done = []

    async def work(number: int) -> None:
        done.append(number)

    app: App[None] = App()
    async with app.run_test():
        start_worker(app, partial(work, 1), "first")
        app.workers.cancel_all()
        start_worker(app, partial(work, 2), "second")
        await app.workers.wait_for_complete([one for one in app.workers if one.group == "second"])
    gc.collect()  # a coroutine that nobody awaited would be a warning, and so an error
    assert done == [2]


async def test_an_error_of_ours_is_said_and_does_not_end_the_app() -> None:
    said: list[str] = []

    class Told(App[None]):
        def on_say(self, message: Say) -> None:
            said.append(message.text)

    async def work() -> None:
        raise StoreError("the disk is full")

    app = Told()
    async with app.run_test() as pilot:
        await start_worker(app.screen, work, "work").wait()
        await pilot.pause()
        assert said == ["the disk is full"]
        assert app.is_running


async def test_work_that_outlives_its_screen_does_not_end_the_app() -> None:
    closing, met = asyncio.Event(), asyncio.Event()

    class Closed(Screen[None]):
        async def look(self) -> None:
            await closing.wait()
            met.set()
            self.query_one("#count")

    app: App[None] = App()
    async with app.run_test() as pilot:
        screen = Closed()
        await app.push_screen(screen)
        screen._pruning = True  # as while it is being taken down
        start_worker(screen, screen.look, "look")
        workers = [one for one in app.workers if one.node is screen]
        closing.set()
        await app.workers.wait_for_complete(workers)
        await pilot.pause()
        assert met.is_set()
        assert app.is_running
