"""The relay's side of a connection, without a socket: message in, action out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from nostr_client.protocol.event import Event
from relays.config.sections import Limits
from relays.engine.actions import (
    UNSTORED,
    Action,
    ClientSubscription,
    CountQuery,
    Ingest,
    Reply,
    ReqState,
    Subscribe,
    Unsubscribe,
)
from relays.engine.frames import event_frame
from relays.engine.session import RelaySession
from relays.policies.verdict import IncomingEvent
from tests.relays.rules import plain_rules
from tests.relays.talk import NOW, note

LIMITS = Limits(
    subscriptions=2, filters=2, filter_values=10, live_values=15, pending_counts=1, event_tags=2
)
EVENT = note()
ID = EVENT.id


def session(limits: Limits = LIMITS) -> RelaySession:
    return RelaySession(plain_rules(limits))


def frames(data: bytes) -> list[Any]:
    """Decoded frames."""
    client = ClientProtocol(parse_uri("ws://localhost/"), state=OPEN, max_size=None)
    client.receive_data(data)
    events = client.events_received()
    return [json.loads(bytes(f.data)) for f in events if isinstance(f, Frame)]


def hear(one: RelaySession, *parts: Any) -> Action | None:
    return one.receive(json.dumps(parts).encode(), NOW)


def subscribe(one: RelaySession, id: str = "s", *filters: dict[str, Any]) -> ClientSubscription:
    action = hear(one, "REQ", id, *(filters or ({"kinds": [1]},)))
    assert isinstance(action, Subscribe)
    return action.subscription


def event_with(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(EVENT.json)
    return value | changes


REPLIES: list[tuple[bytes, list[Any]]] = [
    # EVENT
    (b'["EVENT"]', ["NOTICE", "invalid: the frame is too short"]),
    (
        json.dumps(["EVENT", event_with(content="forged")]).encode(),
        ["OK", ID, False, "invalid: id does not match the event"],
    ),
    (
        json.dumps(["EVENT", event_with(kind="1")]).encode(),
        ["OK", ID, False, None],
    ),
    (
        json.dumps(["EVENT", json.loads(note(tags=(("t",),) * 3).json)]).encode(),
        ["OK", note(tags=(("t",),) * 3).id, False, "invalid: an event may have 2 tags here"],
    ),
    (b'["EVENT",{"kind":1}]', ["NOTICE", None]),
    (b'["EVENT",' + EVENT.json + b"x", ["NOTICE", None]),
    (b'["EVENT",' + EVENT.json.replace(b'"id"', b'"id":"0","id"') + b"]", ["OK", ID, False, None]),
    # AUTH
    (
        b'["AUTH",' + EVENT.json + b"]",
        ["OK", ID, False, "invalid: an event of kind 22242 answers a challenge"],
    ),
    # REQ and COUNT
    (b'["REQ"]', ["NOTICE", "invalid: the frame is too short"]),
    (b'["REQ",5,{}]', ["NOTICE", None]),
    (json.dumps(["REQ", "x" * 65, {}]).encode(), ["CLOSED", "x" * 65, None]),
    (json.dumps(["REQ", "", {}]).encode(), ["CLOSED", "", None]),
    (json.dumps(["COUNT", "x" * 65, {}]).encode(), ["CLOSED", "x" * 65, None]),
    (json.dumps(["NEG-OPEN", "x" * 65, {}, "61"]).encode(), ["NEG-ERR", "x" * 65, None]),
    (json.dumps(["REQ", "x" * 1025, {}]).encode(), ["NOTICE", None]),
    (b'["REQ","s"]', ["CLOSED", "s", "invalid: no filter was given"]),
    (b'["REQ","s",{"kinds":1}]', ["CLOSED", "s", "invalid: kinds is not a list"]),
    (b'["REQ","s",{"ids":["zz"]}]', ["CLOSED", "s", None]),
    (b'["REQ","s",{"limit":-1}]', ["CLOSED", "s", None]),
    (b'["REQ","s",[]]', ["CLOSED", "s", None]),
    (
        b'["REQ","s",{"&t":["x"]}]',
        ["CLOSED", "s", "unsupported: unknown element of a filter: &t"],
    ),
    (b'["REQ","s",{"search":"x"}]', ["CLOSED", "s", "unsupported: this relay has no search"]),
    (b'["REQ","s",{},{},{}]', ["CLOSED", "s", "invalid: 2 filters may be asked at once"]),
    (
        json.dumps(["REQ", "s", {"kinds": list(range(11))}]).encode(),
        ["CLOSED", "s", "invalid: a filter may have 10 values"],
    ),
    (
        json.dumps(["REQ", "s", *[{"kinds": list(range(8))}] * 2]).encode(),
        ["CLOSED", "s", "rate-limited: all filters together may have 15 values"],
    ),
    (b'["COUNT","c"]', ["CLOSED", "c", "invalid: no filter was given"]),
    (b'["COUNT","c",{"since":"x"}]', ["CLOSED", "c", None]),
    (b'["COUNT","c",{"x":1}]', ["CLOSED", "c", "unsupported: unknown element of a filter: x"]),
    # NIP-77, which this relay does not do
    (
        b'["NEG-OPEN","n",{},"61"]',
        ["NEG-ERR", "n", "unsupported: this relay compares no sets"],
    ),
    (b'["NEG-OPEN","n",{},"6"]', ["NEG-ERR", "n", None]),
    # What is nothing
    (b"", ["NOTICE", None]),
    (b"{}", ["NOTICE", None]),
    (b"[]", ["NOTICE", "invalid: an empty frame"]),
    (b"null", ["NOTICE", None]),
    (b"[1]", ["NOTICE", None]),
    (b'["HELLO"]', ["NOTICE", "unsupported: a frame of the type 'HELLO'"]),
    (b"[" * 100_000, ["NOTICE", None]),
    (b'["EVENT",' + b'{"a":' * 50_000, ["NOTICE", None]),
    (b'["REQ","\xff\xfe",{}]', ["NOTICE", None]),
    (b"\xff\xff\xff", ["NOTICE", None]),
]


@pytest.mark.parametrize(("message", "answer"), REPLIES, ids=range(len(REPLIES)))
def test_what_is_refused(message: bytes, answer: list[Any]) -> None:
    action = session().receive(message, NOW)
    assert isinstance(action, Reply)
    (frame,) = frames(action.frame)
    assert len(frame) == len(answer)
    for part, wanted in zip(frame, answer, strict=True):
        assert wanted is None or part == wanted
    reason = frame[-1]
    assert reason.split(":")[0] in ("invalid", "unsupported", "rate-limited")
    assert len(reason) < 300


@pytest.mark.parametrize("space", ["", " ", "\n"])
def test_an_event_is_to_be_taken_in(space: str) -> None:
    text = f'[{space}"EVENT",{space}{EVENT.json.decode()}{space}]'
    action = session().receive(text.encode(), NOW)
    assert action == Ingest(IncomingEvent(EVENT, NOW))
    assert isinstance(action, Ingest)
    assert action.incoming.event.json == EVENT.json


def test_what_follows_an_event_is_ignored() -> None:
    action = session().receive(b'["EVENT",' + EVENT.json + b',"more"]', NOW)
    assert action == Ingest(IncomingEvent(EVENT, NOW))


def test_a_count_is_to_be_made_and_answered_once() -> None:
    one = session()
    action = hear(one, "COUNT", "c", {"kinds": [1]})
    assert isinstance(action, CountQuery)
    refused = hear(one, "COUNT", "d", {"kinds": [1]})
    assert isinstance(refused, Reply)
    assert frames(refused.frame) == [["CLOSED", "d", "rate-limited: too many counts are waiting"]]
    assert one.live_values == action.values == 2
    assert frames(one.count_result(action, 7)) == [["COUNT", "c", {"count": 7}]]
    assert one.live_values == one.count_values == 0
    again = hear(one, "COUNT", "c", {"kinds": [1]})
    assert isinstance(again, CountQuery)
    assert frames(one.refuse_count(again, "error: x")) == [["CLOSED", "c", "error: x"]]
    assert one.pending_counts == 0


def test_close_ends_a_subscription() -> None:
    one = session()
    subscription = subscribe(one)
    assert hear(one, "CLOSE", "s") == Unsubscribe(subscription)
    assert subscription.state is ReqState.ENDED
    assert hear(one, "CLOSE", "s") is None
    assert one.live_values == 0


def test_an_old_scan_does_not_leak_into_a_new_subscription() -> None:
    one = session()
    old = subscribe(one)
    one.live(old, 1, EVENT)
    action = hear(one, "REQ", "s", {"kinds": [7]})
    assert isinstance(action, Subscribe)
    assert action.replaced is old
    assert one.page(old, [EVENT.json], complete=True, seq=1, live_seq=1) == b""
    assert not one.live(old, 2, EVENT)
    new = action.subscription
    assert frames(one.page(new, [], complete=True, seq=1, live_seq=1)) == [
        ["EOSE", "s", ["finish"]]
    ]


@pytest.mark.parametrize("message", ['["REQ","s",{"kinds":1}]', '["REQ","s",{"&":1}]'])
def test_a_refused_req_has_ended_the_old_one(message: str) -> None:
    one = session()
    old = subscribe(one)
    action = one.receive(message.encode(), NOW)
    assert isinstance(action, Unsubscribe)
    assert action.subscription is old
    assert frames(action.frame)[0][:2] == ["CLOSED", "s"]
    assert not one.subscriptions
    assert one.live_values == 0


def test_subscriptions_are_bounded_and_may_be_replaced() -> None:
    one = session()
    subscribe(one, "a")
    subscribe(one, "b")
    refused = hear(one, "REQ", "c", {"kinds": [1]})
    assert isinstance(refused, Reply)
    assert frames(refused.frame) == [["CLOSED", "c", "rate-limited: 2 subscriptions may be open"]]
    assert isinstance(hear(one, "REQ", "b", {"kinds": [2]}), Subscribe)
    assert one.live_values == 4


def test_the_end_of_a_connection_ends_everything() -> None:
    one = session()
    both = [subscribe(one, "a"), subscribe(one, "b")]
    one.live(both[0], 1, EVENT)
    assert one.held_bytes == len(EVENT.json)
    assert one.end() == both
    assert {s.state for s in both} == {ReqState.ENDED}
    assert one.live_values == one.held_bytes == 0
    assert one.refuse(both[0], "error: x") == b""


def test_a_subscription_that_the_relay_ends() -> None:
    one = session()
    subscription = subscribe(one)
    assert frames(one.refuse(subscription, "error: x")) == [["CLOSED", "s", "error: x"]]
    assert one.page(subscription, [EVENT.json], complete=True, seq=1, live_seq=1) == b""


# Stored and live

A, B, C = (note(f"number {n}") for n in range(3))


def ids(data: bytes) -> list[str]:
    return [f[2]["id"] if f[0] == "EVENT" else f[0] for f in frames(data)]


@pytest.mark.parametrize(
    ("hints", "complete"), [([["finish"]], True), ([["more"]], False), ([], None)]
)
def test_eose_says_what_is_known(hints: list[Any], complete: bool | None) -> None:
    one = session()
    page = one.page(subscribe(one), [A.json], complete=complete, seq=1, live_seq=1)
    assert frames(page)[-1] == ["EOSE", "s", *hints]


def test_live_events_wait_for_the_page_and_do_not_come_twice() -> None:
    one = session()
    subscription = subscribe(one)
    assert not one.live(subscription, 1, A)
    assert not one.live(subscription, 2, B)
    assert ids(one.page(subscription, [A.json], complete=True, seq=1, live_seq=2)) == [
        A.id,
        "EOSE",
        B.id,
    ]
    assert one.live(subscription, 3, C)
    assert one.held_bytes == 0


def test_what_the_pages_limit_left_out_is_sent_live() -> None:
    one = session()
    subscription = subscribe(one)
    one.live(subscription, 1, A)
    assert ids(one.page(subscription, [B.json], complete=False, seq=2, live_seq=1)) == [
        B.id,
        "EOSE",
        A.id,
    ]


def test_a_page_may_come_before_the_news_of_its_events() -> None:
    one = session()
    subscription = subscribe(one)
    one.page(subscription, [A.json], complete=True, seq=2, live_seq=0)
    assert not one.live(subscription, 1, A)
    assert one.live(subscription, 2, B)
    one.caught_up(subscription)
    assert not one.live(subscription, 2, A)
    assert one.live(subscription, 3, C)


def test_what_is_not_stored_always_comes() -> None:
    one = session()
    subscription = subscribe(one)
    one.live(subscription, UNSTORED, A)
    assert ids(one.page(subscription, [], complete=True, seq=9, live_seq=9)) == ["EOSE", A.id]
    assert one.live(subscription, UNSTORED, B)


EVENTS = [note(f"event {n}") for n in range(12)]


@given(st.data())
def test_nothing_falls_between_and_nothing_comes_twice(data: st.DataObject) -> None:
    """Commits, the news of them, and a page, in every order that a store can produce."""
    committed = data.draw(st.integers(0, len(EVENTS)), "committed before the REQ")
    live_seq = data.draw(st.integers(0, committed), "of which the relay has heard")
    one = session()
    subscription = subscribe(one)
    sent: list[Event | str] = []
    page: tuple[int, list[Event]] | None = None
    overlapping = False
    must_come: set[str] = set()
    while committed < len(EVENTS) or live_seq < committed or page is not None or not sent:
        steps = []
        if committed < len(EVENTS):
            steps.append("commit")
        if live_seq < committed:
            steps.append("news")
        if page is None and subscription.state is ReqState.SCANNING:
            steps.append("snapshot")
        if page is not None:
            steps.append("page")
        match data.draw(st.sampled_from(steps)):
            case "commit":
                committed += 1
                must_come.add(EVENTS[committed - 1].id)
            case "news":
                event = EVENTS[live_seq]
                live_seq += 1
                if one.live(subscription, live_seq, event):
                    sent += ids(event_frame(subscription.head, event.json))
                if overlapping and live_seq >= subscription.seq:
                    one.caught_up(subscription)
                    overlapping = False
            case "snapshot":
                limit = data.draw(st.integers(0, len(EVENTS)), "limit")
                page = committed, EVENTS[:committed][::-1][:limit]
                must_come |= {e.id for e in page[1]}
            case "page":
                assert page is not None
                seq, events = page
                page = None
                data_out = one.page(
                    subscription,
                    [e.json for e in events],
                    complete=False,
                    seq=seq,
                    live_seq=live_seq,
                )
                sent += ids(data_out)
                overlapping = subscription.page_ids is not None
    events_sent = [item for item in sent if item != "EOSE"]
    assert len(events_sent) == len(set(events_sent)), "an event came twice"
    assert must_come <= set(events_sent), "an event fell between"
    assert sent.count("EOSE") == 1


# Whatever comes, the answer is an action, and every answer is a frame


WORDS = st.sampled_from(
    ["EVENT", "REQ", "COUNT", "CLOSE", "AUTH", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE", "OK", "", "s"]
)
NAMES = st.sampled_from(
    ["id", "kinds", "ids", "#e", "#t", "since", "limit", "tags", "sig", "pubkey", "search", "x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
FRAMES = st.lists(WORDS | JSON, max_size=5).map(lambda value: json.dumps(value).encode())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    frame = bytearray(b'["EVENT",' + EVENT.json + b"]")
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(frame) - 1))
        frame[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(frame)


@given(st.lists(FRAMES | damaged() | st.binary(max_size=80), max_size=8))
def test_no_frame_does_harm(messages: list[bytes]) -> None:
    one = session()
    for message in messages:
        match one.receive(message, NOW):
            case Reply(frame) | Unsubscribe(_, frame):
                assert all(isinstance(answer[0], str) for answer in frames(frame))
            case Ingest(IncomingEvent(event)):
                assert Event.parse(event.json) == event
            case None | Subscribe() | CountQuery():
                pass
    assert len(one.subscriptions) <= LIMITS.subscriptions
    open_values = sum(s.values for s in one.subscriptions.values())
    assert one.live_values == open_values + one.count_values
    one.end()
    assert one.live_values == one.count_values
    assert one.held_bytes == 0
