"""The `:` line."""

from __future__ import annotations

import pytest

from nostr_client.tui.commands import NamedCommand, by_name, matching, meant
from nostr_client.tui.screens.command_line import CommandLineScreen, offers
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.widgets.inputs import LineInput
from tests.tui.world import World, burst, furnish, sees, shown, told, until

NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"


def command(name: str, *values: str) -> NamedCommand:
    return NamedCommand(
        name, f"does {name}", str, argument="X" * bool(values), values=lambda: values
    )


def test_a_name_is_meant_by_itself_or_by_its_beginning() -> None:
    commands = by_name([command("relays"), command("reply"), command("re"), command("relays")])
    assert [each.name for each in commands] == ["relays", "reply", "re"]
    assert meant(commands, "re") is commands[2]
    assert meant(commands, "rel") is commands[0]
    assert meant(commands, "r") is None
    assert meant(commands, "") is None
    assert [each.name for each in matching(commands, "l")] == ["relays", "reply"]


def test_names_are_completed_and_what_follows_them() -> None:
    commands = [command("theme", "mono", "nord", "dusk"), command("thread")]
    assert [each.text for each in offers(commands, "th")] == ["theme", "thread"]
    assert [each.text for each in offers(commands, ":the")] == ["theme"]
    assert [each.text for each in offers(commands, "theme d")] == ["theme dusk", "theme nord"]
    assert [each.text for each in offers(commands, "theme no")] == ["theme nord", "theme mono"]
    assert offers(commands, "nothing x") == []


@pytest.mark.slow
async def test_everything_is_done_by_its_name(world: World) -> None:
    await furnish(world)
    await world.watched()
    async with world.at_home() as (app, pilot):
        main = app.main
        assert main is not None
        await until(lambda: main.front.selected is not None)
        burst(app, ":relays\n")
        await until(lambda: main.pane.name == "relays")
        burst(app, ":theme no\t\n")
        await until(lambda: app.theme == "nord")
        burst(app, ":add\t")
        await sees(app, ":add_relay")
        burst(app, "\x1b:home\n")
        await until(lambda: main.pane.name == "home")
        burst(app, f":open {world.pubkey('cy')}\n")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        burst(app, ":frob\n")
        await told(app, "There is nothing called “frob”")
        burst(app, ":help me\n")
        await told(app, ":help takes nothing after it")
        burst(app, ":")
        await until(lambda: isinstance(app.screen, CommandLineScreen))
        await pilot.press("up", "up")
        await sees(app, ":frob")
        burst(app, "\x1b:open " + NSEC)
        await sees(app, "•" * (len(NSEC) + 5))
        assert NSEC[5:] not in shown(app)
        burst(app, "\n")
        await told(app, "That was a SECRET key.")
        burst(app, ":")
        await until(lambda: isinstance(app.screen, CommandLineScreen))
        await pilot.press("up")
        await until(lambda: app.screen.query_one(LineInput).value == "help me")
