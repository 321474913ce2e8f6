"""Lines pass through commands in constant memory, however many there are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from benchmarks.line_memory import LineVerb

lines: Any = pytest.importorskip(
    "benchmarks.line_memory", reason="the benchmarks are in the source tree alone"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.tree,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read in /proc"),
]
PURE = [verb for verb in lines.VERBS if verb.words[0] in {"decode", "encode", "filter", "verify"}]
ASKING = [verb for verb in lines.VERBS if verb.words[0] in {"publish", "req"} and verb.asks]
MOST_A_LINE = 1024
"""Bytes that may stay of each line: caches fill up; an event that stays takes more than this."""


@pytest.mark.parametrize("verb", PURE, ids=lambda verb: verb.name)
def test_lines_leave_nothing(verb: LineVerb) -> None:
    early, late = lines.watched(verb, (5_000, 20_000))
    assert late <= 1.1 * early, (early, late)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("verb", ASKING, ids=lambda verb: verb.name)
def test_what_asks_relays_keeps_nothing_of_a_line(verb: LineVerb) -> None:
    marks = (8_000, 24_000)
    early, late = lines.watched(verb, marks)
    assert (late - early) * 1024 <= MOST_A_LINE * (marks[1] - marks[0]), (early, late)
