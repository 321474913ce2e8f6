"""Jump mode."""

from __future__ import annotations

import pytest

from nostr_client.tui.screens.feed import FeedScreen
from nostr_client.tui.screens.jump import LETTERS, JumpScreen, labels
from tests.tui.world import World, until


@pytest.mark.parametrize("count", [0, 1, 26, 27, 300])
def test_each_place_has_letters_of_its_own_and_none_begins_another(count: int) -> None:
    made = labels(count)
    assert len(set(made)) == count
    assert len({len(each) for each in made}) <= 1
    assert len(set(LETTERS)) == 26


async def test_letters_go_to_an_item_and_to_what_is_in_it(world: World) -> None:
    await world.put(
        world.follows("ana", "ben"),
        world.note("ben", "about #roofs here", 10, (("t", "roofs"),)),
        *(world.note("ben", f"note {n}", 60 + n) for n in range(3)),
    )
    await world.watched()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await until(lambda: len(main.front.items) == 4)
        await pilot.press("semicolon")
        await until(lambda: isinstance(app.screen, JumpScreen))
        await pilot.press(LETTERS[3])  # the first note, its tag, the second, the third
        await until(lambda: app.screen is main)
        await until(lambda: main.front.selected is main.front.items[2])
        await pilot.press("semicolon", "escape")
        await until(lambda: app.screen is main)
        await pilot.press("semicolon", LETTERS[1])
        await until(lambda: isinstance(app.screen, FeedScreen))
