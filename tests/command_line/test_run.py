"""How commands end: one line of error, one exit code, for every kind of ending."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from nostr_client.cli.app import run_command
from nostr_client.command_line.context import Context
from nostr_client.command_line.run import run_command_line
from nostr_client.command_line.tree import DEBUG, JSON, Group
from nostr_client.command_line.waiting import Terminated, wait_for
from nostr_client.errors import ConnectFailed, RelayTimeout, StoreError
from nostr_client.exits import CommandError, Exit
from nostr_client.settings import InvalidSettings
from nostr_client.tasks import together
from nostr_client.version import __version__
from relays.cli.app import run_command as run_relay_command


def ended(error: BaseException, *options: str) -> int:
    def work(context: Context) -> None:
        """Fail."""
        raise error

    root = Group("All.")
    root.add("work", work, (JSON, DEBUG), Context)
    return run_command_line(root, "p", ["work", *options])


ENDINGS: list[tuple[Callable[[], BaseException], int, str]] = [
    (lambda: StoreError("no room"), 1, "no room"),
    (lambda: CommandError("not here", Exit.NOT_FOUND), 4, "not here"),
    (lambda: ConnectFailed("https://a.example/", "no"), 7, "https://a.example/: no"),
    (lambda: RelayTimeout("https://a.example/", "late"), 7, "https://a.example/: late"),
    (lambda: FileNotFoundError(errno.ENOENT, "No such file", "x.json"), 1, "x.json: No such file"),
    (lambda: ExceptionGroup("g", [ExceptionGroup("h", [StoreError("a")])]), 1, "a"),
    (lambda: ExceptionGroup("g", [StoreError("a"), StoreError("b")]), 1, "a"),
    (lambda: ExceptionGroup("g", [PermissionError(errno.EACCES, "denied")]), 1, "denied"),
    (lambda: StoreError("two\nlines \x1b[2J"), 1, "two lines"),
]


@pytest.mark.parametrize(("error", "code", "said"), ENDINGS, ids=range(len(ENDINGS)))
def test_an_error_is_one_line(
    error: Callable[[], BaseException], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error()) == code
    assert capsys.readouterr() == ("", f"error: {said}\n")
    assert ended(error(), "--json") == code
    assert json.loads(capsys.readouterr().err) == {"error": said}


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (Terminated(15), 143), (BrokenPipeError(), 0)]
)
def test_who_ends_it_knows_why(
    error: BaseException,
    code: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nostr_client.output.drop", lambda stream: None)
    assert ended(error) == code
    assert capsys.readouterr() == ("", "")


def test_who_reads_no_more_ends_a_command_that_has_cleaned_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A SystemExit would leave the loop before what runs on it, and be told of at its end."""
    cleaned: list[str] = []
    read, write = os.pipe()
    os.close(read)

    async def work(context: Context) -> None:
        async with together() as group:
            group.create_task(say(context))

    async def say(context: Context) -> None:
        try:
            await asyncio.to_thread(context.out.emit_json, [b"{}"])
        finally:
            await asyncio.sleep(0)
            cleaned.append("yes")

    def command(context: Context) -> None:
        """Work."""
        wait_for(work(context))

    root = Group("All.")
    root.add("work", command, (JSON,), Context)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert run_command_line(root, "p", ["work"]) == Exit.DONE
    assert cleaned == ["yes"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("run", [run_command, run_relay_command])
def test_the_version_is_said_whatever_follows(
    run: Callable[[Sequence[str]], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--version", "--json"]) == 0
    assert capsys.readouterr().out.endswith(f"{__version__}\n")


def test_a_closed_output_is_an_error_of_either_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in (run_command, run_relay_command):
        monkeypatch.setattr(sys, "stdout", None)
        assert run(["--help"]) == Exit.ERROR
        sys.stdout.close()
    assert "cannot be written" in capsys.readouterr().err


def test_all_that_is_wrong_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = InvalidSettings(["a: 1", "b: 2"])
    assert ended(wrong) == 1
    assert capsys.readouterr().err == "error: a: 1\nerror: b: 2\n"
    assert ended(wrong, "--json") == 1
    told = json.loads(capsys.readouterr().err)
    assert told == {"error": "a: 1; b: 2", "problems": ["a: 1", "b: 2"]}


def test_wrong_words_are_one_line_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    root, nsec = Group("All."), "nsec1" + "q" * 58
    assert run_command_line(root, "p", [nsec]) == Exit.USAGE
    err = capsys.readouterr().err
    assert err.startswith("error: no such command: (a key, not shown)")
    assert err.count("\n") == 1
    assert run_command_line(root, "p", [nsec, "--json"]) == Exit.USAGE
    assert nsec not in capsys.readouterr().err


def show(context: Context) -> None:
    """Show something."""
    context.out.emit({"n": 1}, "one")
    sys.stdout.write("two\n")


def shown(words: Sequence[str]) -> int:
    root = Group("All.")
    root.add("show", show, (JSON, DEBUG), Context)
    return run_command_line(root, "p", words)


BOTH: list[tuple[Callable[[Sequence[str]], int], list[str]]] = [
    (shown, ["show"]),
    (shown, ["show", "--json"]),
    (run_command, ["--help"]),
    (run_relay_command, ["--help"]),
    (run_relay_command, ["ban", "--help"]),
    (run_relay_command, ["--version"]),
]


NAMES = [" ".join([run.__name__, *words]) for run, words in BOTH]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize(("run", "words"), BOTH, ids=NAMES)
def test_what_cannot_be_written_is_an_error(
    run: Callable[[Sequence[str]], int],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert run(words) == Exit.ERROR
        monkeypatch.undo()
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "the output cannot be written: No space left on device" in told


@pytest.mark.parametrize(("run", "words"), BOTH, ids=NAMES)
def test_a_reader_that_has_gone_is_no_error(
    run: Callable[[Sequence[str]], int],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert run(words) == Exit.DONE
        monkeypatch.undo()
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals there")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, Exit.TERMINATED), (signal.SIGHUP, 129), (2, 130)]
)
def test_a_signal_lets_a_command_clean_up(
    number: int, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    cleaned: list[bool] = []

    async def act() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(30)
        finally:
            cleaned.append(True)

    def work(context: Context) -> None:
        """Wait."""
        wait_for(act())

    root = Group("All.")
    root.add("work", work, (JSON, DEBUG), Context)
    assert run_command_line(root, "p", ["work"]) == code
    assert cleaned == [True]
    assert capsys.readouterr() == ("", "")


def test_help_is_a_word_too(capsys: pytest.CaptureFixture[str]) -> None:
    for words, options in ((["help"], ["--help"]), (["help", "req"], ["req", "--help"])):
        assert run_command(words) == run_command(options) == 0
        shown = capsys.readouterr().out
        assert shown[: len(shown) // 2] == shown[len(shown) // 2 :]
