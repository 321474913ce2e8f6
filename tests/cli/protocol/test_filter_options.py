"""A filter from options, and JSON lines from a pipe."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any

import pytest

from nostr_client.cli import times
from nostr_client.cli.protocol import json_lines
from nostr_client.cli.protocol.filter_options import FilterOptions
from nostr_client.cli.protocol.json_lines import InputLines
from nostr_client.command_line.context import Context
from nostr_client.command_line.parse import parse
from nostr_client.command_line.tree import Command
from nostr_client.errors import NostrError
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey

ANA = SecretKey.generate().public_key.hex
NOTE = "ab" * 32
NOW = 1_700_000_000.0


def _work(context: Context, *, options: FilterOptions) -> None:
    """Work."""


def given(*words: str) -> FilterOptions:
    values = parse(Command(_work, {}, Context).parameters(), words)
    assert values is not None
    return FilterOptions(**values)


def test_options_are_a_filter() -> None:
    options = given(
        *("-k", "1", "--kind", "0,3", "-a", nip19.encode_npub(ANA), "-i", nip19.encode_note(NOTE)),
        *("-t", "t=nostr", "--tag", f"p={nip19.encode_npub(ANA)}", "-e", NOTE, "-d", "a=b"),
        *("--tag", f"a={nip19.encode_naddr(30023, ANA, 'x')}"),
        *("--since", "2d", "-u", "1699999999", "-l", "5", "--search", "so and so"),
    )
    assert options.given
    assert options.build(NOW).to_dict() == {
        "ids": [NOTE],
        "authors": [ANA],
        "kinds": [0, 1, 3],
        "#t": ["nostr"],
        "#p": [ANA],
        "#a": [f"30023:{ANA}:x"],
        "#e": [NOTE],
        "#d": ["a=b"],
        "since": 1_700_000_000 - 2 * 86_400,
        "until": 1_699_999_999,
        "limit": 5,
        "search": "so and so",
    }


@pytest.mark.parametrize(
    ("when", "at"),
    [
        ("2d ago", NOW - 2 * 86_400),
        ("2dago", NOW - 2 * 86_400),
        ("now", NOW),
        ("1970-01-02T00:01", 86_460),
        ("3 days", None),
        ("ago", None),
    ],
)
def test_a_moment_has_the_forms_that_help_promises(when: str, at: float | None) -> None:
    if at is not None:
        assert times.since(when, NOW) == at
        return
    with pytest.raises(NostrError, match=r"T12:30.*seconds since 1970, now.*2d ago"):
        times.since(when, NOW)


def test_names_at_a_domain_are_asked_for_elsewhere() -> None:
    options = given("-a", "ana@example.com", "-p", "example.com", "-k", "1")
    assert list(options.names()) == ["ana@example.com", "example.com"]
    found = options.build(NOW, {"ana@example.com": ANA, "example.com": ANA})
    assert found == Filter.of(authors=[ANA], kinds=[1], p=[ANA])
    with pytest.raises(NostrError, match="npub"):
        options.build(NOW)


def test_nothing_given_is_every_event() -> None:
    assert not given().given
    assert given().build(NOW) == Filter()
    assert given("--limit", "0").given


@pytest.mark.parametrize(
    "words",
    [
        ["-t", "nostr"],
        ["-t", "subject=x"],
        ["-k", "one"],
        ["-k", "65536"],
        ["-i", nip19.encode_npub(ANA)],
        ["-a", NOTE[:-2]],
        ["--since", "yesterday"],
    ],
)
def test_what_is_no_filter_is_said(words: Sequence[str]) -> None:
    with pytest.raises(NostrError):
        given(*words).build(NOW)


def test_a_secret_key_is_not_quoted() -> None:
    nsec = nip19.encode_nsec(SecretKey.generate())
    with pytest.raises(NostrError) as error:
        given("-a", nsec).build(NOW)
    assert nsec[5:] not in str(error.value)


def lines_of(data: bytes, monkeypatch: pytest.MonkeyPatch, piece: int) -> tuple[Any, Context]:
    monkeypatch.setattr(json_lines, "PIECE", piece)
    context = Context()
    lines = InputLines(context, io.BytesIO(data))
    return [lines.parsed(line, Filter.parse) for line in lines], context


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
def test_lines_come_whatever_the_pieces(
    piece: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = b'{"kinds":[1]}\n\n  \r\nnot json\n[1]\n{"kinds":[2]}\r\n{"kinds":[3]}'
    found, context = lines_of(data, monkeypatch, piece)
    assert [f and sorted(f.kinds) for f in found] == [[1], None, None, [2], [3]]
    told = capsys.readouterr().err.splitlines()
    assert [line.partition(":")[0] for line in told] == ["line 4", "line 5"]
    assert context.exit_code == Exit.DONE


def test_a_line_too_long_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(json_lines, "LONGEST", 100)
    context = Context(json=True)
    data = b"x" * 1000 + b'\n{"kinds":[1]}\n' + b"bad\n" * 30
    monkeypatch.setattr(json_lines, "PIECE", 64)
    lines = InputLines(context, io.BytesIO(data))
    found = [lines.parsed(line, Filter.parse) for line in lines]
    assert len([f for f in found if f is not None]) == 1
    lines.conclude()
    assert (lines.refused, context.exit_code) == (31, Exit.INCOMPLETE)
    told = capsys.readouterr().err.splitlines()
    assert '"line":1,' in told[0]
    assert told[-1] == '{"lines_refused":31}'
    assert len(told) == json_lines.MOST_TOLD + 1


async def test_lines_come_while_the_pipe_is_open() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb", buffering=0) as pipe:
        coming = InputLines(Context(), stream).coming()
        pipe.write(b'{"a":1}\n{"b"')
        assert await anext(coming) == [(1, b'{"a":1}')]
        pipe.write(b":2}\n")
        assert await anext(coming) == [(2, b'{"b":2}')]
        pipe.close()
        assert [batch async for batch in coming] == []
