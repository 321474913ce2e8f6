"""A command run in this process: what it was given, what it said, how it ended."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from nostr_client.cli import secret_input
from nostr_client.cli.app import run_command
from tests.cli import shapes


@dataclass
class Said:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def records(self) -> list[Any]:
        """What it printed, as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def faults(self) -> list[Any]:
        """What it said on standard error, as JSON lines."""
        return [json.loads(line) for line in self.err.splitlines()]


_read_really = secret_input.read_descriptor


def _read_descriptor(number: int) -> str:
    """Standard input is a stream here, and not what the tests were started with."""
    return sys.stdin.read().removesuffix("\n") if number == 0 else _read_really(number)


def said(*arguments: str, given: str | bytes = b"") -> Said:
    """The command line `arguments`, with `given` on standard input."""
    data = given.encode() if isinstance(given, str) else given
    stdin = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with (
        patch("sys.stdin", stdin),
        patch.object(secret_input, "read_descriptor", _read_descriptor),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = run_command(arguments)
    shapes.check(arguments, out.getvalue())
    return Said(code, out.getvalue(), err.getvalue())
