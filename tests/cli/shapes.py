"""The keys of what `--json` prints, command by command: more may come, none goes.

Whatever runs a command in these tests has what it printed looked at here. A new command's shapes
are recorded by a run of its tests, and merged into the table:

    RECORD_SHAPES=/tmp/shapes.jsonl python -m pytest tests/cli/test_new.py
    python -m tests.cli.shapes /tmp/shapes.jsonl
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from nostr_client.cli.app import build
from nostr_client.command_line.parse import UsageError, find
from nostr_client.command_line.tree import Group

TABLE: Final = Path(__file__).with_name("json_shapes.json")
RECORD: Final = "RECORD_SHAPES"
Shape = frozenset[str]


@functools.cache
def recorded() -> dict[str, list[Shape]]:
    """The sorts of records of each command, by their keys."""
    table = json.loads(TABLE.read_text("utf-8"))
    return {name: [frozenset(shape.split()) for shape in shapes] for name, shapes in table.items()}


def command_in(arguments: Sequence[str]) -> str:
    """The words that name a command; empty where none is."""
    path: list[str] = []
    with contextlib.suppress(UsageError):
        found, _ = find(build(), arguments, path)
        return "" if isinstance(found, Group) else " ".join(path)
    return ""


def check(arguments: Sequence[str], out: str) -> None:
    """What a command printed has all the keys that it is to have, where it was asked for JSON."""
    if "--json" not in arguments or not (name := command_in(arguments)):
        return
    shapes = {frozenset(json.loads(line)) for line in out.splitlines() if line.startswith("{")}
    if file := os.environ.get(RECORD):
        with Path(file).open("a", encoding="utf-8") as stream:
            for shape in shapes:
                stream.write(json.dumps([name, sorted(shape)]) + "\n")
    wanted = recorded().get(name)
    for shape in shapes if wanted else ():
        assert any(one <= shape for one in wanted or ()), (
            f"{name}: a key is gone from {sorted(shape)}; it was one of {wanted}"
        )


def smallest(shapes: Iterable[Shape]) -> list[Shape]:
    """Without those that only have more keys than another one."""
    every = set(shapes)
    return [one for one in every if not any(other < one for other in every)]


def merge(lines: Iterable[str]) -> None:
    """Add what was recorded to the table, for commands that are not in it."""
    table = {name: shapes for name, shapes in recorded().items() if shapes}
    new: dict[str, set[Shape]] = {}
    for line in lines:
        name, keys = json.loads(line)
        if name not in table:
            new.setdefault(name, set()).add(frozenset(keys))
    told = {**table, **{name: smallest(shapes) for name, shapes in new.items()}}
    text = {name: sorted(" ".join(sorted(one)) for one in told[name]) for name in sorted(told)}
    TABLE.write_text(json.dumps(text, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    merge(Path(sys.argv[1]).read_text("utf-8").splitlines())
