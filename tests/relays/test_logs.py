"""Logs without private data."""

from __future__ import annotations

import json
import logging

from relays.logs import JsonLines, PlainLines

ADDRESS = "203.0.113.9"


def record(message: str = "a client was closed", *values: object) -> logging.LogRecord:
    made = logging.LogRecord(
        "relays.server.connections", logging.WARNING, "x.py", 1, message, values, None
    )
    made.address = ADDRESS
    return made


def test_addresses_only_where_the_keeper_wants_them() -> None:
    for form in (PlainLines, JsonLines):
        assert ADDRESS not in form().format(record())
        assert ADDRESS in form(addresses=True).format(record())


def test_one_json_object_a_line() -> None:
    said = json.loads(JsonLines().format(record('%s "quoted"\nnext', "ü")))
    assert said["message"] == 'ü "quoted"\nnext'
    assert said["level"] == "warning"
    assert said["logger"] == "relays.server.connections"
    assert said["time"].endswith("Z")
    assert "\n" not in JsonLines().format(record("a\nb"))


def test_an_exception_comes_along() -> None:
    made = record()
    try:
        raise ValueError("why")
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    assert "ValueError: why" in json.loads(JsonLines().format(made))["exception"]
    assert "ValueError: why" in PlainLines().format(made)


def test_no_escape_sequences() -> None:
    assert "\n" not in PlainLines().format(record("a line\n2026-01-31 WARNING another"))
    assert "\x1b" not in PlainLines().format(record("\x1b[31mred\x9b"))
    assert "\u202e" not in PlainLines().format(record("gpj.\u202eexe"))
    assert "\x9b" not in JsonLines().format(record("\x9b31m"))


def test_what_an_error_quotes_is_no_line_of_ours() -> None:
    made = record()
    try:
        raise ValueError("\x1b[31mred\n2026-01-31 12:00:00 WARNING relays: another\u2028more")
    except ValueError as error:
        made.exc_info = (ValueError, error, error.__traceback__)
    said = PlainLines().format(made)
    assert "\x1b" not in said
    assert all(line.startswith("  ") for line in said.splitlines()[1:])
    assert "\x1b" not in JsonLines().format(made)
