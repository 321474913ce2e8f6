"""Workers that are ended before they began."""

from __future__ import annotations

import gc
from functools import partial

from textual.app import App

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
