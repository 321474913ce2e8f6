"""Frames: each reads back as it was written, and what is odd is read or refused on purpose."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData, InvalidEvent, InvalidFilter, InvalidMessage
from nostr_client.protocol import messages as m
from nostr_client.protocol.event import Draft
from nostr_client.protocol.messages import Peek, decode_client_message, decode_relay_message, peek
from tests.protocol.strategies import KEYS, events, filters, hex64, text

NOTE = Draft(1, "hi", (("t", "x"),)).sign(KEYS[0], 1_700_000_000)
RAW = NOTE.json.decode()
ID = NOTE.id

names = text.filter(lambda name: 0 < len(name) <= 64)
some_filters = st.lists(filters(), min_size=1, max_size=3).map(tuple)
payloads = st.binary(max_size=40)
client_messages: st.SearchStrategy[Any] = st.one_of(
    st.builds(m.PublishEvent, events()),
    st.builds(m.Auth, events()),
    st.builds(m.Req, names, some_filters),
    st.builds(m.Count, names, some_filters),
    st.builds(m.Close, names),
    st.builds(m.NegOpen, names, filters(), payloads),
    st.builds(m.NegMsg, names, payloads),
    st.builds(m.NegClose, names),
)
relay_messages: st.SearchStrategy[Any] = st.one_of(
    st.builds(m.RelayEvent, names, events()),
    st.builds(m.Ok, hex64, st.booleans(), text),
    st.builds(m.Eose, names, st.lists(text, max_size=3).map(tuple)),
    st.builds(m.Closed, names, text),
    st.builds(m.Notice, text),
    st.builds(m.Challenge, text),
    st.builds(
        m.CountResult,
        names,
        st.integers(0, m.MAX_COUNT),
        st.booleans(),
        st.sampled_from([b"", bytes(256), bytes(range(256))]),
    ),
    st.builds(m.NegMsg, names, payloads),
    st.builds(m.NegErr, names, text, st.none() | st.integers(0, m.MAX_COUNT)),
)


@given(client_messages)
def test_what_a_client_says_a_relay_hears(message: Any) -> None:
    data = message.encode()
    assert decode_client_message(data) == decode_client_message(data.decode()) == message
    spaced = json.dumps(json.loads(data), indent=1)
    assert decode_client_message(spaced) == message


@given(relay_messages)
def test_what_a_relay_says_a_client_hears(message: Any) -> None:
    data = message.encode()
    assert decode_relay_message(data) == decode_relay_message(data.decode()) == message
    assert decode_relay_message(json.dumps(json.loads(data), indent=1)) == message


def test_an_event_goes_out_as_it_was_first_encoded() -> None:
    assert m.PublishEvent(NOTE).encode() == b'["EVENT",' + NOTE.json + b"]"
    assert m.Auth(NOTE).encode() == b'["AUTH",' + NOTE.json + b"]"
    assert m.RelayEvent('a"b', NOTE).encode() == b'["EVENT","a\\"b",' + NOTE.json + b"]"


# A client reads on where a relay is odd.


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (f'["OK","{ID}",true]', m.Ok(ID, True)),
        (f'["OK","{ID}",false,null]', m.Ok(ID, False)),
        (f'["OK","{ID}",false,"error: x","more",{{}}]', m.Ok(ID, False, "error: x")),
        ('["OK","",false,"invalid: no id"]', m.Ok("", False, "invalid: no id")),
        ('["EOSE","s",["finish","new"]]', m.Eose("s", ("finish", "new"))),
        ('["EOSE","s",[]]', m.Eose("s")),
        ('["EOSE","s",["more",1,null,["finish"]]]', m.Eose("s", ("more",))),
        *((f'["EOSE","s",{odd}]', m.Eose("s")) for odd in ("null", '"more"', "{}", "1e999", "7")),
        ('["EOSE","s",' + "9" * 5000 + "]", m.Eose("s")),
        ('["CLOSED","s"]', m.Closed("s")),
        ('["CLOSED","s",null]', m.Closed("s")),
        ('["COUNT","s",{"count":0}]', m.CountResult("s", 0)),
        ('["COUNT","s",{"count":5,"approximate":true,"x":1}]', m.CountResult("s", 5, True)),
        ('["COUNT","s",{"count":5,"approximate":"yes"}]', m.CountResult("s", 5)),
        *(
            (f'["COUNT","s",{{"count":5,"hll":{odd}}}]', m.CountResult("s", 5))
            for odd in ("null", '""', '"00"', "5", f'"{"0" * 510}"', f'"{" 0" * 256}"')
        ),
        (
            f'["COUNT","s",{{"count":5,"hll":"{"Ab" * 256}"}}]',
            m.CountResult("s", 5, hll=b"\xab" * 256),
        ),
        ('["NEG-ERR","s","blocked: x"]', m.NegErr("s", "blocked: x")),
        ('["NEG-ERR","s"]', m.NegErr("s", "")),
        ('["NEG-ERR","s","blocked: x",500]', m.NegErr("s", "blocked: x", 500)),
        ('["NEG-ERR","s","blocked: x","500"]', m.NegErr("s", "blocked: x", 500)),
        *(
            (f'["NEG-ERR","s","x",{odd}]', m.NegErr("s", "x"))
            for odd in ("-1", "true", "1.5", '"many"', '"٣"', "null", "[]", "9" * 5000, "9" * 30)
        ),
        (f'["NEG-ERR","s","x","{"9" * 5000}"]', m.NegErr("s", "x")),
        ('["NEG-MSG","s","61Ff"]', m.NegMsg("s", b"a\xff")),
        (f'["EVENT","{"s" * 100}",{RAW},"more"]', m.RelayEvent("s" * 100, NOTE)),
    ],
)
def test_odd_answers_are_heard(data: str, message: Any) -> None:
    assert decode_relay_message(data) == message
    assert decode_relay_message(data.encode()) == message


@pytest.mark.parametrize(
    ("data", "error"),
    [
        *(
            (data, InvalidMessage)
            for data in ("", "[]", "{}", "null", '"EVENT"', "[", "[[]]", "[1]")
        ),
        *(
            (data, InvalidMessage)
            for data in ('["EVENT"', "[null]", '["EVENT"]]', "[,]", "\ufeff[]")
        ),
        *((f'["{label}"]', InvalidMessage) for label in m._RELAY),
        *((f'["{label}",null]', InvalidMessage) for label in m._RELAY),
        *((f'["{label}",5,5,5]', InvalidData) for label in m._RELAY),
        *((f'["{label}",[],[],[]]', InvalidData) for label in m._RELAY),
        ('["EVENT","s"]', InvalidMessage),
        ('["EVENT","s",{}]', InvalidEvent),
        ('["EVENT","s",null]', InvalidEvent),
        (f'["EVENT",{RAW}]', InvalidMessage),
        (f'["EVENT",null,{RAW}]', InvalidMessage),
        *((f'["OK","{ID}",{value}]', InvalidMessage) for value in ('"true"', "1", "null", "{}")),
        (f'["OK","{ID}",true,5]', InvalidMessage),
        (f'["OK","{ID}"]', InvalidMessage),
        *(
            (f'["COUNT","s",{value}]', InvalidMessage)
            for value in ("5", "{}", "null", '{"count":-1}', '{"count":"5"}', '{"count":true}')
        ),
        ('["COUNT","s",{"count":1.5}]', InvalidMessage),
        ('["COUNT","s",{"count":' + str(2**63) + "}]", InvalidMessage),
        ('["COUNT","s",{"count":' + "9" * 5000 + "}]", InvalidMessage),
        *((f'["NEG-MSG","s","{hex}"]', InvalidMessage) for hex in ("6", "6g", "61 61", " ", "٣٣")),
        ('["NOTICE","' + chr(0xD800) + '"]', InvalidMessage),
        ('["NOTICE","\\ud800"]', InvalidMessage),
        ('["EOSE","s",' + "[" * 100_000 + "]" * 100_000 + "]", InvalidMessage),
        ("[" * 100_000, InvalidMessage),
        ("9" * 5000, InvalidMessage),
        ("[" + "9" * 5000 + "]", InvalidMessage),
    ],
)
def test_bad_answers_are_refused(data: str, error: type[InvalidData]) -> None:
    with pytest.raises(error):
        decode_relay_message(data)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        *((f'["{label}"]', InvalidMessage) for label in m._CLIENT),
        *((f'["{label}",null,null,null]', InvalidData) for label in m._CLIENT),
        *((f'["{label}",[],[],[]]', InvalidData) for label in m._CLIENT),
        ('["EVENT",{}]', InvalidEvent),
        (f'["EVENT",{RAW[:-1]},"id":"x"}}]', InvalidEvent),
        ('["REQ","s"]', InvalidMessage),
        ('["COUNT","s"]', InvalidMessage),
        ('["REQ","s",[]]', InvalidFilter),
        ('["REQ","s",{"kinds":[1]},{"kinds":["1"]}]', InvalidFilter),
        ('["REQ","s",{},null]', InvalidFilter),
        *((f'["{label}","",{{}},""]', InvalidMessage) for label in ("REQ", "COUNT", "NEG-OPEN")),
        *((f'["{label}","",""]', InvalidMessage) for label in ("CLOSE", "NEG-MSG", "NEG-CLOSE")),
        (f'["REQ","{"s" * 65}",{{}}]', InvalidMessage),
        ('["NEG-OPEN","s",{}]', InvalidMessage),
        ('["NEG-OPEN","s",{},"6"]', InvalidMessage),
        ('["NEG-OPEN","s",{},"6 1 "]', InvalidMessage),
        ('["NEG-OPEN","s",{"ids":[1]},"61"]', InvalidFilter),
        ('["REQ","s",{"x":' + "9" * 5000 + "}]", InvalidFilter),
    ],
)
def test_bad_requests_are_refused(data: str, error: type[InvalidData]) -> None:
    with pytest.raises(error):
        decode_client_message(data)


def test_a_subscription_id_is_counted_in_characters() -> None:
    name = "é🤙" * 32
    assert decode_client_message(f'["CLOSE","{name}"]') == m.Close(name)
    with pytest.raises(InvalidMessage):
        decode_client_message(f'["CLOSE","{name}x"]')


@pytest.mark.parametrize("decode", [decode_client_message, decode_relay_message])
def test_a_type_that_nobody_knows_is_kept(decode: Any) -> None:
    for data in ('["WHAT",1,{"a":[2]}]', '["event"]', '["é\\u0000"]', '[""]'):
        message = decode(data)
        assert isinstance(message, m.Unknown)
        assert message.label == json.loads(data)[0]
        assert message.encode() == data.encode()
        assert decode(message.encode()) == message
    for bad in (b'["WHAT","\xff"]', b'["\xff"]', '["WHAT","' + chr(0xDC00) + '"]'):
        with pytest.raises(InvalidMessage, match="UTF-8"):
            decode(bad)


# Peeking


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        ('["EVENT",{"id":"abc","kind":"x"}]', Peek("EVENT", "abc")),
        ('["EVENT","s",{"id":"abc"}]', Peek("EVENT", "abc")),
        ('["AUTH",{"id":"abc"}]', Peek("AUTH", "abc")),
        ('["EVENT",{"id":5}]', Peek("EVENT")),
        ('["EVENT","s"]', Peek("EVENT")),
        ('["EVENT",{}]', Peek("EVENT")),
        (f'["EVENT",{{"id":"{"a" * 65}"}}]', Peek("EVENT")),
        *((f'["{label}","s",5]', Peek(label, "s")) for label in ("REQ", "COUNT", "CLOSE")),
        *((f'["{label}","s",{{}}]', Peek(label, "s")) for label in ("NEG-OPEN", "NEG-MSG")),
        ('["NEG-CLOSE","s"]', Peek("NEG-CLOSE", "s")),
        ('["REQ",""]', Peek("REQ", "")),
        ('["REQ",5,{}]', Peek("REQ")),
        (f'["REQ","{"s" * 65}"]', Peek("REQ", "s" * 65)),
        (f'["REQ","{"s" * 1025}"]', Peek("REQ")),
        (f'["CLOSED","{"s" * 65}"]', Peek("CLOSED")),
        ('["REQ"]', Peek("REQ")),
        *(
            (data, Peek())
            for data in ("", "[]", "{}", "[1]", '["REQ","s"', "\ud800", "[" * 100_000)
        ),
    ],
)
def test_a_peek_reads_what_can_be_read(data: str, seen: Peek) -> None:
    assert peek(data) == seen
    if "\ud800" not in data:
        assert peek(data.encode()) == seen


def test_a_peek_at_bytes_that_are_no_text() -> None:
    assert peek(b'["REQ","s","\xff"]') == Peek("REQ", "s")
    assert peek(b'["REQ","\xff"]') == Peek("REQ")
    assert peek(b'["\xff"]') == peek(b"\xff") == Peek()
