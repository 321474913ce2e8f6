"""Every command of the relay's that ends by itself speaks JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nostr_client.command_line.tree import Group
from relays.cli.app import build
from tests.relays.operations.test_import_export import lines, relays
from tests.relays.talk import note

GO_ON = {"run", "mirror"}
"""What they have to say is their log."""


def commands(group: Group, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """The commands, and the options of each."""
    for word, one in group.members.items():
        if isinstance(one, Group):
            yield from commands(one, f"{name} {word}".strip())
        else:
            spelled = {option for parameter in one.parameters() for option in parameter.names}
            yield f"{name} {word}".strip(), spelled


def test_every_command_that_ends_has_it() -> None:
    found = dict(commands(build()))
    assert {name for name, options in found.items() if "--json" not in options} == GO_ON
    assert len(found) > 20


def said(*arguments: str, code: int = 0, input: bytes = b"") -> list[Any]:
    """What a command prints, line by line; nothing else is said."""
    done = relays(*arguments, "--json", input=input)
    assert done.returncode == code, done
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_import_and_export(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "relay"))
    given = lines([note("one"), note("two")]) + b"no event\n"
    [tally] = said("import", *data, "-", input=given, code=3)
    assert (tally["stored"], tally["duplicate"], tally["left_out"]) == (2, 0, {})
    assert list(tally["reasons"].values()) == [1]
    assert list(tally["places"].values()) == [["line 3"]]
    assert {event["content"] for event in said("export", *data)} == {"one", "two"}


def test_upkeep(tmp_path: Path) -> None:
    folder, copy = tmp_path / "relay", tmp_path / "copy"
    data = ("--data", str(folder))
    said("import", *data, "-", input=lines([note("one")]))
    [health] = said("health", *data, code=1)
    assert health == {"well": False, "words": "no relay is running"}
    found = said("doctor", *data)
    assert {one["level"] for one in found} <= {"ok", "warn"}
    assert {"disk", "database", "clock"} <= {one["subject"] for one in found}
    [compacted] = said("compact", *data)
    assert compacted["name"] == "events.db"
    assert 0 < compacted["after"] <= compacted["before"]
    [made] = said("backup", *data, str(copy))
    assert (made["folder"], made["events"]) == (str(copy), 1)
    [back] = said("restore", "--data", str(tmp_path / "new"), str(copy))
    assert (back["folder"], back["events"]) == (str(tmp_path / "new"), 1)


def test_configurations(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    [made] = said("init", str(file), "--profile", "public", "--reach", "here", "--pubkey", "")
    assert made == {"file": str(file), "run": f"nostr-client relay run --config {file}"}
    [good] = said("config", "check", str(file))
    assert (good["sound"], good["problems"]) == (True, [])
    assert good["meaning"][0].startswith("profile: public")
    file.write_text("port = 99999\nprot = 5\n")
    [bad] = said("config", "check", str(file), code=1)
    assert (bad["sound"], bad["meaning"]) == (False, [])
    assert len(bad["problems"]) == 2


@pytest.mark.parametrize("command", [("export",), ("compact",), ("bans",)])
def test_an_error_is_one_line_of_json(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = relays(*command, "--json", "--data", str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (1, b"")
    assert list(json.loads(done.stderr)) == ["error"]
