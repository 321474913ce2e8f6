"""What relays really delivered: how it is counted, drawn and kept."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from random import Random
from statistics import mean

import pytest

from nostr_client.routing import score_book
from nostr_client.routing.score_book import ScoreBook
from nostr_client.routing.scores import (
    DAY,
    HALF_LIFE,
    HORIZON,
    MOST_KEPT,
    SLOW,
    Evidence,
    Score,
    Share,
    discount,
    drawn,
    drawn_relay,
)

BEN, CY = "b" * 64, "c" * 64
KEEPS, PRUNES = "wss://keeps.example", "wss://prunes.example"
NOW = 1_700_000_000


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


def seen(
    came: float, lacked: float, *, url: str = KEEPS, who: str = BEN, at: int = NOW
) -> Evidence:
    return Evidence(who, url, at, recent=Share(came, lacked))


@pytest.fixture(autouse=True)
def short_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """A draw stands for a minute, in which nothing fades."""
    monkeypatch.setattr(score_book, "DRAW_STANDS", 60)


def mean_of(pair: Score, everybody: Score | None = None, *, past: bool = False) -> float:
    """Of what is drawn for an author at a relay, whose score with all is `everybody`."""
    chance, both = Random(1), []
    for _ in range(400):
        usual = drawn_relay(everybody or pair, past=past, chance=chance)
        both.append(drawn(pair, usual, past=past, chance=chance))
    return mean(both)


async def written(*books: ScoreBook) -> None:
    """Let them write what they counted."""
    for book in books:
        keeping = asyncio.create_task(book.keep())
        await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.wait([keeping])
        assert keeping.cancelled()


def drawn_by(book: ScoreBook, url: str, clock: Clock, who: str = BEN) -> float:
    """The mean of what it draws, each time anew."""
    values, begun = [], clock.now
    for _ in range(200):
        clock.now += 60
        values.append(book.rank(since=int(clock.now) - DAY)(who, url))
    clock.now = begun
    return mean(values)


def test_the_chance_follows_what_was_delivered() -> None:
    nothing, good, bad = Score(), Score().after(seen(9, 1)), Score().after(seen(0, 10))
    assert mean_of(nothing) == pytest.approx(0.5, abs=0.05)
    assert mean_of(good) == pytest.approx(9 / 10, abs=0.05)
    assert mean_of(bad) == pytest.approx(1 / 20, abs=0.05)
    once, again = (drawn(good, 0.5, past=False, chance=Random(7)) for _ in range(2))
    assert once == again


def test_what_is_old_counts_apart() -> None:
    prunes = Score().after(Evidence(BEN, PRUNES, NOW, recent=Share(10, 0), past=Share(0, 10)))
    assert mean_of(prunes) > 0.85
    assert mean_of(prunes, past=True) < 0.3


def test_what_a_relay_did_with_others_stands_in_for_what_is_not_known() -> None:
    lacks = Score(recent=Share(0, 400), at=NOW)
    assert mean_of(Score(), lacks) < 0.2
    assert mean_of(Score().after(seen(10, 0)), lacks) > 0.55  # it weighs little beside knowledge


def test_what_nobody_tried_is_tried_for_all_who_write_there_or_for_none() -> None:
    """Drawn for each author apart, a new relay would come out as middling for all of them."""
    clock = Clock()
    book, means = ScoreBook(clock=clock, salt="4"), []
    for _ in range(50):
        rank = book.rank()
        means.append(mean(rank(f"{n:064x}"[::-1], KEEPS) for n in range(100)))
        clock.now += 60
    assert min(means) < 0.15
    assert max(means) > 0.85


def test_counts_fade_and_are_bounded_so_that_change_is_noticed() -> None:
    score = Score()
    for _ in range(100):
        score = score.after(seen(500, 0))
    assert score.recent.known == pytest.approx(MOST_KEPT)
    assert score.faded(NOW + HALF_LIFE).recent.known == pytest.approx(MOST_KEPT / 2)
    for _ in range(4):
        score = score.after(seen(0, 500))
    assert mean_of(score) < 0.3
    assert score.after(seen(1, 0, at=NOW - DAY)).at == NOW  # what comes late sets nothing back


def test_latency_makes_a_chance_worth_less() -> None:
    assert discount(None) == discount(0.0) == discount(-1.0) == 1.0
    assert discount(SLOW) == 0.5
    assert discount(0.1) > discount(1.0)


def test_a_draw_stands_for_a_while_and_is_of_the_span_that_is_asked_for() -> None:
    clock = Clock()
    book = ScoreBook(clock=clock, salt="3")
    book.record([Evidence(BEN, PRUNES, NOW, recent=Share(10, 0), past=Share(0, 10))])
    week, year = NOW - 7 * DAY, NOW - HORIZON - 1
    first = book.rank(since=week)(BEN, PRUNES)
    assert book.rank(since=week)(BEN, PRUNES) == first > 0.5
    assert book.rank(since=year)(BEN, PRUNES) == book.rank()(BEN, PRUNES) < 0.5
    other = ScoreBook(clock=clock, salt="3")
    other.record([Evidence(BEN, PRUNES, NOW, recent=Share(10, 0), past=Share(0, 10))])
    assert other.rank(since=week)(BEN, PRUNES) == first  # another process
    clock.now += 60
    assert book.rank(since=week + 60)(BEN, PRUNES) != first


async def test_two_processes_on_a_folder_add_what_they_saw(tmp_path: Path) -> None:
    clock = Clock()
    file = tmp_path / "scores.json"
    one, two = (ScoreBook(file, clock) for _ in range(2))
    one.record([seen(10, 0)])
    two.record([seen(0, 10, url=PRUNES), seen(0, 10, url=PRUNES, who=CY)])
    await written(one, two)
    for book in (one, two, ScoreBook(file, clock)):
        assert book.score(BEN, KEEPS).recent == Share(10, 0)
        assert book.score(CY, PRUNES).recent == Share(0, 10)
        assert drawn_by(book, KEEPS, clock) > 0.7
        assert drawn_by(book, PRUNES, clock) < 0.3
    size = file.stat().st_size
    await written(one, two)  # what is written is not written twice
    assert file.stat().st_size == size


async def test_a_slow_relay_is_remembered_as_slow(tmp_path: Path) -> None:
    clock = Clock()
    book = ScoreBook(tmp_path / "scores.json", clock)
    book.record([Evidence(BEN, KEEPS, NOW, Share(10, 0), latency=SLOW)])
    await written(book)
    fresh = ScoreBook(tmp_path / "scores.json", clock)
    assert 0.35 < drawn_by(fresh, KEEPS, clock) < 0.5


async def test_a_damaged_file_is_said_and_set_aside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "scores.json"
    file.write_bytes(b'{"wss://keeps.exa')
    book = ScoreBook(file, Clock())
    book.rank()
    assert file.exists()  # only who holds the lock may move it
    book.record([seen(10, 0)])
    await written(book)
    assert (tmp_path / "scores.damaged").read_bytes() == b'{"wss://keeps.exa'
    assert "was damaged" in caplog.text
    assert KEEPS.encode() in file.read_bytes()


async def test_what_cannot_be_written_waits_and_counts_meanwhile(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    folder = tmp_path / "data"
    book = ScoreBook(folder / "scores.json", clock)
    book.record([seen(10, 0)])
    await written(book)
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert drawn_by(book, KEEPS, clock) > 0.7
    folder.mkdir(mode=0o700)
    book.record([seen(10, 0, who=CY)])
    await written(book)
    assert drawn_by(ScoreBook(folder / "scores.json", clock), KEEPS, clock) > 0.7


def test_only_so_many_pairs_are_kept_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_book, "MOST_PAIRS", 5)
    clock = Clock()
    book = ScoreBook(clock=clock)
    book.record(seen(0, 10, who=f"{n:064x}"[::-1], url=PRUNES, at=NOW + n) for n in range(5))
    book.record([seen(10, 0, at=NOW + 9)])
    kept = book._records
    assert sum(len(record.people) for record in kept.values()) == 5
    assert "0" * 16 not in kept[PRUNES].people
    assert kept[KEEPS].people


def test_a_standing_has_no_chance_in_it_and_knows_what_was_just_counted() -> None:
    book = ScoreBook(clock=Clock())
    book.rank()(BEN, KEEPS)
    before = book.standing()
    assert before(BEN, KEEPS) == before(BEN, PRUNES) == 0.5
    book.record([seen(10, 0), seen(9, 1, url=PRUNES)])
    after = book.standing()
    assert after(BEN, KEEPS) > after(BEN, PRUNES) > after(BEN, "wss://other.example")
    assert after(CY, KEEPS) > after(CY, PRUNES)  # what it does for others
    quick = after(BEN, KEEPS)
    book.record([Evidence(BEN, KEEPS, NOW, latency=SLOW)])
    assert book.standing()(BEN, KEEPS) == pytest.approx(quick / 2)
