"""Events and drafts: what is taken, what is refused, and which id it has."""

from __future__ import annotations

import itertools
import json
import pickle
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidEvent
from nostr_client.protocol.event import MAX_TIMESTAMP, Draft, Event
from tests.protocol.strategies import KEYS, events, expected_id, signed_form, text
from tests.vectors import VECTORS, needs_vectors

KEY = KEYS[0]
NOTE = Draft(1, "hello", (("t", "nostr"), ("e", "a" * 64, "", "root"))).sign(KEY, 1_700_000_000)


def encoded(**changes: Any) -> bytes:
    return json.dumps(signed_form(NOTE, **changes), ensure_ascii=False).encode()


# Form


def test_a_signed_draft_reads_back_as_the_same_event() -> None:
    again = Event.parse(NOTE.json)
    assert again == NOTE
    assert again.json == NOTE.json
    assert hash(again) == hash(NOTE)
    assert again.verify()
    assert Event.from_trusted(NOTE.json) == NOTE
    assert Event.from_dict(json.loads(NOTE.json)) == NOTE
    assert pickle.loads(pickle.dumps(NOTE)) == NOTE


@given(events())
def test_what_is_let_go_of_is_read_again_as_it_was(event: Event) -> None:
    whole = Event.parse(event.json)
    for again in (Event.parse(event.json).compact(), Event.from_trusted(event.json)):
        assert again == whole
        assert hash(again) == hash(whole)
        assert (again.id, again.pubkey) == (whole.id, whole.pubkey)
        assert (again.created_at, again.kind) == (whole.created_at, whole.kind)
        for name in ("sig", "content", "tags"):
            assert getattr(again.compact(), name) == getattr(whole, name)
        assert again.verify()
        assert pickle.loads(pickle.dumps(again.compact())) == whole


def test_a_compact_event_takes_about_half_of_the_memory() -> None:
    tags = tuple(("p", f"{n:064x}") for n in range(10))
    data = Draft(3, "", tags).sign(KEY, 1_700_000_000).json

    def taken(compact: bool) -> int:
        tracemalloc.start()
        held = [Event.parse(data) for _ in range(50)]
        if compact:
            for event in held:
                event.compact()
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len({id(event) for event in held}) == 50
        return size

    taken(True)  # what is made once
    assert taken(True) < 0.6 * taken(False)


def test_what_is_read_in_place_of_a_content_is_in_memory_alone() -> None:
    opened = NOTE.read_as(content="opened")
    assert (opened.content, opened.tags, opened.sig) == ("opened", NOTE.tags, NOTE.sig)
    assert NOTE.read_as(content="", tags=(("p", "x"),)).tags == (("p", "x"),)
    assert (opened.id, opened.json, NOTE.content) == (NOTE.id, NOTE.json, "hello")
    with pytest.raises(AttributeError):
        opened.content = "another"  # type: ignore[misc]


def test_the_encoding_holds_the_seven_fields_in_order_and_nothing_else() -> None:
    value = signed_form(NOTE) | {"seen": ["wss://x"], "ID": 1}
    shuffled = dict(random.Random(1).sample(list(value.items()), len(value)))
    event = Event.parse(json.dumps(shuffled, indent=2))
    assert event.json == NOTE.json
    names = ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"]
    assert list(json.loads(event.json)) == names
    assert b" " not in event.json


@pytest.mark.parametrize("kind", [0, 1, 65535])
@pytest.mark.parametrize("created_at", [0, 1, MAX_TIMESTAMP])
def test_numbers_at_their_limits(kind: int, created_at: int) -> None:
    assert Event.parse(encoded(kind=kind, created_at=created_at)).kind == kind


BAD_FIELDS: list[dict[str, Any]] = [
    *({"kind": kind} for kind in (-1, 65536, 2**64, True, False, 1.0, 1.5, "1", None, [1])),
    *({"created_at": at} for at in (-1, 2**63, 2**64, True, 1.0, 1.7e9, "1", None, {})),
    *({"content": content} for content in (None, 1, ["a"], {"a": 1})),
    *({"tags": tags} for tags in (None, "", {}, [[]], [["a"], []], ["a"], [["a", 1]], [[None]])),
    *({"tags": tags} for tags in ([["a", ["b"]]], [[["a"]]], [["a", True]])),
    *({"pubkey": key} for key in ("", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "٣" * 64, 5, None)),
    *(
        {"pubkey": key}
        for key in ("a" * 63 + "\n", " " + "a" * 63, "a" * 64 + "\0", "0x" + "a" * 62)
    ),
    *({"sig": sig} for sig in ("", "a" * 127, "a" * 129, "A" * 128, "g" * 128, "a" * 64, None)),
    *({"sig": sig} for sig in ("a" * 127 + "\n", " " * 128, "٣" * 128)),
    *({"id": id} for id in ("", "a" * 64, NOTE.id.upper(), NOTE.id + "\n", NOTE.id[:-1], None, 1)),
    # The lengths of pubkey and signature make up for each other.
    {"pubkey": "a" * 63, "sig": "a" * 129},
    {"pubkey": "a" * 65, "sig": "a" * 127},
]


@pytest.mark.parametrize("changes", BAD_FIELDS, ids=repr)
def test_a_field_out_of_form_is_refused(changes: dict[str, Any]) -> None:
    assert Event.parse(encoded())
    with pytest.raises(InvalidEvent):
        Event.parse(encoded(**changes))
    with pytest.raises(InvalidEvent):
        Event.from_dict(signed_form(NOTE, **changes))


@pytest.mark.parametrize("name", ["id", "pubkey", "created_at", "kind", "tags", "content", "sig"])
def test_a_missing_field_is_refused(name: str) -> None:
    value = signed_form(NOTE)
    del value[name]
    with pytest.raises(InvalidEvent, match=name):
        Event.parse(json.dumps(value))


@pytest.mark.parametrize("number", ["1e0", "1E0", "10e-1", "1.0", "01", "+1", "0x1", "1_0", "١"])
def test_a_number_has_one_spelling(number: str) -> None:
    """A decoder that took `17e8` would make room for a key that stands twice."""
    for name, value in (("kind", "1"), ("created_at", "1700000000")):
        data = NOTE.json.replace(f'"{name}":{value}'.encode(), f'"{name}":{number}'.encode())
        assert data != NOTE.json
        with pytest.raises(InvalidEvent):
            Event.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"null", b"[]", b"{}", b'"x"', b"1", b"{", b"\xff", b"nul", b'{"id"}', b"\0"),
        *(NOTE.json[:-1], NOTE.json + b"x", NOTE.json + b"{}", NOTE.json + b"\0"),
        *(
            b"\xef\xbb\xbf" + NOTE.json,
            NOTE.json.decode().encode("utf-16"),
            b"[" + NOTE.json + b"]",
        ),
        NOTE.json.replace(b"hello", b"hel\xfflo"),
        NOTE.json.replace(b"hello", b"hel\xed\xa0\x80lo"),
        NOTE.json[:-1] + b',"\xff":1}',
        NOTE.json[:-1] + b',"x":"\xff"}',
        NOTE.json[:-1] + b',"x":NaN}',
        NOTE.json[:-1] + b",}",
        NOTE.json[:-1] + b',"x":' + b"9" * 5000 + b"}",
        NOTE.json[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 100_000,
        '{"id":"\ud800"}',
        NOTE.json.decode().replace("hello", "hel\ud800lo"),
    ],
)
def test_what_is_no_event_at_all_is_refused(data: bytes | str) -> None:
    with pytest.raises(InvalidEvent):
        Event.parse(data)


def test_a_circle_or_a_foreign_object_is_no_event() -> None:
    circle: list[Any] = []
    circle.append(circle)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for tags in (circle, deep, object(), {1, 2}, [["t", object()]]):
        with pytest.raises(InvalidEvent):
            Event.from_dict(signed_form(NOTE) | {"tags": tags})
    with pytest.raises(InvalidEvent):
        Event.from_dict(signed_form(NOTE) | {"content": "\ud800"})


# Ids


@needs_vectors
def test_ids_of_awkward_characters_are_those_of_the_network() -> None:
    assert VECTORS is not None
    cases = json.loads((VECTORS / "misc" / "nip01-escaping.json").read_bytes())
    assert sum(case["differs"] for case in cases) == 2
    for case in cases:
        value = case["event"] | {"id": case["json_escaped_id"], "sig": "0" * 128}
        event = Event.parse(json.dumps(value))
        assert event.id == case["json_escaped_id"], case["name"]
        assert Event.parse(event.json) == event
        if case["differs"]:
            with pytest.raises(InvalidEvent, match="id"):
                Event.parse(json.dumps(value | {"id": case["spec_id"]}))


@given(text)
def test_an_id_is_that_of_the_standard_library(content: str) -> None:
    event = Event.parse(encoded(content=content, tags=[["x", content]]))
    assert event.id == expected_id(event.pubkey, event.created_at, 1, [["x", content]], content)
    assert json.loads(event.json)["content"] == content


def test_delete_is_read_verbatim_but_never_written() -> None:
    data = encoded(content="a\x7fb", tags=[["x", "\x7f"]])
    assert b"\x7f" in data
    event = Event.parse(data)
    assert event.content == "a\x7fb"
    assert b"a\x7fb" in event.json
    assert Event.parse(event.json) == event
    escaped = data.replace(b"\x7f", b"\\u007f")
    assert Event.parse(escaped) == event
    for draft in ({"content": "\x7f"}, {"tags": (("x", "a\x7f"),)}, {"tags": (("\x7f",),)}):
        with pytest.raises(InvalidEvent, match=r"U\+007F"):
            Draft(1, **draft)  # type: ignore[arg-type]


HIGH, LOW = chr(0xD800), chr(0xDFFF)


@pytest.mark.parametrize("half", [HIGH, LOW, LOW + HIGH, f"a{HIGH}b"], ids=ascii)
def test_half_a_character_is_refused(half: str) -> None:
    escaped = "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in half)
    for data in (f'"content":"{escaped}"', f'"content":"{half}"'):
        with pytest.raises(InvalidEvent):
            Event.parse(NOTE.json.decode().replace('"content":"hello"', data))
    for draft in ({"content": half}, {"tags": ((half,),)}):
        with pytest.raises(InvalidEvent, match="surrogate"):
            Draft(1, **draft)  # type: ignore[arg-type]


def test_a_whole_character_written_as_two_halves_is_taken() -> None:
    data = encoded(content="😀").replace("😀".encode(), b"\\ud83d\\ude00")
    assert Event.parse(data).content == "😀"


# Keys that stand twice


@pytest.mark.parametrize(
    "surplus",
    [
        b'"content":"hello"',
        b'"content":""',
        b'"id":""',
        b'"kind":1',
        b'"kind":0',
        b'"tags":[]',
        b'"\\u006bind":1',
        b'"x":1,"x":2',
        b'"x":{"y":1,"y":2}',
    ],
)
def test_a_key_that_stands_twice_is_refused(surplus: bytes) -> None:
    with pytest.raises(InvalidEvent):
        Event.parse(NOTE.json[:-1] + b"," + surplus + b"}")
    with pytest.raises(InvalidEvent):
        Event.parse(b"{" + surplus + b"," + NOTE.json[1:])
    assert Event.parse(NOTE.json[:-1] + b',"x":1}') == NOTE


JSON_CHARACTERS = [*(chr(code) for code in range(0x80)), "é", "\u2028", "\ufeff", "\uffff", "😀"]


def test_no_spelling_of_a_character_is_shorter_than_ours() -> None:
    """The length test for doubled keys rests on this: nothing is saved by spelling differently."""
    for char in JSON_CHARACTERS:
        taken, shortest, ours = _spellings(char)
        assert taken >= 1, f"U+{ord(char):04X}"
        assert shortest >= ours, f"U+{ord(char):04X}"


def _spellings(char: str) -> tuple[int, int, int]:
    """How many are taken, the bytes of the shortest, and of ours."""
    plain = encoded(content="")
    ours = Event.parse(encoded(content=char))
    spent = len(ours.json) - len(Event.parse(plain).json)
    spellings = [char, *(f"\\{short}" for short in 'bfnrt"\\/')]
    spellings += ["".join(f"\\u{int.from_bytes(pair):04x}" for pair in _utf16(char))]
    taken: list[int] = []
    for spelling in spellings:
        data = ours.json.decode().replace(json.dumps(char, ensure_ascii=False), f'"{spelling}"')
        try:
            event = Event.parse(data)
        except InvalidEvent:
            continue
        if event.content == char:
            taken.append(len(spelling.encode()))
    return len(taken), min(taken, default=0), spent


def _utf16(char: str) -> list[bytes]:
    data = char.encode("utf-16-be")
    return [data[:2], data[2:]] if len(data) == 4 else [data]


@st.composite
def respelled(draw: st.DrawFn) -> tuple[Event, bytes, bool]:
    """An event in a foreign spelling, sometimes with one of its keys once more."""
    event = draw(events())
    members = [(name, value) for name, value in json.loads(event.json).items()]
    doubled = draw(st.booleans())
    if doubled:
        name, value = draw(st.sampled_from(members))
        shorter = {"content": "", "tags": [], "kind": 0, "created_at": 0}.get(name, value)
        members.insert(0, (name, draw(st.sampled_from([value, shorter]))))
    else:
        members = draw(st.permutations(members))
    space = draw(st.sampled_from(["", " ", "\n\t"]))
    ascii_only = draw(st.booleans())
    escape_key = draw(st.booleans())
    parts = []
    for name, value in members:
        key = f"\\u{ord(name[0]):04x}{name[1:]}" if escape_key else name
        data = json.dumps(value, ensure_ascii=ascii_only, separators=("," + space, ":" + space))
        parts.append(f'"{key}"{space}:{space}{data}')
    return event, f"{{{space}{','.join(parts)}{space}}}".encode(), doubled


@given(respelled())
def test_a_foreign_spelling_is_taken_and_a_doubled_key_never(
    case: tuple[Event, bytes, bool],
) -> None:
    event, data, doubled = case
    assert len(data) >= len(event.json)
    if doubled:
        with pytest.raises(InvalidEvent):
            Event.parse(data)
    else:
        assert Event.parse(data) == event
        assert Event.parse(data.decode()) == event


# Tags


def test_values_of_tags() -> None:
    tags = (("e", "1"), ("e",), ("p", "2"), ("e", "3", "x"), ("-",))
    event = Draft(1, "", tags).sign(KEY, 0)
    assert list(event.values("e")) == ["1", "3"]
    assert event.value("p") == "2"
    assert event.value("q") is None
    assert event.is_protected
    assert not NOTE.is_protected


@pytest.mark.parametrize(
    ("kind", "tags", "address"),
    [
        (1, (), None),
        (0, (), "0:{}:"),
        (3, (("d", "x"),), "3:{}:"),
        (10002, (), "10002:{}:"),
        (20001, (("d", "x"),), None),
        (30023, (("d", "a:b"), ("d", "c")), "30023:{}:a:b"),
        (30023, (), "30023:{}:"),
        (30023, (("d",),), "30023:{}:"),
        (40000, (("d", "x"),), None),
    ],
)
def test_addresses(kind: int, tags: Any, address: str | None) -> None:
    event = Draft(kind, "", tags).sign(KEY, 0)
    assert event.address == (address and address.format(event.pubkey))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("0", 0), ("1700000000", 1_700_000_000), ("007", 7), ("9" * 19, MAX_TIMESTAMP)),
        *(("9" * 5000, None), ("", None), ("-1", None), ("1.5", None), ("1e3", None)),
        *((" 1", None), ("١", None), ("²", None), ("soon", None)),
    ],
)
def test_expiration(value: str, seconds: int | None) -> None:
    assert Draft(1, "", (("expiration", value),)).sign(KEY, 0).expiration == seconds
    assert Draft(1, "", (("expiration",),)).sign(KEY, 0).expiration is None


def test_listings_are_newest_first_and_lowest_id_first_among_equals() -> None:
    some = [Draft(1, str(number), (), number % 3).sign(KEY, 0) for number in range(12)]
    ordered = sorted(some, key=lambda event: event.order)
    assert [event.created_at for event in ordered] == sorted(
        (event.created_at for event in some), reverse=True
    )
    for before, after in itertools.pairwise(ordered):
        assert before.created_at > after.created_at or before.id < after.id


def test_an_event_is_not_equal_to_its_twin_with_another_signature() -> None:
    twin = Event.parse(encoded(sig="0" * 128))
    assert twin.id == NOTE.id
    assert twin != NOTE
    assert not twin.verify()
    assert repr(NOTE) == f"<Event kind=1 id={NOTE.id[:12]} by={NOTE.pubkey[:12]}>"


# Drafts


def test_tags_of_a_draft_may_be_lists() -> None:
    listed: Any = [["t", "nostr"], ("e", "x")]
    assert Draft(1, "", listed) == Draft(1, "", (("t", "nostr"), ("e", "x")))
    assert Draft(1, "", (tag for tag in listed)).tags == (("t", "nostr"), ("e", "x"))  # type: ignore[arg-type]
    listed[0].append("later")
    assert Draft(1, "", listed).sign(KEY, 1).tags[0] == ("t", "nostr", "later")


BAD_DRAFTS: list[dict[str, Any]] = [
    *({"kind": kind} for kind in (-1, 65536, True, 1.0, "1", None)),
    *({"created_at": at} for at in (-1, 2**63, True, 1.7e9, "1")),
    *({"content": content} for content in (None, b"x", 1, ["x"])),
    *({"tags": tags} for tags in (None, 1, "ab", ["ab"], [["t", 1]], [["t", None]], [[]], ((),))),
    *({"tags": tags} for tags in ([[b"t"]], [{"t": 1}], [[["t"]]], {"t": "x"}, ((("t",),),))),
]


@pytest.mark.parametrize("fields", BAD_DRAFTS, ids=repr)
def test_a_draft_out_of_form_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEvent):
        Draft(**({"kind": 1} | fields))


def test_signing_takes_the_time_that_it_is_given_unless_the_draft_has_one() -> None:
    assert Draft(1).sign(KEY, 5).created_at == 5
    assert Draft(1, created_at=0).sign(KEY, 5).created_at == 0
    for now in (-1, 1.5, True, 2**63):
        with pytest.raises(InvalidEvent):
            Draft(1).sign(KEY, now)  # type: ignore[arg-type]


@given(events())
def test_what_is_signed_verifies_and_reads_back(event: Event) -> None:
    assert Event.parse(event.json) == event
    assert event.verify()
