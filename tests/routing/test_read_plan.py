"""Whom to ask for whom, with nothing behind it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from nostr_client.routing.planner import CAPS, Caps, ClientRelays, PersonRelays
from nostr_client.routing.read_plan import AS_GOOD, author_filters, plan_read, stream_and_audit
from tests.routing.test_planner import BEN, CY, ME, OURS, listed, urls


def test_each_author_is_asked_for_at_two_of_their_relays() -> None:
    plan = plan_read([listed(BEN, "b1 b2 b3"), listed(CY, "c1")], OURS)
    assert sum(BEN in authors for authors in plan.values()) == 2
    assert plan["wss://c1.example"] == {CY}
    assert not set(plan) & set(OURS.fallback)


def test_few_relays_serve_all() -> None:
    people = [listed(f"{n:064x}", f"r{n} big1 big2") for n in range(100)]
    plan = plan_read(people, OURS)
    assert set(plan) == set(urls("big1 big2"))
    assert all(len(authors) == 100 for authors in plan.values())


def test_people_without_a_list_are_asked_for_at_the_clients_relays_and_their_hints() -> None:
    hinted = PersonRelays(BEN, urls("h1"), urls("h1"), source="hint", hints=urls("h1"))
    plan = plan_read([hinted, PersonRelays(CY)], OURS)
    assert plan == {
        "wss://f1.example": {BEN, CY},
        "wss://f2.example": {BEN, CY},
        "wss://h1.example": {BEN},
    }


def test_a_relay_that_is_down_gets_no_place() -> None:
    people = [listed(BEN, "b1 b2"), listed(CY, "c1")]
    ours = replace(OURS, down=frozenset(urls("b1 c1 f1")))
    assert plan_read(people, ours) == {"wss://b2.example": {BEN}, "wss://f2.example": {CY}}
    nobody = ClientRelays(down=ours.down)
    assert plan_read(people, nobody) == {"wss://b2.example": {BEN}, "wss://c1.example": {CY}}
    crowd = [listed(f"{n:064x}", " ".join(f"dead{n}{c}" for c in "abcde")) for n in range(40)]
    dead = frozenset(url for person in crowd for url in person.write)
    plan = plan_read([*crowd, *people], ClientRelays(OURS.fallback, down=dead))
    assert set(plan) == {*OURS.fallback, *urls("b1 b2 c1")}


def test_who_falls_out_of_the_cap_is_asked_for_at_the_clients_relays() -> None:
    people = [listed(f"{n:064x}", f"only{n}") for n in range(60)]
    plan = plan_read(people, OURS)
    assert len(plan) == CAPS.read_total
    for person in people:
        assert any(person.pubkey in authors for authors in plan.values())


relay_names = st.integers(0, 60).map(lambda n: f"wss://r{n}.example")
people = st.lists(
    st.builds(
        lambda n, write, source: PersonRelays(
            f"{n:064x}", tuple(dict.fromkeys(write)) if source != "fallback" else (), (), source
        ),
        st.integers(0, 500),
        st.lists(relay_names, max_size=8),
        st.sampled_from(["list", "hint", "fallback"]),
    ),
    max_size=60,
    unique_by=lambda person: person.pubkey,
)


@given(people, st.sets(relay_names, max_size=30), st.integers(0, 9))
def test_nobody_is_forgotten_and_the_sockets_stay_few(
    people: list[PersonRelays], avoid: set[str], seed: int
) -> None:
    chance = Random(seed)
    caps = Caps(read_total=12)
    plan = plan_read(people, OURS, avoid=avoid, caps=caps, rank=lambda who, url: chance.random())
    assert len(plan) <= caps.read_total
    for person in people:
        homes = [url for url, authors in plan.items() if person.pubkey in authors]
        assert len({*homes} - {*OURS.fallback}) <= caps.read_each
    known = {person.pubkey: person for person in people}
    for url, authors in plan.items():
        assert authors
        if url not in OURS.fallback:
            assert all(url in known[author].write for author in authors)
    for person in people:
        assert any(person.pubkey in authors for authors in plan.values())


# By what relays are thought to have


def test_those_relays_are_asked_that_are_thought_to_have_it() -> None:
    good = {"wss://r2.example": 0.9, "wss://r3.example": 0.8}
    plan = plan_read([listed(BEN, "r1 r2 r3")], OURS, rank=lambda who, url: good.get(url, 0.1))
    assert plan == {url: {BEN} for url in good}


def test_many_whom_a_relay_fails_go_elsewhere_and_the_sockets_stay_few() -> None:
    """A popular relay that has nothing any more gives way to the few that keep."""
    people = [listed(f"{n:064x}", f"big1 big2 keeps{n % 5} own{n}") for n in range(100)]

    def rank(pubkey: str, url: str) -> float:
        return {"big": 0.05, "own": 0.6}.get(url[6:9], 0.95)

    plan = plan_read(people, OURS, caps=Caps(read_total=8), rank=rank)
    assert len(plan) == 8
    for n in range(5):
        asked = plan[f"wss://keeps{n}.example"]
        assert asked == {
            person.pubkey for person in people if person.write[2].endswith(f"s{n}.example")
        }


def test_a_last_relay_and_our_own_are_never_ranked_away() -> None:
    ours = replace(OURS, read=urls("mine"))
    people = [listed(BEN, "only"), listed(CY, "mine c1 c2"), listed(ME, "c1 c2 down1")]
    ranked: list[str] = []

    def rank(pubkey: str, url: str) -> float:
        ranked.append(url)
        return 0.0

    plan = plan_read(people, replace(ours, down=frozenset(urls("down1"))), rank=rank)
    assert plan["wss://only.example"] == {BEN}
    assert CY in plan["wss://mine.example"]
    assert ME in frozenset().union(*plan.values())  # where nothing is any good, ours are asked
    assert not {*urls("only mine")} & {*ranked}
    assert plan_read(
        [listed(BEN, "b1 down1")], replace(ours, down=frozenset(urls("down1"))), rank=rank
    ) == {"wss://b1.example": {BEN}}


def test_two_are_asked_however_little_is_thought_of_them() -> None:
    people = [listed(BEN, "b1 b2 b3"), listed(CY, "c1 c2")]
    for seed in range(20):
        chance = Random(seed)
        plan = plan_read(people, OURS, rank=lambda who, url, c=chance: c.random() / 50)
        assert [sum(p in authors for authors in plan.values()) for p in (BEN, CY)] == [2, 2]
        assert len(plan) == 4


def test_a_little_better_is_worth_no_connection() -> None:
    good = {"wss://big1.example": 1.0, "wss://big2.example": 0.9}
    people = [listed(f"{n:064x}", f"big1 big2 tiny{n}") for n in range(50)]
    plan = plan_read(people, OURS, rank=lambda who, url: good.get(url, 0.98))
    assert set(plan) == set(urls("big1 big2"))


def test_a_large_follow_list_is_planned_fast() -> None:
    chance = Random(5)
    people = [
        listed(f"{n:064x}", " ".join(f"r{int(chance.paretovariate(0.6))}" for _ in range(5)))
        for n in range(3_000)
    ]
    asked = 0

    def rank(pubkey: str, url: str) -> float:
        nonlocal asked
        asked += 1
        return chance.random()

    plan = plan_read(people, OURS, rank=rank)
    assert len(plan) == CAPS.read_total
    assert asked <= 5 * len(people)  # each pair once, and not in each round


# Who streams


def test_one_relay_streams_an_author_and_the_others_are_audited() -> None:
    a, b, c = urls("a b c")
    plan = {a: {BEN, CY}, b: {BEN, ME}, c: {BEN}}
    roles = stream_and_audit(plan)
    assert roles.streams == {a: {BEN, CY}, b: {ME}}  # of equals the one that serves most
    assert roles.audits == {b: {a: {BEN}}, c: {a: {BEN}}}


def test_the_better_relay_streams_and_a_little_better_changes_nothing() -> None:
    a, b = urls("a b")
    worth = {a: 0.9, b: 0.9 + AS_GOOD / 2}

    def streams_at(before: str) -> str:
        roles = stream_and_audit(
            {a: {BEN}, b: {BEN}},
            standing=lambda who, url: worth[url],
            before={BEN: before} if before else None,
        )
        (url,) = roles.streams
        return url

    assert (streams_at(""), streams_at(b)) == (a, b)
    worth[b] = 0.9 + 2 * AS_GOOD
    assert streams_at(a) == b


@given(people, st.integers(0, 9))
def test_everybody_is_streamed_once_and_looked_for_wherever_planned(
    people: list[PersonRelays], seed: int
) -> None:
    chance = Random(seed)
    plan = plan_read(people, OURS)
    roles = stream_and_audit(plan, standing=lambda who, url: chance.random())
    streamed = [pubkey for authors in roles.streams.values() for pubkey in authors]
    assert sorted(streamed) == sorted(set().union(*plan.values()))
    for url, authors in plan.items():
        audited = roles.audits.get(url, {})
        assert set(authors) == roles.streams.get(url, frozenset()).union(*audited.values())
        assert all(group <= roles.streams[stream] for stream, group in audited.items())


def test_filters_are_cut_to_a_size_that_relays_take() -> None:
    authors = [f"{n:064x}" for n in range(777)]
    filters = author_filters(authors, [1, 6], since=5, limit=100)
    assert [len(f.authors or ()) for f in filters] == [200, 200, 200, 177]
    assert frozenset().union(*(f.authors or () for f in filters)) == set(authors)
    assert all(f.since == 5 and f.limit == 100 and f.kinds == {1, 6} for f in filters)
    assert author_filters([], [1]) == ()
