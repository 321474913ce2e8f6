"""What holds for every command, whoever writes it."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from nostr_client import cli
from nostr_client.cli.index import INDEX
from nostr_client.command_line.tree import Group

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
