"""Pixels as lines of text."""

from __future__ import annotations

import pytest

from nostr_client.social.media.thumbnail_folder import Pixels
from nostr_client.tui.half_blocks import fitted_rows, half_blocks


def test_two_pixels_to_a_cell() -> None:
    red, blue, white = bytes((248, 0, 0)), bytes((0, 0, 248)), bytes((248, 248, 248))
    lines = half_blocks(Pixels(2, 3, red + red + blue + white + red + blue), 10, 5)
    assert [line.plain for line in lines] == ["▀▀", "▀▀"]
    first, second = (
        [(span.start, span.end, str(span.style)) for span in line.spans] for line in lines
    )
    assert [(start, end) for start, end, _ in first] == [(0, 1), (1, 2)]
    assert lines[0].spans[0].style.foreground.rgb == (248, 0, 0)  # type: ignore[union-attr]
    assert lines[0].spans[0].style.background.rgb == (0, 0, 248)  # type: ignore[union-attr]
    assert lines[1].spans[0].style.background is None  # type: ignore[union-attr]
    assert second


def test_one_colour_is_one_span() -> None:
    lines = half_blocks(Pixels(40, 20, bytes((9, 9, 9)) * 800), 60, 10)
    assert [len(line.spans) for line in lines] == [1] * 10


@pytest.mark.parametrize(("width", "rows"), [(1, 1), (7, 3), (60, 10)])
def test_it_fits(width: int, rows: int) -> None:
    for across, down in ((60, 20), (1, 20), (60, 1), (13, 7)):
        lines = half_blocks(Pixels(across, down, bytes(3 * across * down)), width, rows)
        assert 1 <= len(lines) <= rows
        assert all(line.cell_length <= width for line in lines)


def test_room_for_a_picture_follows_from_its_size() -> None:
    assert fitted_rows(3000, 2000, 60, 10) == 10
    assert fitted_rows(6000, 600, 60, 10) == 3
    assert fitted_rows(1, 1_000_000, 60, 10) == 10
    assert fitted_rows(1_000_000, 1, 60, 10) == 1
    assert fitted_rows(20, 4, 60, 10) == 2
