"""Where the keys lead in a list, whatever the heights of its items and of the view."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nostr_client.tui.widgets.item_window import ItemWindow
from nostr_client.tui.widgets.movement import Move, reveal, step, turn

LISTS = st.lists(st.integers(1, 9), min_size=1, max_size=20)


def window_of(heights: list[int]) -> ItemWindow[tuple[int, int]]:
    window: ItemWindow[tuple[int, int]] = ItemWindow(
        lambda item: str(item[0]), lambda item: item[1]
    )
    window.replace(enumerate(heights), at_start=True, at_end=True)
    return window


@given(LISTS, st.integers(3, 12), st.sampled_from([1, -1]))
def test_step_by_step_every_item_is_selected_and_every_line_seen(
    heights: list[int], height: int, by: int
) -> None:
    window = window_of(heights)
    order = range(len(heights)) if by > 0 else range(len(heights) - 1, -1, -1)
    selected = order[0]
    top = 0 if by > 0 else max(window.lines - height, 0)
    seen, visited = set(range(top, top + height)), [selected]
    for _ in range(window.lines + len(heights)):
        move = step(window, selected, top, height, by)
        top = move.top
        seen.update(range(top, top + height))
        if move.select is not None:
            selected = move.select
            visited.append(selected)
    assert visited == list(order)
    assert seen >= set(range(window.lines))


@given(LISTS, st.integers(3, 12), st.sampled_from([1, -1]))
def test_page_by_page_every_line_is_seen_and_the_selected_item_is_in_view(
    heights: list[int], height: int, by: int
) -> None:
    window = window_of(heights)
    last = max(window.lines - height, 0)
    top = 0 if by > 0 else last
    seen = set(range(top, top + height))
    for _ in range(window.lines + 1):
        move = turn(window, top, height, by)
        assert move.select in window.span(move.top, height)
        top = move.top
        seen.update(range(top, top + height))
    assert seen >= set(range(window.lines))
    assert move == Move(last, len(heights) - 1) if by > 0 else move == Move(0, 0)


@given(LISTS, st.integers(1, 12), st.data())
def test_what_is_revealed_is_in_view_and_nothing_moves_without_need(
    heights: list[int], height: int, data: st.DataObject
) -> None:
    window = window_of(heights)
    index = data.draw(st.integers(0, len(heights) - 1))
    top = data.draw(st.integers(0, window.lines))
    found = reveal(window, index, top, height)
    begin, end = window.top(index), window.top(index + 1)
    if heights[index] > height:
        assert found == begin
        assert reveal(window, index, top, height, from_end=True) == end - height
    else:
        assert found <= begin
        assert end <= found + height
        assert (found == top) == (top <= begin and end <= top + height)
