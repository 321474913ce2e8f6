"""Words to values: options anywhere, what is wrong with the nearest that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest

from nostr_client.command_line.context import Context
from nostr_client.command_line.help import help_of
from nostr_client.command_line.parse import UsageError, find, parse
from nostr_client.command_line.tree import DEBUG, JSON, Argument, Command, Group, Option


def ban(
    context: Context,
    sort: Annotated[Literal["key", "word"], Argument("SORT", "Of what.")],
    values: Annotated[list[str], Argument("VALUE", "Which.")],
    *,
    reason: Annotated[str, Option("--reason", "WORDS", "Why.")] = "",
    limit: Annotated[int, Option("--limit", "N", "How many.", 1, 9)] = 5,
    days: Annotated[float | None, Option("--days", "N")] = None,
    near: Annotated[list[str], Option("--near", "URL")],
    file: Annotated[Path | None, Option("--file", "FILE")] = None,
    own: Annotated[bool | None, Option("--own/--no-own")] = None,
) -> None:
    """Keep it out.

    More words.
    """


def list_(context: Context, who: Annotated[str, Argument("[WHO]")] = "") -> None:
    """List them."""


class Bounds(NamedTuple):
    """Options that belong together."""

    since: Annotated[int | None, Option("--since", "SECONDS", "Not older.")] = None
    until: Annotated[int, Option("--until", "SECONDS", "Not newer.")] = 9


def test_a_record_stands_for_its_fields() -> None:
    seen: list[object] = []

    def work(context: Context, who: Annotated[str, Argument("WHO")], *, bounds: Bounds) -> None:
        """Work."""
        seen.append((who, bounds))

    command = Command(work, {}, Context)
    values = parse(command.parameters(), ["ana", "--since", "5"])
    assert values == {"who": "ana", "since": 5, "until": 9}
    command.run(Context(), values)
    assert seen == [("ana", Bounds(5, 9))]
    assert "--until SECONDS" in help_of(command, "p work")


def none(context: Context) -> None:
    """Takes no argument."""


def tree() -> Group:
    root = Group("All.", epilog="The end.", version="1.2")
    root.add("ban", ban, (JSON, DEBUG), Context)
    people = root.group("people", "People.", default="list")
    people.add("list", list_, (JSON,), Context)
    people.add("ban", ban, (JSON,), Context)
    root.group("things", "Things.", default="list").add("list", none, (JSON,), Context)
    return root


def values(line: str | list[str]) -> dict[str, Any]:
    command, words = find(tree(), line.split() if isinstance(line, str) else line)
    assert not isinstance(command, Group)
    found = parse(command.parameters(), words)
    assert found is not None
    return {name: value for name, value in found.items() if value not in (None, "", [], False)}


USUAL = {"sort": "key", "values": ["a"], "limit": 5}


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("ban key a", USUAL),
        ("ban key --json a", USUAL | {"json": True}),
        ("ban --json key a b", USUAL | {"json": True, "values": ["a", "b"]}),
        ("ban key a --reason=x=y", USUAL | {"reason": "x=y"}),
        ("ban key a --reason -x", USUAL | {"reason": "-x"}),
        ("ban key a --rea x", USUAL | {"reason": "x"}),
        ("ban key -- --json", USUAL | {"values": ["--json"]}),
        ("ban key -", USUAL | {"values": ["-"]}),
        ("ban key --near 1 a --near 2", USUAL | {"near": ["1", "2"]}),
        ("ban key a --own", USUAL | {"own": True}),
        ("ban key a --limit 9 --days 1.5", USUAL | {"limit": 9, "days": 1.5}),
        ("ban key a --file x", USUAL | {"file": Path("x")}),
        ("people", {}),
        ("people ana", {"who": "ana"}),
        ("people --json", {"json": True}),
        ("people --json list ana", {"json": True, "who": "ana"}),
        ("people --json ban key a", USUAL | {"json": True}),
    ],
)
def test_what_words_mean(line: str, meant: dict[str, Any]) -> None:
    assert values(line) == meant


def test_a_text_may_begin_with_a_dash() -> None:
    assert values(["ban", "key", "- milk", "-5", "--json"]) == USUAL | {
        "values": ["- milk", "-5"],
        "json": True,
    }
    assert values(["ban", "key", "a", "--reason=two words"]) == USUAL | {"reason": "two words"}


def test_a_no_is_a_value() -> None:
    command, words = find(tree(), ["ban", "key", "a", "--no-own"])
    assert not isinstance(command, Group)
    found = parse(command.parameters(), words)
    assert found is not None
    assert found["own"] is False


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bann key a", "no such command: bann; did you mean ban?"),
        ("xyz", "no such command: xyz; allowed: ban, people, things"),
        ("--jsn", "no such option: --jsn"),
        ("--json ban key a", "--json: the options of a command stand behind its name"),
        ("ban key a --jsn", "no such option: --jsn; did you mean --json?"),
        ("ban key a --jsn=5", "no such option: --jsn; did you mean --json?"),
        ("ban key a -x", "no such option: -x"),
        ("ban keys a", "SORT: 'keys'; did you mean key?"),
        ("ban key", "VALUE... is missing"),
        ("ban key a --limit", "--limit: a value is missing; allowed: a whole number from 1 to 9"),
        ("ban key a --limit x", "--limit: 'x'; allowed: a whole number from 1 to 9"),
        ("ban key a --days nan", "--days: 'nan'; allowed: a number"),
        ("ban key a --days inf", "--days: 'inf'; allowed: a number"),
        ("ban key a --days 1e300", "--days: '1e300'; allowed: a number"),
        ("ban key a --limit 10", "--limit: '10'; allowed: a whole number from 1 to 9"),
        ("ban key a --json=yes", "--json takes no value"),
        ("things lst", "no such command: lst; did you mean list?"),
        ("people list a b", "'b' is one argument too many"),
    ],
)
def test_what_is_wrong_is_said(line: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        values(line)
    assert str(caught.value).startswith(said)


def test_help_is_asked_for_anywhere() -> None:
    for line in ("ban --help", "ban key -h", "people list --json --help"):
        command, words = find(tree(), line.split())
        assert not isinstance(command, Group)
        assert parse(command.parameters(), words) is None
    found, words = find(tree(), ["people", "--help"])
    assert isinstance(found, Group)
    assert words


def test_the_help_says_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    root = tree()
    whole = help_of(root, "p")
    assert whole.startswith("Usage: p COMMAND [OPTIONS]\n\n  All.\n")
    assert "\n  ban     Keep it out.\n  people  People.\n  things  Things.\n" in whole
    assert whole.endswith("\n\nThe end.")
    text = help_of(root.members["ban"], "p ban")
    assert text.startswith(
        "Usage: p ban [OPTIONS] SORT VALUE...\n\n  Keep it out.\n\n  More words.\n"
    )
    assert "  --limit N        How many. [a whole number from 1 to 9] [default: 5]\n" in text
    assert text.count("--json") == 1


def test_an_option_may_have_a_short_spelling() -> None:
    def work(
        context: Context, *, kind: Annotated[int, Option("--kind", "N", "Which.", short="-k")] = 1
    ) -> None:
        """Work."""

    command = Command(work, {}, Context)
    for words in (["-k", "5"], ["--kind", "5"], ["-k=5"], ["--ki", "5"]):
        assert parse(command.parameters(), words) == {"kind": 5}
    assert "-k, --kind N" in help_of(command, "p work")
