"""A drill as a picture: for each way of taking relays down what strangers found, each seed a dot.

Plain SVG, drawn by hand: columns of shares (held and found before anything was mended, found
afterwards, followers whom the next note reached), the worst of the seeds as a bar and a number, and
the goals as lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from nostr_client.rehearsal.drill_record import DrillRun, pace_of

LABELS: Final = 110
"""Pixels of the names of strategies."""
WIDTH: Final = 176
"""Pixels of a column, of which `GAP` are for the number."""
GAP: Final = 44
ROW: Final = 26
TOP: Final = 58


class PlotColumn(NamedTuple):
    """One column: its title, the share that it shows, and the goal."""

    title: str
    share: Callable[[DrillRun], float | None]
    goal: float | None


PLOT_COLUMNS: Final = (
    PlotColumn("held before repair", lambda run: run.held_before, 0.99),
    PlotColumn("found before repair", lambda run: run.readable_before, None),
    PlotColumn("found after repair", lambda run: run.readable_after, 0.995),
    PlotColumn("reached, some relays dead", lambda run: run.followers_reached, 0.99),
    PlotColumn("reached, all dead", lambda run: run.followers_reached_all_dead, 0.95),
)


def plot(runs: Sequence[DrillRun]) -> str:
    """`runs` as an SVG document."""
    strategies = list(dict.fromkeys(run.strategy for run in runs))
    width = LABELS + WIDTH * len(PLOT_COLUMNS)
    height = TOP + ROW * len(strategies) + 40
    told = f"Bars: the worst of {len({run.seed for run in runs})} seeds. {pace_of(runs)}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        _text(10, 22, "What is left when relays fall, in percent", "#111", size=15),
        _text(10, height - 12, told, "#555"),
    ]
    for row, strategy in enumerate(strategies):
        lines.append(_text(LABELS - 10, _middle(row) + 4, strategy, "#111", anchor="end"))
    for number, column in enumerate(PLOT_COLUMNS):
        left = LABELS + number * WIDTH
        lines += _column(column, left, [[r for r in runs if r.strategy == s] for s in strategies])
    return "\n".join([*lines, "</svg>", ""])


def _column(column: PlotColumn, left: int, rows: Sequence[Sequence[DrillRun]]) -> Iterator[str]:
    bottom = TOP + ROW * len(rows)
    yield _text(left, TOP - 10, column.title, "#111")
    for tick in (0.0, 0.5, 1.0):
        x = _x(left, tick)
        yield _line(x, TOP, bottom, "#ddd")
        yield _text(x, bottom + 14, f"{100 * tick:.0f}", "#555", anchor="middle")
    if column.goal is not None:
        yield _line(_x(left, column.goal), TOP, bottom, "#c33")
    for row, runs in enumerate(rows):
        y = _middle(row)
        shares = [share for run in runs if (share := column.share(run)) is not None]
        if not shares:
            yield _text(left + 4, y + 4, "not measured", "#777")
            continue
        end = _x(left, min(shares))
        yield (
            f'<rect x="{left}" y="{y - 6}" width="{end - left:.1f}" height="12" fill="#9cc3e6"/>'
        )
        yield _text(left + WIDTH - GAP + 6, y + 4, f"{100 * min(shares):.4g}", "#111", size=11)
        for share in shares:
            yield f'<circle cx="{_x(left, share):.1f}" cy="{y}" r="3" fill="#1f4e79"/>'


def _middle(row: int) -> int:
    return TOP + ROW * row + ROW // 2


def _x(left: int, share: float) -> float:
    return left + (WIDTH - GAP) * share


def _line(x: float, top: int, bottom: int, color: str) -> str:
    return f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" stroke="{color}"/>'


def _text(
    x: float, y: float, text: str, color: str, *, size: int = 12, anchor: str = "start"
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" fill="{color}" font-size="{size}" text-anchor="{anchor}"'
    return f"<text {place}>{escape(text)}</text>"
