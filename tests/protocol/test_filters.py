"""Filters: what is a filter, and what it matches."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidFilter
from nostr_client.protocol.event import MAX_TIMESTAMP, Draft, Event
from nostr_client.protocol.filters import Filter, matches_any
from tests.protocol.strategies import KEYS, events, filters

A, B = "a" * 64, "b" * 64
ME = KEYS[0].public_key.hex
NOTE = Draft(1, "hi", (("t", "x"), ("t", "y"), ("e", A), ("p",)), 100).sign(KEYS[0], 0)


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ({}, True),
        ({"ids": [NOTE.id]}, True),
        ({"ids": [A]}, False),
        ({"ids": []}, False),
        ({"authors": [A, ME]}, True),
        ({"authors": [A]}, False),
        ({"authors": []}, False),
        ({"kinds": [0, 1]}, True),
        ({"kinds": [0]}, False),
        ({"kinds": []}, False),
        ({"since": 100}, True),
        ({"since": 101}, False),
        ({"until": 100}, True),
        ({"until": 99}, False),
        ({"since": 0, "until": MAX_TIMESTAMP}, True),
        ({"t": ["y", "z"]}, True),
        ({"t": ["z"]}, False),
        ({"t": []}, False),
        ({"t": ["x"], "e": [A]}, True),
        ({"t": ["x"], "e": [B]}, False),
        ({"p": [A]}, False),
        ({"d": [""]}, False),
        ({"T": ["x"]}, False),
        ({"limit": 0}, True),
        ({"search": "nothing of the kind"}, True),
        ({"ids": [NOTE.id], "authors": [ME], "kinds": [1], "t": ["x"], "since": 1}, True),
        ({"ids": [NOTE.id], "kinds": [2]}, False),
    ],
)
def test_all_conditions_must_hold(conditions: dict[str, Any], met: bool) -> None:
    one = Filter.of(**conditions)
    assert one.matches(NOTE) is met
    assert matches_any([Filter.of(ids=[]), one], NOTE) is met
    assert not matches_any([], NOTE)


BAD: list[dict[str, Any]] = [
    *({name: value} for name in ("ids", "authors", "#e", "#p") for value in ("", A, [1], [A[1:]])),
    *({name: value} for name in ("ids", "authors") for value in (None, {}, [A.upper()], [[A]])),
    *({"kinds": value} for value in (1, None, ["1"], [True], [1.0], [None], {})),
    *({name: value} for name in ("since", "until") for value in (1.0, "1", True, None)),
    *({"limit": value} for value in (-1, 1.5, "1", True, None, [])),
    *({"#t": value} for value in ("x", None, [1], [["x"]], {"x": 1})),
    *({"search": value} for value in (None, 1, ["x"])),
]


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_a_condition_out_of_form_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter):
        Filter.from_dict(value)
    with pytest.raises(InvalidFilter):
        Filter.parse(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "kinds", "met"),
    [
        ({"kinds": [65536]}, set(), False),
        ({"kinds": [-1, 1, 2**70]}, {1}, True),
        ({"until": 2**63}, None, True),
        ({"until": 10**30, "kinds": [1]}, {1}, True),
        ({"until": -1}, set(), False),
        ({"since": 2**63, "kinds": [1]}, set(), False),
        ({"since": -1}, None, True),
        ({"limit": 2**64}, None, True),
    ],
    ids=repr,
)
def test_a_number_that_no_event_has_is_no_fault(
    value: dict[str, Any], kinds: set[int] | None, met: bool
) -> None:
    one = Filter.parse(json.dumps(value))
    assert (one.kinds, one.matches(NOTE)) == (kinds, met)
    for name in ("since", "until", "limit"):
        assert getattr(one, name) in (None, 0, MAX_TIMESTAMP)
    if "limit" not in value:
        with pytest.raises(InvalidFilter):  # a person who writes it is told
            Filter.from_dict({"since": -1, "until": 2**63, "kinds": [-1, 65536]} | value)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"[]", b"null", b'"x"', b"{", b'{"kinds":[1]', b"\xff", "\ud800", b'{"a":"\xff"}'),
        b'{"since":' + b"9" * 5000 + b"}",
        b'{"x":' + b"9" * 5000 + b"}",
        b'{"kinds":[' + b"9" * 5000 + b"]}",
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"x":' * 100_000,
        b'{"search":"\\ud800"}',
    ],
)
def test_what_is_no_object_at_all_is_refused(data: bytes | str) -> None:
    with pytest.raises(InvalidFilter):
        Filter.parse(data)


def test_what_nobody_here_understands_is_named() -> None:
    parsed = Filter.parse('{"kinds":[1],"#tt":["x"],"#":[],"#1":[],"&t":["x"],"Kinds":[2],"#é":[]}')
    assert set(parsed.unknown) == {"#tt", "#", "#1", "&t", "Kinds", "#é"}
    assert parsed.kinds == {1}
    assert parsed.to_dict() == {"kinds": [1]}


@pytest.mark.parametrize(
    "arguments",
    [
        *(
            {"t": "bitcoin"},
            {"ids": A},
            {"authors": b"x"},
            {"kinds": 1},
            {"e": ["x"]},
            {"tt": ["x"]},
        ),
        *({"since": -1}, {"since": 1.5}, {"ids": [None]}, {"t": 5}, {"unknown": ["x"]}),
    ],
    ids=repr,
)
def test_a_script_is_told_what_is_wrong(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidFilter):
        Filter.of(**arguments)


def test_a_script_may_give_any_iterable() -> None:
    one = Filter.of(kinds={1, 6}, authors=(key for key in [ME]), t=iter("xy"))
    assert one == Filter.of(kinds=[6, 1], authors=[ME], t=["y", "x"])
    assert one.matches(NOTE)


def test_filters_are_values() -> None:
    one = Filter.of(kinds=[1], t=["x"], limit=5)
    assert len({one, Filter.of(t=["x"], kinds=[1], limit=5), Filter(), Filter()}) == 2
    changed = one.changed(limit=None, since=7)
    assert (changed.limit, changed.since, changed.kinds) == (None, 7, {1})
    assert one.limit == 5
    with pytest.raises(AttributeError):
        one.limit = 6  # type: ignore[misc]


@given(filters())
def test_a_filter_reads_back_as_it_was_written(one: Filter) -> None:
    value = one.to_dict()
    assert Filter.parse(json.dumps(value)) == one
    assert Filter.from_dict(value) == one
    assert hash(Filter.from_dict(value)) == hash(one)


@given(st.data())
def test_matching_is_what_the_protocol_says(data: st.DataObject) -> None:
    event: Event = data.draw(events())
    one: Filter = data.draw(filters(near=event))
    wanted = one.to_dict()
    tags = {(tag[0], tag[1]) for tag in event.tags if len(tag) > 1}
    expected = (
        (event.id in wanted.get("ids", [event.id]))
        and (event.pubkey in wanted.get("authors", [event.pubkey]))
        and (event.kind in wanted.get("kinds", [event.kind]))
        and wanted.get("since", 0) <= event.created_at <= wanted.get("until", MAX_TIMESTAMP)
        and all(
            not tags.isdisjoint((name[1], value) for value in values)
            for name, values in wanted.items()
            if name.startswith("#")
        )
    )
    assert one.matches(event) is expected
