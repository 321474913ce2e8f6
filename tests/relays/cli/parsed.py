"""A command line of the relay's, understood and not run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nostr_client.command_line.parse import find, parse
from nostr_client.command_line.tree import Group
from relays.cli.app import build


def parsed(words: Sequence[str]) -> dict[str, Any]:
    """The values of its parameters. Raises UsageError for what no command understands."""
    command, left = find(build(), words)
    assert not isinstance(command, Group), words
    values = parse(command.parameters(), left)
    assert values is not None, words
    return values
