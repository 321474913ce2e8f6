"""What is said, in its turn: the log by itself, and the line on the screen."""

from __future__ import annotations

import pytest

from nostr_client.tui.message_log import MOST_KEPT, MOST_WAITING, MessageLog
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.widgets.message_line import MessageLine
from tests.tui.world import World, burst, sees, shown, type_in, until


def shown_in(log: MessageLog) -> str:
    return log.shown.words if log.shown else ""


def test_a_word_goes_by_itself_and_an_error_waits_for_a_key() -> None:
    log = MessageLog()
    log.say("done", "information", now=0.0, at=0.0)
    assert not log.look(5.9)
    assert log.look(6.0)
    assert log.shown is None
    log.say("broken", "error", now=10.0, at=0.0)
    assert not log.look(10_000.0)
    assert not log.key(11.4), "whoever types on has not read it"
    assert shown_in(log) == "!! error: broken"
    assert log.key(11.6)
    assert log.shown is None


def test_one_after_the_other_and_none_twice() -> None:
    log = MessageLog()
    for text in ("one", "two", "two", "one"):
        log.say(text, "warning", now=0.0, at=0.0)
    assert (shown_in(log), log.waiting) == ("! note: one", 1)
    assert not log.look(3.9)
    assert log.look(4.0)
    assert shown_in(log) == "! note: two"
    assert not log.look(13.9), "the last has its whole time"
    assert [said.text for said in log.kept] == ["one", "two", "two", "one"]


def test_what_waits_and_what_is_kept_has_a_bound() -> None:
    log = MessageLog()
    for number in range(500):
        log.say(f"{number}\x1b[2J", "loud", now=0.0, at=0.0)
    assert (log.waiting, len(log.kept)) == (MOST_WAITING, MOST_KEPT)
    assert log.kept[-1].words == "499", "safe, and an unknown severity is plain"
    log.hush()
    assert (log.shown, log.waiting, len(log.kept)) == (None, 0, 0)


async def test_it_stands_where_the_keys_are_named_and_follows_the_screens(world: World) -> None:
    await world.account()
    await world.put(world.named("ana"), world.note("ana", "What is being read."))
    async with world.at_home() as (app, pilot):
        await sees(app, "What is being read.")
        before = shown(app).splitlines()
        app.say("[bold]Broken[/]\x1b[2J", "error")
        await sees(app, " !! error: [bold]Broken[/]")
        after = shown(app).splitlines()
        assert after[1:-1] == before[1:-1], "only the line of the keys gives way"
        assert "j move" in before[-1]
        assert "Broken" in after[-1]
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, ComposeScreen))
        await sees(app, "Broken")
        app.news._clock = lambda: 10**9  # long after
        await type_in(pilot, "x")
        await until(lambda: "Broken" not in shown(app))
        assert not app.screen.query_one(MessageLine).display
        burst(app, "\x1b")
        await until(lambda: app.screen is app.main and "Broken" not in shown(app))
        burst(app, "\x0e")
        await sees(app, "What was said")
        await sees(app, "!! error: [bold]Broken[/]")


@pytest.mark.slow
async def test_an_error_leaves_the_keys_of_the_composer_to_be_read(world: World) -> None:
    await world.account()
    async with world.at_home() as (app, pilot):
        await pilot.press("c")
        await sees(app, "ctrl+s send")
        before = shown(app).splitlines()
        app.say("Nothing goes out", "error")
        await sees(app, "!! error: Nothing goes out")
        after = shown(app).splitlines()
        assert any("ctrl+s send" in line for line in after)
        [place] = [n for n, line in enumerate(after) if "Nothing goes out" in line]
        assert after[place + 1 :] == before[place + 1 :], "what is written stays where it is"
