"""A relay wants to know who asks: a quiet question, its answers, and the list of them."""

from __future__ import annotations

from nostr_client.tui.screens.auth import AuthListScreen, AuthQuestionDialog
from nostr_client.tui.screens.compose import ComposeScreen
from tests.routing.moody import Relay
from tests.tui.world import WIDE, World, burst, sees, shown, until

WALL = "auth-required: members only"


async def read_behind(world: World, wall: Relay, mine: Relay) -> None:
    """Ana follows ben, who writes behind a wall."""
    wall.challenge, wall.words = "prove it", WALL
    wall.keep(world.note("ben", "For members."))
    world.relays = [mine.url]
    await world.account()
    await world.put(
        world.follows("ana", "ben"),
        world.named("ben"),
        world.event("ana", 10002, "", (("r", mine.url),)),
        world.event("ben", 10002, "", (("r", wall.url),)),
    )


async def test_the_question_takes_no_keys_and_its_answer_is_kept_seen_and_taken_back(
    world: World,
) -> None:
    async with Relay() as wall, Relay() as mine:
        await read_behind(world, wall, mine)
        async with world.at_home(WIDE) as (app, pilot):
            await sees(app, "wants to know who you are")
            assert wall.url in shown(app)
            assert "to read" in shown(app)
            await pilot.press("c")
            await until(lambda: isinstance(app.screen, ComposeScreen))
            burst(app, "yes! always, never no")
            await sees(app, "yes! always, never no")
            assert wall.guests == []
            await pilot.press("escape")
            await until(lambda: app.screen is app.main)
            await pilot.press("y", "n", "a", "v")  # but for the key on the line they mean nothing
            await pilot.press("exclamation_mark")
            await until(lambda: isinstance(app.screen, AuthQuestionDialog))
            assert "Account: ana" in shown(app)
            assert "of ben" in shown(app)
            assert wall.guests == []
            await pilot.press("a")
            await until(lambda: app.screen is app.main)
            await sees(app, "For members.")
            assert [guest.pubkey for guest in wall.guests] == [world.pubkey("ana")]
            await until(lambda: "wants to know" not in shown(app))
            await pilot.press("8", "W")
            await until(lambda: isinstance(app.screen, AuthListScreen))
            await sees(app, "may know")
            await pilot.press("n")
            await sees(app, "never")
            await pilot.press("x")
            await sees(app, "nobody else")
            assert app.main is not None
            assert app.main.client.authenticator is not None
            assert app.main.client.authenticator.choices.all() == []
            await pilot.press("escape")
            await until(lambda: app.screen is app.main)
