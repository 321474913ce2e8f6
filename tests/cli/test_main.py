"""The entry: quick, and it loads one face only."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator

import pytest

from nostr_client.cli.app import build
from nostr_client.command_line.help import help_of
from nostr_client.command_line.tree import Command, Group
from nostr_client.errors import InvalidCode, ListNotRead, SigningRefused, StoreError
from nostr_client.exits import MEANINGS, Exit, exit_code_of
from nostr_client.main import main
from nostr_client.version import __version__
from tests.cli.conftest import Home

LOADED = """
import sys
from nostr_client.main import main
main(sys.argv[1:])
print([name for name in ("typer", "textual", "relays", "asyncio", "msgspec", "rich", "click")
       if name in sys.modules])
"""


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nostr_client", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_version_is_quick() -> None:
    """In seconds of its own, so that a busy machine does not count against it."""
    took = []
    for _ in range(10):
        before = os.times()
        done = started("--version")
        after = os.times()
        spent = after.children_user + after.children_system
        took.append(spent - before.children_user - before.children_system)
        assert (done.returncode, done.stdout) == (0, f"nostr-client {__version__}\n")
    assert statistics.median(took) < 0.15


def test_version_loads_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "--version"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_streams_that_are_closed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert main([]) == Exit.USAGE
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["--help"]) == Exit.ERROR
    assert capsys.readouterr().err == "error: the output cannot be written: Bad file descriptor\n"
    monkeypatch.setattr(sys, "stderr", None)
    assert main(["nonsense"]) == Exit.USAGE
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


def test_the_relay_is_handed_over_whole() -> None:
    done = started("relay", "--help")
    assert done.returncode == 0
    assert "import" in done.stdout
    program = LOADED.replace(
        "main(sys.argv[1:])\n", "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program, "relay", "--version"],
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    assert "typer" not in shown.stdout
    assert "textual" not in shown.stdout


def test_without_a_terminal_it_says_what_to_use() -> None:
    done = started()
    assert done.returncode == Exit.USAGE
    assert "--help" in done.stderr
    assert not done.stdout


def test_help_names_every_command_and_exit_code() -> None:
    done = started("--help")
    assert done.returncode == 0
    names = (
        *("account", "post", "reply", "react", "repost", "delete", "feed", "thread", "profile"),
        *("follow", "unfollow", "follows", "relays", "relay", "own-relay", "demo"),
    )
    for name in names:
        assert f"\n  {name} " in done.stdout
    for code in MEANINGS:
        assert f" {code.value}  {MEANINGS[code]}" in done.stdout


def test_no_help_says_a_thing_twice() -> None:
    def looked_at(one: Command | Group, program: str) -> Iterator[str]:
        yield program
        text = " ".join(help_of(one, program).split())
        for sentence in set(re.findall(r"[A-Z][^.]{12,}\.", text)):
            assert f"{sentence} {sentence}" not in text, program
        for name, member in one.members.items() if isinstance(one, Group) else ():
            yield from looked_at(member, f"{program} {name}")

    assert "nostr-client relays retire" in list(looked_at(build(), "nostr-client"))


@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("post", "--nonsense"), ("account",), ("feed", "--limit", "0")]
)
def test_wrong_use_is_2_and_no_traceback(arguments: tuple[str, ...]) -> None:
    done = started(*arguments)
    assert done.returncode == Exit.USAGE
    assert "Traceback" not in done.stderr


def test_exit_codes_follow_the_error() -> None:
    assert exit_code_of(StoreError("x")) == Exit.ERROR
    assert exit_code_of(InvalidCode("x")) == Exit.USAGE
    assert exit_code_of(SigningRefused("x")) == Exit.LOCKED
    assert exit_code_of(ListNotRead("x")) == Exit.NOT_READ


async def test_the_demo_without_a_terminal_says_how(home: Home) -> None:
    done = await home.run("demo")
    assert done.code == Exit.USAGE
    assert "--headless" in done.err
