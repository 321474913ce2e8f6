"""What stands on the terminal is not written again."""

from __future__ import annotations

from nostr_client.tui.painted_cells import PaintedCells


def test_what_stands_there_is_not_written_again() -> None:
    cells = PaintedCells()
    first = [(0, 0, 10, "left"), (0, 10, 20, "right"), (1, 0, 20, "below")]
    assert cells.changed(first) == first
    assert cells.changed(first) == []
    assert cells.changed([(0, 0, 10, "left"), (0, 10, 20, "new")]) == [(0, 10, 20, "new")]


def test_what_was_written_over_is_unknown() -> None:
    cells = PaintedCells()
    left, right, across = (0, 0, 10, "left"), (0, 10, 20, "right"), (0, 5, 15, "across")
    cells.changed([left, right])
    assert cells.changed([across]) == [across]
    assert cells.changed([left, right]) == [left, right]
    assert cells.changed([across]) == [across]


def test_the_same_text_on_other_cells_is_another_piece() -> None:
    cells = PaintedCells()
    cells.changed([(0, 0, 10, "text")])
    wider, lower = (0, 0, 11, "text"), (1, 0, 10, "text")
    assert cells.changed([wider, lower]) == [wider, lower]


def test_after_something_else_wrote_there_all_is_written() -> None:
    cells = PaintedCells()
    piece = (0, 0, 10, "text")
    cells.changed([piece])
    cells.forget((80, 24))
    assert cells.size == (80, 24)
    assert cells.changed([piece]) == [piece]
