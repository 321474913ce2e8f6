"""What comes by itself, in a list that does not fill its view."""

from __future__ import annotations

import pytest

from nostr_client.tui.widgets.arrivals import Arrivals
from nostr_client.tui.widgets.item_window import ItemWindow

HEIGHT = 20


def held_by(shown: list[int], arriving: list[int], *, grow: bool) -> tuple[list[int], int]:
    """What stands in the list then, the highest number first, and how many wait."""
    window = ItemWindow[int](str, lambda item: 2)
    window.replace(shown, at_start=True, at_end=True)
    arrivals = Arrivals[int](str, lambda item: -item)
    for item in arriving:
        arrivals.add(item)
    assert arrivals.settle(window, 0, HEIGHT, grow=grow) == 0
    return list(window.items), len(arrivals.held)


@pytest.mark.parametrize("grow", [True, False])
def test_below_all_that_is_read_there_is_room_for_what_is_older(grow: bool) -> None:
    assert held_by([9], [3, 7, 5], grow=grow) == ([9, 7, 5, 3], 0)


def test_what_would_move_what_is_read_waits() -> None:
    assert held_by([9, 4], [12, 6, 3], grow=False) == ([9, 4, 3], 2)
    assert held_by([9, 4], [12, 6, 3], grow=True) == ([12, 9, 6, 4, 3], 0)


def test_an_empty_list_takes_everything() -> None:
    assert held_by([], [3, 7], grow=False) == ([7, 3], 0)
