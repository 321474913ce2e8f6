"""Fixtures of the terminal client's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet

from nostr_client.tui import held_acts, input_queue, news, polling
from nostr_client.tui.keymap import bind_own
from nostr_client.tui.screens import compose
from tests.tui.world import World, world_in


@pytest.fixture(autouse=True, scope="session")
def styles_are_parsed_once() -> Iterator[None]:
    """Each app would parse the same rules anew, a third of what it costs to start one. An app
    itself keeps and shares them so while its theme is the same."""
    parse: Any = Stylesheet._parse_rules
    parsed: dict[object, Any] = {}

    def once(stylesheet: Stylesheet, *given: Any, **named: Any) -> Any:
        variables = frozenset(stylesheet._variables.items())
        key = (given, frozenset(named.items()), variables)
        if key not in parsed:
            parsed[key] = parse(stylesheet, *given, **named)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", once)
        yield


@pytest.fixture(autouse=True)
def be_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits two seconds for the status line here, nor until a draft is kept."""
    monkeypatch.setattr(polling, "POLL_EVERY", 0.2)
    monkeypatch.setattr(input_queue, "COUNT_WAIT", 0.0)  # a digit is a section, at once
    monkeypatch.setattr(compose, "SAVE_AFTER", 0.05)
    monkeypatch.setattr(news, "AFTER_ALL", 600.0)  # a busy machine looks late


@pytest.fixture(autouse=True)
def keys_of_nobody() -> None:
    """A test before this one may have had keys of its own."""
    bind_own({})


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Empty folders, nobody there."""
    return world_in(tmp_path)


@pytest.fixture(autouse=True)
def held_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be taken back is done soon after; a test that takes it back sets a longer time."""
    monkeypatch.setattr(held_acts, "HOLD", 0.3)
