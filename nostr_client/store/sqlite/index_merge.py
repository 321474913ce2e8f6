# ruff: noqa: S608 - SQL is made of constants; values are always bound
"""Settling: moving index entries from the small tables on to the large ones (see `schema`).

Keys are spread evenly over 64 bits. Each step takes the next slice of them from every index, in
order; after a whole round every entry that was there at its beginning has moved on. A step is small
enough not to be felt by whoever waits for his commit.
"""

from __future__ import annotations

import sqlite3
from typing import Final

ROUND = 20_000
"""A round is made for so many events, and one more for each `_SHARE` held."""
_SHARE: Final = 50
_SLICES: Final = 64
"""Steps of a round: a commit makes as many as it has earned."""
_KEYS: Final = {"id": "tie", "author": "author", "tag": "key"}
_LOWEST: Final = -(2**63)
_END: Final = 2**63 - 1


def settle(db: sqlite3.Connection, saved: int, seq: int) -> None:
    """After `saved` events were inserted, up to `seq`: move on what is due, and note it."""
    unsettled, start = db.execute("SELECT unsettled, settled_to FROM state").fetchone()
    unsettled += saved
    step = max(1, (ROUND + seq // _SHARE) // _SLICES)
    slices = min(unsettled // step, _SLICES)
    if slices:
        unsettled = unsettled % step
        start = _move(db, start, slices)
    db.execute("UPDATE state SET seq = ?, unsettled = ?, settled_to = ?", (seq, unsettled, start))


def _move(db: sqlite3.Connection, start: int, slices: int) -> int:
    """Move the entries of some slices, and say where the next one begins."""
    end = start + slices * (2**64 // _SLICES)
    ranges = [(start, min(end - 1, _END))]
    if end > _END:
        end += 2 * _LOWEST
        ranges += [(_LOWEST, end - 1)] if end > _LOWEST else []
    for name, key in _KEYS.items():
        for bounds in ranges:
            condition = f"{key} BETWEEN ? AND ?"
            db.execute(
                f"INSERT INTO {name} SELECT * FROM new_{name} WHERE {condition} ORDER BY {key}",
                bounds,
            )
            db.execute(f"DELETE FROM new_{name} WHERE {condition}", bounds)
    return end
