"""Feeds on screens of their own."""

from __future__ import annotations

import pytest

from nostr_client.tui.screens.feed import FeedScreen
from nostr_client.tui.targets import TagTarget
from tests.tui.world import WIDE, World, sees, shown, until


@pytest.mark.slow
async def test_strangers_can_be_left_out_of_a_hashtag(world: World) -> None:
    tag = (("t", "roof"),)
    await world.put(
        world.follows("ana", "ben"),
        world.follows("ben", "cy"),
        world.note("ben", "Slates! #roof", 90, tag),
        world.note("cy", "And nails. #roof", 80, tag),
        world.note("eve", "BUY MY ROOF #roof", 70, tag),
    )
    await world.watched("ana")
    async with world.at_home(WIDE) as (app, pilot):
        app.open(TagTarget("roof"))
        await sees(app, "BUY MY ROOF")
        await pilot.press("K")
        await until(lambda: "BUY MY ROOF" not in shown(app))
        await sees(app, "people you know")
        await sees(app, "And nails.")
        assert "Slates!" in shown(app)
        screen = app.screen
        assert isinstance(screen, FeedScreen)
        assert app.main is not None
        late = [world.note(who, f"late {who} #roof", 5, tag) for who in ("eve", "cy")]
        await app.main.client.store.save(late)
        screen.feed.arrive(await app.main.client.timeline.views([note.id for note in late]))
        await sees(app, "late cy")
        assert "late eve" not in shown(app)
        await pilot.press("K")
        await sees(app, "late eve")
