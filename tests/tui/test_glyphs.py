"""Where the terminal, or the person, wants ASCII."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual._border import BORDER_CHARS

from nostr_client.config import ClientConfig
from nostr_client.tui.glyphs import AsciiOnly, choose_glyphs
from nostr_client.tui.widgets.status_line import Status, StatusLine
from tests.tui.world import World, furnish, sees, shown


def test_whatever_borders_are_made_of_has_its_sign() -> None:
    drawn = AsciiOnly()
    used = {char for kind in BORDER_CHARS.values() for row in kind for char in "".join(row)}
    used |= set("▌▍●○✕…·▲♥↩⟳└├─│█░▒↑↓←→✓▶")
    for char in used:
        assert drawn.of(char).isascii()
        assert cell_len(drawn.of(char)) == cell_len(char)


def test_what_others_wrote_keeps_its_width() -> None:
    assert AsciiOnly().of("▌ é") == "| é"
    for text in ("日本語 ok", "e\u0301", "a\u200db", "👩\u200d🚀"):
        plain = AsciiOnly(all_of_it=True).of(text)
        assert plain.isascii()
        assert cell_len(plain) == cell_len(text)


async def test_the_screen_is_drawn_in_ascii(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ClientConfig(own_relay=False, glyphs="ascii", theme="terminal")
    monkeypatch.setattr(World, "config", config)
    await furnish(world)
    await world.watched()
    try:
        async with world.at_home() as (app, pilot):
            await sees(app, "The library roof")
            assert shown(app).isascii()
            await pilot.press("question_mark")
            await sees(app, "Keys")
            assert shown(app).isascii()
            assert app.current_theme.ansi
    finally:
        choose_glyphs("auto")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_the_status_line_never_overflows(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from textual.geometry import Size

    monkeypatch.setattr(StatusLine, "size", Size(width, 1))
    line = StatusLine()
    long = Status(
        account="a name that is far too long for any line",
        place="notifications",
        writes=False,
        locked=True,
        up=120,
        relays=140,
        unsent=12_345,
        own_relay="failed",
        way="tor",
        known=True,
    )
    line.set_reactive(StatusLine.status, long)
    shown = line.render()
    assert shown.cell_length <= width
    assert ("tor" in shown.plain) == (width >= 60)
