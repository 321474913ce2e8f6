"""What the main screen costs: counted, not timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest

from nostr_client.social.views import RelayRow
from nostr_client.tui import polling
from nostr_client.tui.panes.pane import PaneView
from nostr_client.tui.screens import main as main_screen
from tests.tui.world import World, furnish, until


async def test_sections_that_are_not_in_front_cost_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "POLL_EVERY", 0.01)
    monkeypatch.setattr(main_screen, "LOOKS", 2)
    monkeypatch.setattr(main_screen, "RARELY", 1_000_000)
    await furnish(world)
    await world.watched("ana")
    async with world.at_home() as (app, _):
        main = app.main
        assert main is not None
        looked: Counter[str] = Counter()

        async def look(view: PaneView, relays: Sequence[RelayRow], *, shown: bool) -> None:
            looked[view.id or ""] += 1
            await type(view).poll(view, relays, shown=shown)

        for view in main.views.values():
            monkeypatch.setattr(view, "poll", partial(look, view))
        marked = {name for name, view in main.views.items() if view.has_mark}
        await until(lambda: looked["home"] > 3)
        looked.clear()
        await until(lambda: looked["home"] > 3)
        assert set(looked) == {"home"}
        mention = world.note("dee", "ana!", -60, (("p", world.pubkey("ana")),))
        await main.client.store.save([mention])
        await until(lambda: marked <= set(looked))
        await until(lambda: main.views["mentions"].mark == "1")
        assert set(looked) == {"home", *marked}
