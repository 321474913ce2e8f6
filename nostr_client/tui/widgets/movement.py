"""Where the keys lead in a list: which item is selected, and what is in view then. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from nostr_client.tui.widgets.item_window import ItemWindow

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Move:
    """The view's first line from now on, and the index of the item to select, if another one."""

    top: int
    select: int | None = None


def step(window: ItemWindow[T], selected: int | None, top: int, height: int, by: int) -> Move:
    """One item on (`by` is 1) or back (-1), in a view of `height` lines from `top`.

    A selected item that is not in view is left for one that is, and a tall item is read to its end
    before the next one comes.
    """
    visible = window.span(top, height)
    if not visible:
        return Move(top)
    if selected is None or selected not in visible:
        return Move(top, visible.start if by > 0 else visible.stop - 1)
    below = window.top(selected + 1) - top - height
    hidden = below if by > 0 else top - window.top(selected)
    if window.height(selected) > height and hidden > 0:
        return Move(top + by * min(hidden, _page(height)))
    following = selected + by
    if not 0 <= following < len(window):
        return Move(top)
    return Move(reveal(window, following, top, height, from_end=by < 0), following)


def turn(window: ItemWindow[T], top: int, height: int, by: int) -> Move:
    """One page on (`by` is 1) or back (-1); at the end of the list to its last item."""
    last = max(window.lines - height, 0)
    target = min(max(top + by * _page(height), 0), last)
    visible = window.span(target, height)
    if not visible:
        return Move(target)
    if target == top:
        return Move(top, visible.stop - 1 if by > 0 else 0)
    cut = window.top(visible.start) < target
    return Move(target, visible.start + (1 if cut and len(visible) > 1 else 0))


def steps(window: ItemWindow[T], selected: int | None, top: int, height: int, by: int) -> Move:
    """`step` by several items, as far as they go."""
    move = Move(top)
    for _ in range(abs(by)):
        after = step(window, selected, move.top, height, 1 if by > 0 else -1)
        if after == Move(move.top):
            break
        selected = selected if after.select is None else after.select
        move = Move(after.top, selected)
    return move


def turns(window: ItemWindow[T], top: int, height: int, by: int) -> Move:
    """`turn` by several pages, as far as they go."""
    move = Move(top)
    for _ in range(abs(by)):
        after = turn(window, move.top, height, 1 if by > 0 else -1)
        if after == move:
            break
        move = after
    return move


def reveal(
    window: ItemWindow[T], index: int, top: int, height: int, *, from_end: bool = False
) -> int:
    """The first line of a view in which an item is seen; of one that is too tall its beginning, or
    with `from_end` its end."""
    begin, end = window.top(index), window.top(index + 1)
    if end - begin > height:
        return end - height if from_end else begin
    return min(max(top, end - height), begin)


def _page(height: int) -> int:
    """The lines of one page: two of the last one stay in view."""
    return max(height - 2, 1)
