"""What holds for every command, whoever writes it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from nostr_client import cli
from nostr_client.cli.app import build
from nostr_client.cli.examples import EXAMPLES
from nostr_client.cli.index import INDEX, SECTIONS
from nostr_client.command_line.help import help_of
from nostr_client.command_line.parse import find, parse
from nostr_client.command_line.tree import Command, Group
from nostr_client.exits import MEANINGS, Exit, table
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from relays.cli.app import build as relay_tree
from tests.cli.protocol.in_process import said
from tests.cli.shapes import RECORD, check, recorded

CLI = Path(cli.__path__[0])


def test_the_index_says_what_the_files_do() -> None:
    """What is shown without loading a command is what loading it would show."""
    for file, lines in INDEX.items():
        loaded = Group("")
        import_module(f"nostr_client.cli.{file}").add_to(loaded)
        said = dict(loaded.members.lines())
        assert lines == said, f"nostr_client/cli/index.py is to have {file!r}: {said}"


def test_every_file_with_commands_is_in_the_index() -> None:
    """`add_to(root)` is what such a file ends in; what is within a group is added by its file."""
    has_some = re.compile(r"^def add_to\(root: Group\)", re.MULTILINE)
    files = {
        ".".join(path.relative_to(CLI).with_suffix("").parts)
        for path in CLI.rglob("*.py")
        if has_some.search(path.read_text("utf-8"))
    }
    assert files == INDEX.keys()


def commands(group: Group, path: str = "") -> Iterator[tuple[str, Command]]:
    """Every command, by its words."""
    for name, one in group.members.items():
        words = f"{path} {name}".strip()
        if isinstance(one, Group):
            yield from commands(one, words)
        else:
            yield words, one


def test_help_shows_every_command_in_one_section() -> None:
    named = [name for names in SECTIONS.values() for name in names.split()]
    assert sorted(named) == sorted(name for lines in INDEX.values() for name in lines)
    shown = help_of(build(), "nostr-client")
    assert all(f"{title}:\n" in shown for title in SECTIONS)
    assert "\nCommands:" not in shown


def test_every_command_has_help_and_an_example_that_is_understood() -> None:
    known = dict(commands(build()))
    assert EXAMPLES.keys() == known.keys()
    for words, command in known.items():
        assert "Example:" not in command.help, "examples stand in nostr_client/cli/examples.py"
        first = command.help.strip().partition("\n\n")[0]
        assert first.endswith((".", "?", ")")), words
        given = EXAMPLES[words]
        meant = [
            part for part in re.split(r"[|]|\$\(|\)\"|\d?[<>]", given) if "nostr-client" in part
        ]
        typed = shlex.split(meant[-1])[1:]
        path: list[str] = []
        if words == "relay":
            assert typed[0] == words
            continue
        found, left = find(build(), typed, path)
        assert " ".join(path) == words, given
        assert not isinstance(found, Group)
        assert parse(found.parameters(), left) is not None, given
    shown = help_of(known["verify"], "nostr-client verify", EXAMPLES["verify"])
    assert shown.endswith(f"\n\nExample:\n  {EXAMPLES['verify']}")


GO_ON = {"relay", "plain", "mcp"}
"""One is handed over, the others are conversations."""


def test_every_command_speaks_json_and_its_keys_are_recorded() -> None:
    known = dict(commands(build()))
    speaking = {
        words
        for words, command in known.items()
        if any("--json" in one.names for one in command.parameters())
    }
    assert known.keys() - speaking <= GO_ON
    assert speaking - recorded().keys() - GO_ON == set(), "see tests/cli/shapes.py"
    assert recorded().keys() <= speaking


SHOWS_WHAT_IS_KEPT = {"account export"}
"""The key of nobody else can be meant."""


def test_commands_share_their_options() -> None:
    """Whoever knows one knows the next: what each is given, by what it does."""
    for words, command in commands(build()):
        if words == "relay":
            continue
        shared = command.common.keys()
        assert {"json", "quiet", "debug"} <= shared, words
        if "account" in shared and words not in SHOWS_WHAT_IS_KEPT:
            assert {"key_fd", "signer_text", "password_fd"} <= shared, words
        spelled = [name for one in command.parameters() for name in one.names]
        assert len(spelled) == len(set(spelled)), f"{words}: one name for two options"


NO_TIMEOUT = {"encode", "decode", "key", "verify", "filter", "nip", "kind", "status", "encrypt"}
NO_TIMEOUT |= {"decrypt", "gift"}
"""They ask nobody."""


def test_each_verb_of_the_protocol_that_asks_relays_has_a_limit() -> None:
    tree = build()
    verbs = [words for file in INDEX if file.startswith("protocol.") for words in INDEX[file]]
    asking = {*(verb for verb in verbs if verb not in NO_TIMEOUT)}
    for words, command in commands(tree):
        if words.split()[0] in asking or words in {"relays check", "relays info", "relays watch"}:
            assert any("--timeout" in one.names for one in command.parameters()), words


def test_a_key_that_is_gone_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(RECORD, raising=False)
    line = '{"type":"npub","pubkey":"ab","more":1}\n'
    check(["decode", "--json", "x"], line)
    with pytest.raises(AssertionError, match="decode: a key is gone"):
        check(["decode", "--json", "x"], line.replace("type", "sort"))


def test_there_is_one_table_of_exit_codes() -> None:
    for tree in (build(), relay_tree()):
        assert help_of(tree, "p").endswith(table())
    assert set(MEANINGS) == set(Exit)


STDOUT = {
    "nostr_client/command_line/run.py",  # help and versions
    "nostr_client/command_line/streams.py",
    "nostr_client/cli/blossom.py",  # the bytes of a file
    "nostr_client/cli/protocol/signed_http.py",  # the body of an answer, byte by byte
    "relays/cli/audit_log.py",  # lines as they were signed
    "relays/cli/import_export.py",  # events as they are stored
}


def test_results_alone_go_to_standard_output() -> None:
    """Commands write by `Output`: results to one stream, all else to the other."""
    writes = re.compile(r"sys\.stdout(?!\.(?:isatty|fileno)\(\))|\bprint\(")
    root = CLI.parents[1]
    rooms = ("nostr_client/cli", "nostr_client/command_line", "relays/cli")
    found = {
        path.relative_to(root).as_posix()
        for room in rooms
        for path in (root / room).rglob("*.py")
        if writes.search(path.read_text("utf-8"))
    }
    assert found <= STDOUT


LINES_IN = ["decode", "encode npub", "encode note", "encode nevent", "verify", "filter"]


@pytest.mark.parametrize("words", LINES_IN)
def test_blank_lines_and_no_lines_are_no_error(words: str) -> None:
    for given in ("", "\n", "\n \n\t\n"):
        done = said(*words.split(), given=given)
        assert (done.code, done.out, done.err) == (0, "", "")


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    """And what feeds it is not waited for."""
    reading, writing = os.pipe()
    os.close(reading)
    event = Draft(1, "x" * 5000).sign(SecretKey.generate(), 1000).json + b"\n"
    program = [sys.executable, "-m", "nostr_client", "filter", "-k", "1"]
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            program,
            input=event * 200,
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def verbs_in(page: str) -> Iterator[list[str]]:
    """The commands of ours that a page of tables names: the last column, `a b|c` as two."""
    for row in re.findall(r"^\|.*\| ([^\n]*) \|$", page, re.MULTILINE):
        for span in re.findall(r"`([^`]+)`", row.replace("\\|", "|")):
            words = span.split()
            if not words[0].startswith("-"):
                yield from ([*words[:-1], last] for last in words[-1].split("|"))


@pytest.mark.tree
def test_the_page_of_verbs_names_commands_that_are_there() -> None:
    page = (CLI.parents[1] / "docs" / "verbs.md").read_text("utf-8")
    tree, named = build(relay_tree), set()
    for words in verbs_in(page):
        path: list[str] = []
        find(tree, [word for word in words if not word.startswith("-")], path)
        assert path, words
        named.add(path[0])
    loose = set(re.findall(r"`([a-z-]+)", page.partition("## Not to be lost")[2]))
    assert {name for lines in INDEX.values() for name in lines} <= named | loose
