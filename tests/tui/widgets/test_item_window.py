"""The arithmetic of a long list: which item is on which line, and what moves when it changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nostr_client.tui.widgets.arrivals import MOST_WAITING, Arrivals
from nostr_client.tui.widgets.item_window import ItemWindow
from tests.tui.widgets.lists import Row, row


def key(item: Row) -> str:
    return str(item.number)


def order(item: Row) -> int:
    return -item.number


def window_of(rows: list[Row], *, at_start: bool = True, at_end: bool = True) -> ItemWindow[Row]:
    window: ItemWindow[Row] = ItemWindow(key, lambda item: item.height)
    window.replace(rows, at_start=at_start, at_end=at_end)
    return window


def lines_of(window: ItemWindow[Row], top: int, height: int) -> list[tuple[int, int]]:
    """What stands on each line of a view: the item and how far into it."""
    shown = []
    for line in range(top, min(top + height, window.lines)):
        index, offset = window.at(line)
        shown.append((window.items[index].number, offset))
    return shown


def test_lines_and_items() -> None:
    window = window_of([Row(3, 2), Row(2, 1), Row(1, 4)])
    assert window.lines == 7
    assert [window.at(line) for line in range(7)] == [
        *((0, 0), (0, 1), (1, 0)),
        *((2, 0), (2, 1), (2, 2), (2, 3)),
    ]
    assert window.span(1, 2) == range(2)
    assert window.span(3, 100) == range(2, 3)
    assert window.span(7, 5) == range(0)


def test_no_key_is_in_it_twice() -> None:
    window = window_of([Row(3), Row(3), Row(2)])
    window.append([Row(2), Row(1), Row(1)], at_end=True)
    assert window.prepend([Row(4), Row(3)], at_start=True) == 2
    assert [item.number for item in window.items] == [4, 3, 2, 1]


def test_keep_says_what_went_above() -> None:
    window = window_of([Row(n, 2) for n in range(9, 0, -1)])
    assert window.keep(range(2, 7)) == 4
    assert [item.number for item in window.items] == [7, 6, 5, 4, 3]
    assert not window.at_start
    assert not window.at_end


def test_update_says_how_much_it_grew() -> None:
    window = window_of([Row(2, 2), Row(1, 2)])
    assert window.update(Row(2, 5)) == 3
    assert window.top(1) == 5


views = st.tuples(
    st.sets(st.integers(0, 60), min_size=3, max_size=40),
    st.sets(st.integers(0, 60), max_size=20),
    st.integers(0, 400),
    st.integers(1, 30),
)


@given(views, st.booleans(), st.booleans())
def test_arrivals_move_nothing_that_is_read(
    view: tuple[set[int], set[int], int, int], at_start: bool, at_end: bool
) -> None:
    held, arriving, wanted_top, height = view
    window = window_of(
        [row(n) for n in sorted(held, reverse=True)], at_start=at_start, at_end=at_end
    )
    top = max(min(wanted_top, window.lines - height), 0)
    before = lines_of(window, top, height)
    arrivals: Arrivals[Row] = Arrivals(key, order)
    for number in arriving - held:
        arrivals.add(row(number))
    shift = arrivals.settle(window, top, height, grow=False)
    # Below all that is read there may be room, where more comes in.
    assert lines_of(window, top + shift, height)[: len(before)] == before
    numbers = [item.number for item in window.items]
    assert numbers == sorted(set(numbers), reverse=True)
    assert set(numbers) <= held | arriving
    # What is neither in the window nor held back lies beyond an edge that the source will read.
    for number in arriving - held - set(numbers) - {int(k) for k in arrivals.held}:
        beyond_start = not at_start and number > max(held)
        assert beyond_start or (not at_end and number < min(held))


def test_a_list_that_is_not_full_grows_until_it_is_touched() -> None:
    window = window_of([Row(5)])
    arrivals: Arrivals[Row] = Arrivals(key, order)
    arrivals.add(Row(9))
    assert arrivals.settle(window, 0, 20, grow=True) == 0
    assert [item.number for item in window.items] == [9, 5]
    arrivals.add(Row(10))
    assert arrivals.settle(window, 0, 20, grow=False) == 0
    assert list(arrivals.held) == ["10"]


def test_waiting_is_bounded() -> None:
    arrivals: Arrivals[Row] = Arrivals(key, order)
    for number in range(2 * MOST_WAITING):
        arrivals.add(Row(number))
    assert len(arrivals.held) == len(arrivals.unseen) == MOST_WAITING
