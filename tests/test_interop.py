"""The matrix itself: what is written into the document can be read back, and what got worse is
seen. The peers are met by `make interop`, and not here."""

from __future__ import annotations

import pytest

from tests.interop.__main__ import DOCUMENT, visits
from tests.interop.cells import Cell, Feature, Row, Verdict
from tests.interop.judgments import JUDGED
from tests.interop.meetings import said
from tests.interop.table import lost, merged, read, written

GOOD, ABSENT = Cell(Verdict.PASS), Cell(Verdict.NOT_OFFERED, "it has none")
BAD = Cell(Verdict.FAIL, "Seen: nothing (twice). It is theirs.")


def row(peer: str, **cells: Cell) -> Row:
    named = {Feature[name]: cell for name, cell in cells.items()}
    return Row(peer, "1.0", "2026-01-02", dict.fromkeys(Feature, GOOD) | named)


def test_what_is_written_is_read_back() -> None:
    document = DOCUMENT.read_text("utf-8")
    tables = {
        "relays": [row("one", AUTH=BAD, COUNT=ABSENT), row("two", AUTH=BAD)],
        "clients": [Row.not_had("three", "2.0", "2026-01-02", "the proxy has no such module")],
    }
    once = written(document, tables, "Python 3.13")
    assert read(once) == tables
    assert written(once, tables, "Python 3.13") == once
    assert "| fail (1) | not offered (2) |" in once
    with pytest.raises(ValueError, match="clients"):
        written(document.replace("interop: clients", "interop: others"), tables, "")


def test_the_document_holds_peers_in_their_order_and_says_whose_each_failure_is() -> None:
    tables = read(DOCUMENT.read_text("utf-8"))
    for name, rows in tables.items():
        there = [visit.peer.name for visit in visits() if visit.table == name]
        met = {each.peer for each in rows}
        assert [each.peer for each in rows] == [peer for peer in there if peer in met]
    failed = {
        (name, each.peer, feature)
        for name, rows in tables.items()
        for each in rows
        for feature, cell in each.cells.items()
        if cell.verdict is Verdict.FAIL
    }
    assert failed <= JUDGED.keys(), "whose they are is not said"


def test_what_got_worse_is_seen() -> None:
    before = {"relays": [row("one", COUNT=ABSENT), row("two", AUTH=BAD)]}
    after = {"relays": [row("one", COUNT=BAD, LIVE=BAD), row("two", AUTH=BAD, LIVE=ABSENT)]}
    assert lost(before, after) == [f"one: live: {BAD.note}"]


def test_rows_of_peers_that_were_not_met_stay() -> None:
    gone = Row.not_had("two", "1.0", "2026-02-03", "no go here")
    new = Row.not_had("three", "1.0", "2026-02-03", "no go here")
    old = Row.not_had("three", "1.0", "2026-01-02", "no node here")
    kept = merged([row("one"), row("two"), old], [gone, new], ["three", "two", "one"])
    assert kept == [new, row("two"), row("one")]


def test_nothing_of_this_machine_is_written() -> None:
    seen = "ws://127.0.0.1:4711/ said | /home/ana/x.mjs:3 and 127.0.0.1:80 of " + "ab" * 32
    assert said(seen) == "the relay said ...:3 and loopback of ..."
    assert said("reading https://go.example/a/b@v1: 403") == "reading its registry 403"
