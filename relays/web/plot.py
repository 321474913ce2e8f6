"""The plot of the status page: a line of the events in each of the last minutes, as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from relays.metrics import MINUTES

_HEIGHT: Final = 60


def points(values: Sequence[int]) -> str:
    """The line: the newest on the right; the highest reaches the top. It begins on the ground."""
    top = max(values, default=0) or 1
    shown = [0, *values][-MINUTES:]
    start = MINUTES - len(shown)
    pairs = (
        f"{start + index},{_HEIGHT - (_HEIGHT - 2) * value / top - 1:.4g}"
        for index, value in enumerate(shown)
    )
    return " ".join(pairs)


def plot(id: str, label: str, peak: str, points: str) -> str:
    """The picture with its caption; `points` as above, which the page's script renews."""
    return (
        f'<figure class="{id}"><svg viewBox="0 0 {MINUTES} {_HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-labelledby="{id}-caption"><polyline id="{id}-line" points="{points}"/>'
        f'</svg><figcaption class="quiet" id="{id}-caption">{label}: at most'
        f' <span id="{id}-peak">{peak}</span> in one minute</figcaption></figure>'
    )
