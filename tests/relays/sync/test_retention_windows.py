"""Filters that leave out what retention would take out again, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter, matches_any
from relays.config.relay_config import RetentionRule, RetentionRules
from relays.policies.retention import RetentionPolicy
from relays.policies.verdict import IncomingEvent
from relays.sync.retention_windows import STAYING, worth_comparing
from tests.relays import talk
from tests.relays.rules import PlainFloor

NOW = 1_750_000_000
DAY = 86_400
KEYS = (talk.KEY, talk.OTHER)
HEX = tuple(key.public_key.hex for key in KEYS)
EVENTS = [
    talk.note(kind=kind, at=NOW - days * DAY, key=key)
    for kind in (0, 1, 5, 7, 10_002, 30_023)
    for days in (1, 10, 100, 1000)
    for key in KEYS
]


def keeping(settings: RetentionRules, floor: int = 0) -> RetentionPolicy:
    return RetentionPolicy(settings, PlainFloor(floor))


def kept(events: list[Event], keep: RetentionPolicy) -> list[Event]:
    return [event for event in events if keep.check(IncomingEvent(event, NOW)).accepted]


_kinds = st.lists(st.sampled_from([1, 7, 9]), max_size=2, unique=True).map(tuple)
_rules = st.builds(
    RetentionRule,
    kinds=_kinds,
    except_kinds=_kinds,
    authors=st.sampled_from([(), HEX[:1]]),
    days=st.sampled_from([5.0, 50.0, 500.0]),
)


@given(
    st.lists(_rules, max_size=3).map(tuple),
    st.sampled_from([(), HEX[1:]]),
    st.builds(
        Filter,
        kinds=st.none() | st.frozensets(st.sampled_from([0, 1, 5, 7, 10_002])),
        authors=st.none() | st.just(frozenset(HEX[:1])),
        since=st.none() | st.integers(NOW - 200 * DAY, NOW),
        until=st.none() | st.integers(NOW - 200 * DAY, NOW),
    ),
)
def test_nothing_that_is_kept_is_left_out(
    rules: tuple[RetentionRule, ...], spared: tuple[str, ...], filter: Filter
) -> None:
    keep = keeping(RetentionRules(rules=rules, spared=spared))
    parts = worth_comparing(filter, keep, NOW)
    wanted = [event for event in EVENTS if filter.matches(event)]
    for event in kept(wanted, keep):
        assert matches_any(parts, event)
    for event in EVENTS:
        assert filter.matches(event) or not matches_any(parts, event)


def test_what_is_not_kept_is_left_out() -> None:
    old_notes = [event for event in EVENTS if event.kind in (1, 7)]
    by_rule = keeping(RetentionRules(rules=(RetentionRule(days=50),)))
    by_size = keeping(RetentionRules(gigabytes=1.0), NOW - 50 * DAY)
    for keep in (by_rule, by_size):
        for filter in (Filter(), Filter.of(kinds=[1, 7]), Filter.of(kinds=[0, 1, 7])):
            parts = worth_comparing(filter, keep, NOW)
            found = [event for event in old_notes if matches_any(parts, event)]
            assert found == kept(old_notes, keep)
            assert len(found) == len(old_notes) // 2
        assert worth_comparing(Filter.of(kinds=[1], until=NOW - 60 * DAY), keep, NOW) == []
        [newer, older] = worth_comparing(Filter(), keep, NOW)
        assert newer == Filter(since=NOW - 50 * DAY)
        assert older == Filter(until=NOW - 50 * DAY - 1, kinds=STAYING)


def test_each_kind_by_its_own_rule() -> None:
    keep = keeping(RetentionRules(rules=(RetentionRule(kinds=(7,), days=5),)))
    parts = worth_comparing(Filter.of(kinds=[1, 7, 0]), keep, NOW)
    assert sorted((sorted(part.kinds or ()), part.since or 0) for part in parts) == [
        ([0, 1], 0),
        ([7], NOW - 5 * DAY),
    ]
    assert worth_comparing(Filter(), keep, NOW) == [Filter()]


def test_nothing_is_asked_where_nothing_is_set() -> None:
    filter = Filter.of(kinds=[1])
    assert worth_comparing(filter, keeping(RetentionRules()), NOW) == [filter]
