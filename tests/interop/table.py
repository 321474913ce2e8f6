"""docs/interop.md: the tables as Markdown, between markers, written and read back.

The document is the only record: a run that meets some of the peers keeps the rows of the others,
and what passed before and fails now is seen against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from tests.interop.cells import Cell, Feature, Row, Verdict

Tables = Mapping[str, Sequence[Row]]
"""Rows by the name of their table: `relays` (our client meets them), `clients` (our relay does)."""

END: Final = "<!-- end -->"
_HEAD: Final = ("peer", "version", "met", *Feature)
_BLOCK: Final = re.compile(r"<!-- interop: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
_NOTE: Final = re.compile(r"^(\d+)\. (.+)$", re.MULTILINE)
_CELL: Final = re.compile(r"^([a-z ]+?)(?: \((\d+)\))?$")


def written(document: str, tables: Tables, machine: str) -> str:
    """The document with its blocks made anew from `tables`, and from `machine`: what they were
    made on. Raises ValueError where a block is not in it."""
    blocks = {"machine": f"{machine}\n"}
    blocks |= {name: f"\n{_table(rows)}\n" for name, rows in tables.items()}
    for name, text in blocks.items():
        pattern = rf"(<!-- interop: {name} -->\n).*?({END})"
        document, found = re.subn(
            pattern, lambda hit, text=text: hit[1] + text + hit[2], document, flags=re.DOTALL
        )
        if found != 1:
            raise ValueError(f"the document has no block for {name}")
    return document


def read(document: str) -> dict[str, list[Row]]:
    """The tables that stand in it."""
    blocks = dict(_BLOCK.findall(document))
    return {name: list(_rows(text)) for name, text in blocks.items() if name != "machine"}


def merged(before: Sequence[Row], now: Sequence[Row], order: Sequence[str]) -> list[Row]:
    """`now`, and of `before` what was not met this time, or could not be had this time; in the
    order of the peers' names."""
    rows = {row.peer: row for row in before}
    kept = {row.peer for row in before if row.is_had}
    rows |= {row.peer: row for row in now if row.is_had or row.peer not in kept}
    return [rows[peer] for peer in order if peer in rows]


def lost(before: Tables, after: Tables) -> list[str]:
    """What passed before and fails now, in words."""
    passed = {
        (name, row.peer, feature)
        for name, rows in before.items()
        for row in rows
        for feature, cell in row.cells.items()
        if cell.verdict is Verdict.PASS
    }
    return [
        f"{row.peer}: {feature}: {cell.note}"
        for name, rows in after.items()
        for row in rows
        for feature, cell in row.cells.items()
        if cell.verdict is Verdict.FAIL and (name, row.peer, feature) in passed
    ]


def _table(rows: Sequence[Row]) -> str:
    notes: dict[str, int] = {}
    lines = [f"| {' | '.join(_HEAD)} |", "|" + " --- |" * len(_HEAD)]
    for row in rows:
        cells = [_words(row, feature, notes) for feature in Feature]
        lines.append(f"| {' | '.join((row.peer, row.version, row.date, *cells))} |")
    lines += ["", *(f"{number}. {note}" for note, number in notes.items())]
    return "\n".join(lines).rstrip() + "\n"


def _words(row: Row, feature: Feature, notes: dict[str, int]) -> str:
    cell = row.cells[feature]
    if not cell.note:
        return cell.verdict.value
    one_line = " ".join(cell.note.split())
    what = row.peer if cell.verdict is Verdict.NOT_HAD else f"{row.peer}, {feature}"
    number = notes.setdefault(f"**{what}.** {one_line}", len(notes) + 1)
    return f"{cell.verdict} ({number})"


def _rows(text: str) -> Iterator[Row]:
    notes = {number: note.partition(".** ")[2] for number, note in _NOTE.findall(text)}
    for line in text.splitlines():
        parts = [part.strip() for part in line.strip("|").split("|")]
        if not line.startswith("| ") or parts[0] in {_HEAD[0], "---"}:
            continue
        if len(parts) != len(_HEAD):
            raise ValueError(f"this is no row: {line}")
        peer, version, date, *cells = parts
        yield Row(peer, version, date, dict(zip(Feature, _cells(cells, notes), strict=True)))


def _cells(texts: Sequence[str], notes: Mapping[str, str]) -> Iterator[Cell]:
    for text in texts:
        hit = _CELL.match(text)
        if hit is None:
            raise ValueError(f"this is no cell: {text!r}")
        yield Cell(Verdict(hit[1]), notes[hit[2]] if hit[2] else "")
