"""Terminals that draw pictures themselves, as far as they say so."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from textual.widgets import Static

from nostr_client.social.media.thumbnail_folder import Pixels
from nostr_client.tui import graphics
from nostr_client.tui.graphics import terminal_graphics

KITTY = {"TERM": "xterm-kitty"}


class FakeImage(Static):
    def __init__(self, image: object) -> None:
        super().__init__()
        self.image = image


def test_only_terminals_that_say_so_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("textual_image.widget")
    module.TGPImage = module.SixelImage = FakeImage  # type: ignore[attr-defined]
    monkeypatch.setattr(graphics.util, "find_spec", lambda name: object())
    for environment in (
        {"TERM": "xterm-256color"},
        KITTY | {"SSH_CONNECTION": "a"},
        KITTY | {"TMUX": "/tmp/tmux"},
    ):
        assert terminal_graphics(environment) is None
        assert "textual_image.widget" not in sys.modules
    monkeypatch.setitem(sys.modules, "textual_image.widget", module)
    for environment in (KITTY, {"TERM": "foot"}, {"TERM": "xterm", "TERM_PROGRAM": "WezTerm"}):
        made = terminal_graphics(environment)
        assert made is not None
        shown = made(Pixels(2, 1, bytes((1, 2, 3, 4, 5, 6))))
        assert isinstance(shown, FakeImage)
        assert shown.image.getpixel((1, 0)) == (4, 5, 6)  # type: ignore[attr-defined]
    monkeypatch.setattr(graphics.util, "find_spec", lambda name: None)
    assert terminal_graphics(KITTY) is None
