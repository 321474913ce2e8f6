"""What a new screen costs: counted, not timed."""

from __future__ import annotations

import pytest
from textual.screen import Screen

from nostr_client.tui.thrifty_app import ThriftyApp


class Sized(ThriftyApp[None]):
    """An app whose screens look different where there is room."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]  # noqa: RUF012


async def test_the_styles_of_a_new_screen_are_worked_out_for_its_size_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Textual does it when the screen comes to the front, and again when its classes change."""
    app, styled, update = Sized(), list[Screen[None]](), Screen.update_node_styles

    def counted(screen: Screen[None], animate: bool = True) -> None:
        styled.append(screen)
        update(screen, animate)

    monkeypatch.setattr(Screen, "update_node_styles", counted)
    async with app.run_test(size=(120, 30)) as pilot:
        styled.clear()
        screen = Screen[None]()
        await app.push_screen(screen)
        await pilot.pause()
        assert {"-wide", "-high"} == {name for name in screen.classes if name.startswith("-")}
        assert styled == [screen]
        await pilot.resize_terminal(80, 10)
        await pilot.pause()
        assert {"-narrow", "-low"} == {name for name in screen.classes if name.startswith("-")}
