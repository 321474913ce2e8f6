"""What answers of relays look like: told from values alone."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.net.outcome import How
from nostr_client.resilience.audit_words import finding_line
from nostr_client.resilience.censorship import (
    RUN,
    FindingKind,
    Observation,
    RelayFinding,
    findings,
)

NOW = 1_700_000_000
DAY, HOUR = 86_400, 3_600
WEEK = 7 * DAY
A, C, D, B = (f"wss://{name}.example" for name in "acdb")
RELAYS = (A, C, D, B)
EVE, CARL, DORA = "eve", "carl", "dora"
AUTHORS = (EVE, CARL, DORA)
SINCE = NOW - 30 * DAY


def written(author: str, every: float = DAY, count: int = 20) -> dict[str, int]:
    """Notes of the last days, the newest half a day old."""
    return {f"{author}-{n}": int(NOW - DAY / 2 - n * every) for n in range(count)}


NOTES = {author: written(author) for author in AUTHORS}


def observed(
    shown: Mapping[str, Mapping[str, Mapping[str, int]]], **fields: Any
) -> list[Observation]:
    """What each relay shows of each author; it was asked by name for the rest."""
    return [
        Observation(
            relay=relay,
            author=author,
            since=SINCE,
            until=NOW,
            held=held,
            absent=frozenset(NOTES[author].keys() - held.keys()),
            writes_there=True,
            **fields,
        )
        for relay, authors in shown.items()
        for author, held in authors.items()
    ]


def everywhere(**at_b: Mapping[str, int]) -> list[Observation]:
    """All relays show all, but B what is said of each author."""
    shown = {relay: dict(NOTES) for relay in RELAYS}
    shown[B] = {**NOTES, **at_b}
    return observed(shown)


def changed(every: Sequence[Observation], relay: str, author: str = "", **to: Any) -> Any:
    return [
        msgspec.structs.replace(o, **to) if o.relay == relay and author in ("", o.author) else o
        for o in every
    ]


def told(every: Sequence[Observation], **operators: str) -> list[RelayFinding]:
    return findings(every, NOW, operators)


def since(author: str, at: int) -> dict[str, int]:
    return {id: t for id, t in NOTES[author].items() if t >= at}


def until(author: str, at: int) -> dict[str, int]:
    return {id: t for id, t in NOTES[author].items() if t < at}


def test_where_all_show_the_same_there_is_nothing_to_say() -> None:
    assert told(everywhere()) == []


def test_one_authors_newest_are_missing_where_others_show_them() -> None:
    [found] = told(everywhere(eve=until(EVE, NOW - WEEK)))
    assert (found.kind, found.relay, found.author) == (FindingKind.TARGETING, B, EVE)
    assert set(found.ids) == set(since(EVE, NOW - WEEK))
    assert found.witnesses == (A, C, D)
    assert found.accuses


def test_everyones_old_ones_gone_is_retention() -> None:
    limit = NOW - 10 * DAY
    [found] = told(everywhere(**{author: since(author, limit) for author in AUTHORS}))
    assert (found.kind, found.author, found.accuses) == (FindingKind.RETENTION, "", False)


def test_a_time_of_which_nothing_is_shown_is_an_outage() -> None:
    gone = {a: until(a, NOW - 6 * DAY) | since(a, NOW - 2 * DAY) for a in AUTHORS}
    assert [f.kind for f in told(everywhere(**gone))] == [FindingKind.OUTAGE]
    still_gone = {author: until(author, NOW - 6 * DAY) for author in AUTHORS}
    assert [f.kind for f in told(everywhere(**still_gone))] == [FindingKind.OUTAGE]


@pytest.mark.parametrize(
    ("fields", "kind", "author"),
    [
        ({"how": How.UNREACHABLE}, FindingKind.OUTAGE, ""),
        ({"how": How.SILENT}, FindingKind.OUTAGE, ""),
        ({"how": How.NOT_ALLOWED, "prefix": "auth-required"}, FindingKind.WALL, ""),
        ({"how": How.NOT_ALLOWED, "prefix": "restricted", "words": "pay"}, FindingKind.WALL, ""),
        ({"how": How.NOT_ALLOWED, "prefix": "blocked"}, FindingKind.REFUSAL, ""),
        ({"how": How.REFUSED, "words": "no"}, FindingKind.REFUSAL, ""),
    ],
)
def test_what_a_relay_says_to_all(fields: dict[str, Any], kind: FindingKind, author: str) -> None:
    found = told(changed(everywhere(), B, held={}, absent=frozenset(), **fields))
    assert [(f.kind, f.relay, f.author, f.accuses) for f in found] == [(kind, B, author, False)]


def test_a_refusal_of_one_author_alone_accuses_by_its_own_words() -> None:
    to = {"how": How.NOT_ALLOWED, "prefix": "blocked", "words": "not this one", "held": {}}
    [found] = told(changed(everywhere(), B, EVE, absent=frozenset(), **to))
    assert (found.kind, found.author, found.words, found.accuses) == (
        FindingKind.REFUSAL,
        EVE,
        "blocked: not this one",
        True,
    )
    [found] = told(changed(everywhere(), B, EVE, not_taken="blocked: spam"))
    assert (found.kind, found.accuses) == (FindingKind.REFUSAL, True)
    [found] = told(changed(everywhere(), B, EVE, not_taken="restricted: pay first"))
    assert (found.kind, found.accuses) == (FindingKind.WALL, False)


GONE = {EVE: until(EVE, NOW - WEEK)}
MILDER: dict[str, list[Observation]] = {
    "only one other shows them": [
        o for o in everywhere(**GONE) if o.relay in (A, B) or o.author != EVE
    ],
    "it was not asked by name": changed(everywhere(**GONE), B, EVE, absent=frozenset()),
    "the author does not write there": changed(everywhere(**GONE), B, EVE, writes_there=False),
    "not everybody may write there": changed(everywhere(**GONE), B, EVE, walled=True),
    "the newest is there": everywhere(eve={**GONE[EVE], **since(EVE, NOW - DAY)}),
    "the controls are missing, too": everywhere(**{a: until(a, NOW - WEEK) for a in AUTHORS}),
    "there is one control": [o for o in everywhere(**GONE) if o.author != DORA],
    "they are few": everywhere(eve=until(EVE, NOW - 3 * DAY)),
}


@pytest.mark.parametrize("case", MILDER)
def test_whatever_has_a_milder_reading_accuses_nobody(case: str) -> None:
    found = told(MILDER[case])
    assert not any(f.accuses for f in found)


def test_relays_of_one_operator_are_one_witness() -> None:
    every = everywhere(**GONE)
    assert not any(f.accuses for f in told(every, **{A: A, C: A, D: A}))
    assert not any(f.accuses for f in told(every, **{A: B, C: B}))
    assert any(f.accuses for f in told(every, **{A: A, C: A}))


def test_what_it_is_known_to_have_had_needs_no_long_run_and_no_list() -> None:
    few = everywhere(eve=until(EVE, NOW - 3 * DAY))
    gone = frozenset(since(EVE, NOW - 3 * DAY))
    assert len(gone) < RUN
    [found] = told(changed(few, B, EVE, taken=gone, writes_there=False, walled=True))
    assert (found.kind, set(found.ids)) == (FindingKind.TARGETING, gone)


def test_forgeries_and_old_versions_are_told() -> None:
    lists = {"10002:eve:": (NOW - DAY, "new")}
    every = changed(changed(everywhere(), A, EVE, lists=lists), C, EVE, lists=lists)
    every = changed(every, B, EVE, forged=3, lists={"10002:eve:": (NOW - WEEK, "old")})
    forged, stale = told(every)
    assert (forged.kind, forged.relay, forged.accuses) == (FindingKind.FORGED, B, True)
    assert (stale.kind, stale.ids, stale.witnesses) == (FindingKind.STALE, ("new",), (A, C))
    assert not stale.accuses


# Whatever the answers


ENDS = [How.ANSWERED] * 24 + list(How)
PAIRS = [(relay, author) for relay in RELAYS for author in AUTHORS]


def answer(relay: str, author: str, drawn: int) -> Observation:
    """Made of the bits of a number: which notes are held, of the newest on, and all else."""
    mask, drawn = drawn % 2**20, drawn >> 20
    whole, recent_gone = drawn & 7, author == EVE and drawn >> 3 & 1
    drawn >>= 4
    mask = (2**20 - 1 if whole else mask) & (-1 << 7 if recent_gone else -1)
    newest_first = list(NOTES[author])
    held = {id for n, id in enumerate(newest_first) if mask >> n & 1}
    rest = [id for id in newest_first if id not in held]
    return Observation(
        relay=relay,
        author=author,
        since=SINCE,
        until=NOW,
        how=ENDS[(drawn & 255) % len(ENDS)],
        held={id: NOTES[author][id] for id in held},
        absent=frozenset(rest if drawn >> 8 & 7 else ()),
        writes_there=bool(drawn >> 11 & 3),
        taken=frozenset(rest[: drawn >> 13 & 3]),
        walled=drawn >> 15 & 3 == 3,
    )


def answers() -> st.SearchStrategy[list[Observation]]:
    one = st.integers(0, 2**41 - 1)
    return st.lists(one, min_size=len(PAIRS), max_size=len(PAIRS)).map(
        lambda drawn: [answer(*pair, bits) for pair, bits in zip(PAIRS, drawn, strict=True)]
    )


@given(answers())
def test_no_targeting_without_two_others_and_an_answer(every: list[Observation]) -> None:
    by = {(o.relay, o.author): o for o in every}
    for found in told(every):
        if found.kind is not FindingKind.TARGETING:
            continue
        one = by[found.relay, found.author]
        assert one.how is How.ANSWERED
        for id in found.ids:
            assert id in one.absent
            assert id not in one.held
            others = [r for r in RELAYS if r != found.relay and id in by[r, found.author].held]
            assert len(others) >= 2
        assert set(found.witnesses) <= set(RELAYS) - {found.relay}


# Honest networks


def honest_network(rng: random.Random) -> list[Observation]:
    """Relays that treat all alike, each with its retention, caps, lag, outages and bad luck."""
    authors = {f"author{n}": rng.choice([HOUR * 2, HOUR * 9, DAY, 3 * DAY]) for n in range(5)}
    notes = {
        author: {
            f"{author}-{n}": int(NOW - rng.random() * 2 * every - n * every * rng.uniform(0.5, 1.5))
            for n in range(min(60, int(30 * DAY / every)))
        }
        for author, every in authors.items()
    }
    every: list[Observation] = []
    for number in range(rng.randint(3, 6)):
        keeps = rng.choice([None, None, WEEK, 2 * WEEK, 20 * DAY])
        cap = rng.choice([None, None, 10, 25])
        lag = rng.choice([0, 0, HOUR, 4 * HOUR])
        lost = rng.choice([0.0, 0.0, 0.02, 0.1, 0.25])
        began = NOW - rng.random() * 20 * DAY
        away = (began, began + rng.choice([0, 0, HOUR, DAY, 4 * DAY]))
        walled = rng.random() < 0.1
        for author, own in notes.items():
            member = rng.random() < 0.9 and not (walled and rng.random() < 0.5)
            came = {
                id: at
                for id, at in own.items()
                if member
                and at <= NOW - lag
                and not away[0] <= at <= away[1]
                and rng.random() >= lost
            }
            kept = {id: at for id, at in came.items() if keeps is None or at >= NOW - keeps}
            newest = sorted(kept, key=lambda one: -kept[one])[:cap]
            held = {id: kept[id] for id in newest}
            every.append(
                Observation(
                    relay=f"wss://relay{number}.example",
                    author=author,
                    since=SINCE,
                    until=NOW,
                    held=held,
                    absent=frozenset(own.keys() - held.keys()),
                    writes_there=member or walled,
                    taken=frozenset(came if rng.random() < 0.5 else ()),
                    walled=walled,
                )
            )
    return every


def falsely_accused(networks: int, seed: int) -> int:
    rng = random.Random(seed)
    return sum(any(f.accuses for f in told(honest_network(rng))) for _ in range(networks))


def test_honest_networks_are_not_accused() -> None:
    assert falsely_accused(25, seed=1) == 0


@pytest.mark.slow
def test_less_than_one_in_a_hundred_honest_networks_is_accused() -> None:
    accused = falsely_accused(1_000, seed=2)
    print(f"\n{accused} of 1,000 honest networks accused")
    assert accused < 10


def test_a_liar_among_honest_relays_is_found() -> None:
    """In most networks where there are witnesses and controls enough."""
    rng, found = random.Random(3), 0
    for _ in range(20):
        every = honest_network(rng)
        busiest = max(every[:5], key=lambda o: len(o.held))
        liar, victim = busiest.relay, busiest.author
        held = {id: at for id, at in busiest.held.items() if at < NOW - 5 * DAY}
        absent = busiest.absent | (busiest.held.keys() - held.keys())
        every = changed(
            every, liar, victim, held=held, absent=absent, writes_there=True, walled=False
        )
        found += any(
            f.kind is FindingKind.TARGETING and (f.relay, f.author) == (liar, victim)
            for f in told(every)
        )
    assert found >= 6


def test_an_author_may_have_written_at_any_time() -> None:
    found = RelayFinding(
        kind=FindingKind.STALE, relay=A, author="ab" * 32, bucket=(2**62, 2**62), ids=("cd" * 32,)
    )
    assert f"(1 events of {2**62} that" in finding_line(found)
