"""How commands end: one line of error, one exit code, for every kind of ending."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable

import pytest

from nostr_client.command_line.context import Context
from nostr_client.command_line.run import run_command_line
from nostr_client.command_line.tree import DEBUG, JSON, Group
from nostr_client.command_line.waiting import Terminated
from nostr_client.errors import StoreError
from nostr_client.exits import CommandError, Exit
from nostr_client.settings import InvalidSettings


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
    (lambda: FileNotFoundError(errno.ENOENT, "No such file", "x.json"), 1, "x.json: No such file"),
    (lambda: ExceptionGroup("g", [ExceptionGroup("h", [StoreError("a")])]), 1, "a"),
    (lambda: ExceptionGroup("g", [StoreError("a"), StoreError("b")]), 1, "a"),
    (lambda: ExceptionGroup("g", [PermissionError(errno.EACCES, "denied")]), 1, "denied"),
    (lambda: StoreError("two\nlines \x1b[2J"), 1, "two lines"),
]


@pytest.mark.parametrize(("error", "code", "said"), ENDINGS, ids=lambda case: str(case)[:20])
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
