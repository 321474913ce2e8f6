"""Programs of the person's own: what they are told, how they end, and what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from nostr_client.config import CommandConfig
from nostr_client.errors import ConfigError, InvalidData
from nostr_client.settings import InvalidSettings
from nostr_client.tui import programs
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.keymap import LIST
from nostr_client.tui.own_commands import arguments, first_link, own_commands
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.programs import MOST_OUTPUT
from nostr_client.tui.screens.program_output import ProgramOutputScreen
from tests.tui.world import World, sees, shown, told, until

SPEAK = "import sys; print('\\x1b]0;x\\x07', sys.argv[1], sys.stdin.read())"
GROUPS = (EVERYWHERE, LIST, NOTE)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_what_is_put_in_is_one_argument_and_no_option() -> None:
    values = {"text": lambda: "$(rm -rf /) {url} ; -x", "url": lambda: "https://x.example/"}
    assert arguments(["say", "{text}", "--at={url}", "plain"], values) == [
        "say",
        "$(rm -rf /) {url} ; -x",
        "--at=https://x.example/",
        "plain",
    ]
    for begins in ("-rf", "--output=/etc/passwd", "-"):
        given = {"text": lambda begins=begins: begins}
        with pytest.raises(InvalidData, match="option"):
            arguments(["rm", "{text}"], given)  # type: ignore[arg-type]
        assert arguments(["rm", "-m{text}"], given) == ["rm", f"-m{begins}"]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("see https://x.example/a?b=c#d.", "https://x.example/a?b=c#d"),
        ("(HTTP://x.example/(a))", "HTTP://x.example/(a"),
        ("https://x.example/\x1b[31m", "https://x.example/"),
        ("https://x.example/\u202egnp", "https://x.example/"),
    ],
)
def test_the_first_link(text: str, link: str) -> None:
    assert first_link(text) == link


def test_without_a_link_nothing_is_run() -> None:
    with pytest.raises(InvalidData):
        first_link("ftp://x.example file:///etc/passwd javascript:x")


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"run": ()}, "commands.a.run: allowed: a program"),
        ({"run": ("{text}",)}, "nothing is put into it"),
        ({"run": ("x", "{pubkey}")}, "{pubkey} is not known"),
        ({"run": ("x", "{url}"), "on": "app"}, "allowed: none"),
        ({"run": ("x",), "keys": ("j",)}, "'j' is list.next already"),
        ({"run": ("x",), "keys": ("4",)}, "'4' is app."),
        ({"run": ("x",), "keys": ("ctrl+m",)}, "to many terminals it is enter"),
        ({"run": ("x",), "stdin": "text", "on": "person"}, "is that of a note"),
        ({"run": ("x",), "stdin": "text", "terminal": True}, "reads what is typed"),
    ],
)
def test_what_is_wrong_is_said(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        own_commands({"a": CommandConfig(**config)}, {}, GROUPS)
    assert len(caught.value.problems) == 1
    assert problem in str(caught.value)
    freed = {"list.next": ("f9",)}
    assert own_commands({"a": CommandConfig(run=("x",), keys=("j",))}, freed, GROUPS)


def test_a_script_of_a_shell_is_given_nothing_that_others_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {"text": lambda: 'x" & calc'}
    monkeypatch.setattr(sys, "platform", "win32")
    for script in ("play.bat", r"C:\tools\PLAY.CMD", "play.cmd. "):
        with pytest.raises(InvalidData, match="shell"):
            arguments([script, "{text}"], values)
        assert arguments([script, "--quiet"], values) == [script, "--quiet"]
    assert arguments(["play.exe", "{text}"], values) == ["play.exe", 'x" & calc']
    monkeypatch.setattr(sys, "platform", "linux")
    assert arguments(["play.bat", "{text}"], values) == ["play.bat", 'x" & calc']


async def test_a_program_is_given_its_input_and_heard_and_ended() -> None:
    shout = python("import sys; print(sys.stdin.read().upper())")
    assert (await programs.run(shout, b"one", 20)).output == b"ONE\n"
    assert (await programs.run(python("raise SystemExit(3)"), b"x" * 10**6, 20)).code == 3
    slow = await programs.run(python("import time; time.sleep(60)"), None, 0.2)
    assert slow.ended == "it took longer than 0.2 s"
    much = await programs.run(python("while True: print('x' * 9999)"), None, 20)
    assert (much.ended, len(much.output)) == ("it wrote too much", MOST_OUTPUT)
    assert (await programs.run(python("print(1)"), None, 20, heard=False)).output == b""
    with pytest.raises(ConfigError, match="does not start"):
        await programs.run(["/nowhere/to/be/found"], None, 1)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such shell")
async def test_what_a_program_leaves_running_is_heard_no_longer() -> None:
    await programs.run(["true"], None, 20)
    before = len(list(Path("/dev/fd").iterdir()))
    left = await programs.run(["sh", "-c", "sleep 60 & echo $!"], None, 0.2)
    try:
        assert left.ended == "it took longer than 0.2 s"
        await until(lambda: len(list(Path("/dev/fd").iterdir())) == before)
    finally:
        os.kill(int(left.output), signal.SIGKILL)


async def test_what_is_cancelled_is_ended() -> None:
    task = asyncio.create_task(programs.run(python("import time; time.sleep(60)"), None, 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.slow
async def test_it_runs_on_the_note_and_its_words_are_inert(world: World) -> None:
    config = {
        "pipe": CommandConfig(
            run=(
                *python("import sys; print('\\x1b]0;x\\x07', sys.argv[1], sys.stdin.read())"),
                "{id}",
            ),
            stdin="text",
            keys=("f9",),
            says="Pipe it",
        ),
        "link": CommandConfig(run=("true", "{url}")),
    }
    world.commands = own_commands(config, {}, GROUPS)
    note = world.note("ana", "My own words.")
    await world.put(note)
    await world.watched()
    async with world.at_home((120, 40)) as (app, pilot):
        main = app.main
        assert main is not None
        await until(lambda: main.front.selected is not None)
        await pilot.press("f9")
        await until(lambda: isinstance(app.screen, ProgramOutputScreen))
        await sees(app, note.id)
        await sees(app, "My own words.")
        assert "\x1b" not in shown(app)
        await pilot.press("escape", "colon", *"link", "enter")
        await told(app, "there is no link in this note")
        await pilot.press("question_mark", "slash", *"pipe")
        await sees(app, "Pipe it")
