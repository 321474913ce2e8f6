"""What a question shows of the relays that were asked."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import msgspec
import pytest

from nostr_client.net.outcome import End, How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing import score_book
from nostr_client.routing.deliveries import MOST_HELD, SAMPLE, SETTLED, Deliveries
from nostr_client.routing.score_book import ScoreBook
from nostr_client.routing.scores import DAY, HORIZON, Share
from tests.routing.rooms import BEN, CY, START, Clock, Relay, relay_list, rooms, signed

ONE, TWO = "wss://one.example", "wss://two.example"
BEN_KEY, CY_KEY = BEN.public_key.hex, CY.public_key.hex
OF_BEN = Filter.of(authors=[BEN_KEY], kinds=[1])


def notes(count: int, *, age: int = DAY) -> list[Event]:
    return [signed(BEN, content=f"{n}", at=START - age - n) for n in range(count)]


def shares(
    brought: dict[str, Collection[Event]],
    f: Filter = OF_BEN,
    *,
    how: How = How.ANSWERED,
    complete: bool | None = None,
    paged: bool = True,
) -> dict[str, tuple[Share, Share]]:
    deliveries = Deliveries(START)
    for url, events in brought.items():
        for event in events:
            deliveries.take(event, url)
            deliveries.had(event.id, [url])
        if url:
            end = End(url=url, how=how, complete=complete)
            deliveries.answered([f], end, paged=paged)
    found = {one.url: (one.recent, one.past) for one in deliveries.judged(START)}
    assert not deliveries.judged(START)  # each once
    return found


def test_what_a_relay_lacks_is_seen_by_what_others_bring_or_is_held() -> None:
    ten = notes(10)
    assert shares({ONE: [], "": ten}) == {ONE: (Share(0, 10), Share())}
    assert shares({ONE: ten[:3], "": ten}) == {ONE: (Share(3, 7), Share())}
    assert shares({ONE: ten[:6], TWO: ten[4:]}) == {  # nobody is his own witness
        ONE: (Share(2, 4), Share()),
        TWO: (Share(2, 4), Share()),
    }
    assert shares({ONE: ten}) == {}
    assert shares({ONE: []}) == {}  # nothing is known, so nothing is said


def test_what_is_old_counts_apart_and_what_is_young_not_at_all() -> None:
    old, week = notes(4, age=HORIZON + 1), notes(2)
    young = [signed(BEN, at=START - SETTLED + 1)]
    assert shares({ONE: week, TWO: [*old, *week, *young]}) == {
        ONE: (Share(2, 0), Share(0, 4)),
        TWO: (Share(2, 0), Share()),
    }


def test_only_whom_and_what_it_was_asked_for() -> None:
    other = [signed(CY, at=START - DAY), signed(BEN, kinds.REPOST, at=START - DAY)]
    replaced = [signed(BEN, kind, at=START - DAY) for kind in (0, 5, 1059, 10002, 30023)]
    assert shares({ONE: [], "": [*other, *replaced, *notes(1)]}) == {ONE: (Share(0, 1), Share())}
    since = OF_BEN.changed(since=START - DAY, until=START - DAY)
    assert shares({ONE: [], "": notes(3)}, since) == {ONE: (Share(0, 1), Share())}
    by_id = Filter(ids=frozenset({"0" * 64}), authors=frozenset({BEN_KEY}))
    assert shares({ONE: [], "": notes(3)}, by_id) == {}


def test_an_answer_that_may_be_cut_off_counts_as_far_back_as_it_goes() -> None:
    many = notes(150)

    def lacked(count: int, f: Filter = OF_BEN, **how: bool) -> float:
        return shares({ONE: many[:count], "": many}, f, **how)[ONE][0].lacked

    for limited, paged in ((OF_BEN, False), (OF_BEN.changed(limit=100), True)):
        assert lacked(100, limited, paged=paged) == 0
    assert lacked(100) > 0
    assert lacked(100, complete=False) == 0
    assert lacked(100, complete=True, paged=False) > 0
    assert lacked(9, paged=False) > 0
    assert lacked(5, OF_BEN.changed(limit=5)) == 0


def test_of_each_author_a_sample_counts_the_same_for_every_relay() -> None:
    many = notes(150)
    found = shares({ONE: many[::2], TWO: many, "": many})
    assert found[TWO] == (Share(SAMPLE, 0), Share())
    one, _ = found[ONE]
    assert one.known == SAMPLE
    lowest = sorted(many, key=lambda event: event.id)[:SAMPLE]
    assert one.came == len({*lowest} & {*many[::2]})


@pytest.mark.parametrize("how", [h for h in How if h not in (How.ANSWERED, How.INCOMPLETE)])
def test_who_did_not_answer_shows_nothing(how: How) -> None:
    assert shares({ONE: [], "": notes(3)}, how=how) == {}


def test_of_the_store_so_much_is_looked_at() -> None:
    deliveries = Deliveries(START)
    assert deliveries.asked_of() == []
    end = End(url=ONE, how=How.ANSWERED)
    lists = Filter.of(authors=[BEN_KEY], kinds=[kinds.RELAY_LIST, kinds.DELETION])
    deliveries.answered([lists], end, paged=True)
    assert deliveries.asked_of() == []  # of lists the newest is wanted, and no other
    week = OF_BEN.changed(since=START - DAY)
    deliveries.answered([week], end, paged=True)
    assert deliveries.asked_of() == [week.changed(limit=MOST_HELD)]
    deliveries.answered([week], msgspec.structs.replace(end, url=TWO), paged=True)
    deliveries.answered([OF_BEN.changed(authors=frozenset({CY_KEY}))], end, paged=True)
    recent, past = deliveries.asked_of()
    assert recent.authors == past.authors == {BEN_KEY, CY_KEY}
    assert (recent.since, past.since, past.until) == (START - HORIZON, 0, START - HORIZON - 1)


async def test_a_fetch_teaches_the_next_one_whom_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay on the list that had nothing of it gives way to the two that had."""
    monkeypatch.setattr(score_book, "DRAW_STANDS", 1)
    written = notes(20)
    clock = Clock()
    async with Relay() as empty, Relay(*written) as full, Relay(*written) as third:
        relays = [empty.url, full.url, third.url]
        async with rooms(tmp_path, clock=clock) as r:
            await r.store.save([relay_list(BEN, *relays)])
            await r.courier.fetch([OF_BEN], relays[1:])
            await r.courier.fetch([OF_BEN], relays[:1])  # what is held came from others
            score = r.courier.scores.score
            assert score(BEN_KEY, empty.url).recent == Share(0, 10)
            assert score(BEN_KEY, full.url).recent == Share(10, 0)
        later = ScoreBook(tmp_path / "deliveries.json", clock)  # another process
        assert later.score(BEN_KEY, empty.url).recent == Share(0, 10)
        async with rooms(tmp_path, clock=clock) as r:
            asked = []
            for _ in range(50):
                clock.now += 1
                asked.append(await r.courier.route([OF_BEN]))
        assert sum(empty.url in routes for routes in asked) < 25
        assert sum(full.url in routes for routes in asked) > 40


async def test_what_came_from_a_relay_alone_is_no_witness_for_it_later(tmp_path: Path) -> None:
    async with Relay(*notes(20)) as only, rooms(tmp_path) as r:
        for _ in range(2):
            await r.courier.fetch([OF_BEN], [only.url])
        assert r.courier.scores.score(BEN_KEY, only.url).recent == Share()
