"""What monitors say of relays, and what it is worth: little, and nothing where they say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.planner import ClientRelays
from nostr_client.routing.read_plan import plan_read
from nostr_client.routing.relay_monitors import (
    FORGOTTEN,
    LONGEST,
    LOWEST,
    SHORTEST,
    USUAL,
    MonitorReport,
    RelayMonitors,
    frequency_of,
    lowered_by,
    report_of,
)
from nostr_client.routing.score_book import ScoreBook
from nostr_client.routing.scores import SLOW
from tests.routing.moody import Relay
from tests.routing.rooms import ANA, BEN, START, relay_list, rooms, signed
from tests.routing.test_planner import CY, OURS, listed, urls

HOUR = 3_600
M, N = "a" * 64, "b" * 64
BEN_HEX = BEN.public_key.hex
GONE, SLOWLY, WELL = "wss://gone.example", "wss://slow.example", "wss://well.example"


def reports(monitor: str, count: int = 5, age: int = HOUR) -> list[MonitorReport]:
    """Of so many relays, of which nothing else is said."""
    return [MonitorReport(monitor, f"wss://r{n}.example", START - age) for n in range(count)]


def lowered(*said: MonitorReport) -> dict[str, float]:
    return lowered_by(said, {M: HOUR, N: HOUR}, START)


def test_a_report_that_lapsed_counts_only_where_the_monitor_is_at_work() -> None:
    lapsed = MonitorReport(M, GONE, START - 10 * HOUR)
    assert lowered(lapsed) == {}, "the monitor itself may be gone"
    assert lowered(lapsed, *reports(M, 2)) == {}
    assert lowered(lapsed, *reports(M)) == {GONE: LOWEST}
    assert lowered(lapsed, *reports(M), MonitorReport(N, GONE, START - HOUR)) == {}, "N saw it"
    forgotten = MonitorReport(M, GONE, START - FORGOTTEN)
    assert lowered(forgotten, *reports(M)) == {}
    ahead = MonitorReport(M, GONE, START + HOUR)
    assert lowered(ahead, lapsed, *reports(M)) == {GONE: LOWEST}, "no report of tomorrow counts"


def test_a_monitor_that_takes_away_too_many_is_not_heard() -> None:
    many = [MonitorReport(M, f"wss://gone{n}.example", START - 10 * HOUR) for n in range(5)]
    assert lowered(*many, *reports(M, 5)) == {}
    assert len(lowered(*many[:4], *reports(M, 5))) == 4


def test_a_slow_relay_is_lowered_and_never_below_the_least() -> None:
    slow = MonitorReport(M, SLOWLY, START, trip=SLOW / 4)
    assert lowered(slow) == {SLOWLY: pytest.approx(0.8)}
    assert lowered(MonitorReport(M, SLOWLY, START, trip=900.0)) == {SLOWLY: LOWEST}
    quick = MonitorReport(N, SLOWLY, START, trip=0.0)
    assert lowered(slow, quick) == {}, "the quickest counts: it is nearest to the relay"
    assert lowered(MonitorReport(M, WELL, START)) == {}


def test_what_is_read_of_events() -> None:
    said = signed(BEN, kinds.RELAY_DISCOVERY, tags=(("d", "WSS://Well.example/"), _trip("234")))
    assert report_of(said) == MonitorReport(said.pubkey, WELL, START, 0.234)
    for trip in ("", "-1", "1e3", "٣", "9" * 50):
        odd = signed(BEN, kinds.RELAY_DISCOVERY, tags=(("d", WELL), _trip(trip)))
        assert report_of(odd) == MonitorReport(said.pubkey, WELL, START)
    assert report_of(signed(BEN, kinds.RELAY_DISCOVERY, tags=(("d", "f" * 64),))) is None
    assert report_of(signed(BEN, kinds.RELAY_DISCOVERY)) is None
    for text, seconds in (("3600", HOUR), ("1", SHORTEST), ("9" * 8, LONGEST), ("x", USUAL)):
        assert frequency_of(_announced(text)) == seconds
    assert frequency_of(signed(BEN, kinds.RELAY_MONITOR)) == USUAL


def _trip(text: str) -> tuple[str, str]:
    return ("rtt-open", text)


def _announced(frequency: str) -> Event:
    return signed(BEN, kinds.RELAY_MONITOR, tags=(("frequency", frequency),))


def test_it_lowers_a_rank_and_never_own_relays_or_an_authors_last() -> None:
    book = ScoreBook(clock=lambda: float(START), salt="1")
    before = book.rank()(CY, GONE)
    book.lowered = lambda url: LOWEST
    assert book.rank()(CY, GONE) == pytest.approx(LOWEST * before)

    people = [listed(CY, "last"), listed(M, "b1 b2 b3"), listed(N, "f1 b1")]
    gone = {*urls("last b1"), *OURS.fallback}
    for salt in range(20):
        book = ScoreBook(clock=lambda: float(START), salt=f"{salt}")
        book.lowered = lambda url: LOWEST if url in gone else 1.0
        plan = plan_read(people, OURS, rank=book.rank())
        assert CY in plan["wss://last.example"], "an author's last relay"
        assert N in plan["wss://f1.example"], "an own relay"
        assert sum(M in authors for authors in plan.values()) == 2
    alone = plan_read([listed(CY, "last")], ClientRelays(), rank=lambda *_: 0.0)
    assert alone == {"wss://last.example": {CY}}


async def test_monitors_are_chosen_or_followed_and_asked_where_they_write(tmp_path: Path) -> None:
    """Their announcements are looked for at the own relays, their reports where they write."""
    chosen, followed, stranger = (SecretKey.generate() for _ in range(3))
    hour = (("frequency", str(HOUR)),)

    def said(key: SecretKey, name: str, age: int = 0) -> Event:
        tags = (("d", f"wss://{name}.example/"),)
        return signed(key, kinds.RELAY_DISCOVERY, tags=tags, at=START - age)

    async with Relay() as home, Relay() as theirs:
        home.keep(relay_list(ANA, home.url))
        home.keep(signed(kind=kinds.FOLLOWS, tags=(("p", followed.public_key.hex), ("p", BEN_HEX))))
        home.keep(relay_list(BEN, *(f"wss://{n}.example" for n in ("gone", "w1", "w2", "w3"))))
        home.keep(signed(followed, kinds.RELAY_MONITOR, tags=hour))
        for key in (chosen, followed, stranger):
            home.keep(relay_list(key, theirs.url))
        theirs.keep(said(followed, "gone", 10 * HOUR))
        for name in ("w1", "w2", "w3"):
            theirs.keep(said(followed, name))
            theirs.keep(said(chosen, name))
        theirs.keep(said(chosen, "not-asked-for"))
        theirs.keep(said(stranger, "w1"))
        async with rooms(tmp_path, fallback=[home.url], keyed=True) as r:
            await r.courier.fetch_lists([ANA.public_key.hex, BEN_HEX])
            await r.courier.fetch([Filter.of(kinds=[3], authors=[ANA.public_key.hex])])
            monitors = RelayMonitors(r.courier, chosen=[chosen.public_key.hex], clock=r.clock)
            assert await monitors.seen(9) == []
            await monitors.refresh()
            assert monitors.lowered("wss://gone.example") == LOWEST
            assert monitors.lowered("wss://w1.example") == 1.0
            assert set(await monitors.seen(9)) == {
                f"wss://{name}.example" for name in ("gone", "w1", "w2", "w3")
            }
            again = RelayMonitors(r.courier, chosen=[chosen.public_key.hex], clock=r.clock)
            assert again.lowered("wss://gone.example") == 1.0
            await again.recall()
            assert again.lowered("wss://gone.example") == LOWEST, "by what is here"
            r.clock.now += 2 * 86_400
            await again.recall()
            assert again.lowered("wss://gone.example") == 1.0, "nobody is at work any more"
