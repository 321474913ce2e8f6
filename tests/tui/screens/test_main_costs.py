"""What the main screen costs: counted, not timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial

import pytest
from textual._compositor import Compositor, LayoutUpdate

from nostr_client.social.views import RelayRow
from nostr_client.tui import polling
from nostr_client.tui.panes.pane import PaneView
from nostr_client.tui.screens import main as main_screen
from tests.tui.world import WIDE, World, furnish, until


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


async def test_opening_a_thread_beside_the_list_does_not_paint_all_of_the_screen(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(world)
    await world.watched("ana")
    async with world.at_home(WIDE) as (app, pilot):
        main = app.main
        assert main is not None
        await until(lambda: main.detail.notes.note is not None)
        await pilot.pause()
        painted: list[object] = []
        paint = Compositor.render_full_update

        def counted(compositor: Compositor, simplify: bool = False) -> LayoutUpdate:
            painted.append(compositor)
            return paint(compositor, simplify)

        monkeypatch.setattr(Compositor, "render_full_update", counted)
        await pilot.press("enter")
        await until(lambda: main.detail.notes.has_focus)
        await pilot.pause()
        await pilot.press("escape")
        await until(lambda: main.front.has_focus)
        await pilot.pause()
        assert not painted


@pytest.mark.slow
async def test_a_thread_that_is_read_again_and_is_the_same_is_not_drawn_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(world)
    await world.watched("ana")
    async with world.at_home(WIDE) as (app, _):
        main = app.main
        assert main is not None
        await until(lambda: main.detail.notes.note is not None)
        target, drawn = main.detail.target, list[object]()
        assert target is not None
        monkeypatch.setattr(main.detail.notes, "renew", lambda *a, **k: drawn.append(a))
        await main.detail._fetch(target, after=0)
        drawn.clear()
        await main.detail._fetch(target, after=0)
        assert not drawn
        main.detail.on_unfolded()
        assert drawn
