"""Who answers whom."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.nips.nip10 import Ref, ThreadRefs, reply_tags, thread_refs
from nostr_client.protocol.event import Draft, Event, Tags
from nostr_client.protocol.keys import SecretKey
from tests.vectors import VECTORS, needs_vectors, real_events

KEY = SecretKey(b"\x0a" * 32)
A, B, C, D = ("a" * 64, "b" * 64, "c" * 64, "d" * 64)
P, Q = ("1" * 64, "2" * 64)
NOTHING = ThreadRefs(None, None, ())


def note(*tags: tuple[str, ...]) -> Event:
    return Draft(1, "", tags).sign(KEY, 1)


def ids(refs: ThreadRefs) -> tuple[str | None, str | None, list[str]]:
    return (
        refs.root and refs.root.id,
        refs.reply and refs.reply.id,
        [mention.id for mention in refs.mentions],
    )


@pytest.mark.parametrize(
    ("tags", "root", "reply", "mentions"),
    [
        # marked
        ([("e", A, "", "root")], A, A, []),
        ([("e", A, "", "root"), ("e", B, "", "reply")], A, B, []),
        ([("e", B, "", "reply"), ("e", A, "", "root")], A, B, []),
        ([("e", A, "", "reply")], A, A, []),
        ([("e", C), ("e", A, "", "root"), ("e", D, ""), ("e", B, "", "reply")], A, B, [C, D]),
        ([("e", A, "", "root"), ("e", C, "", "mention")], A, A, [C]),
        ([("e", A, "", "root"), ("e", C, "", "what is this")], A, A, [C]),
        ([("e", A, "", "root"), ("e", B, "", "root")], A, A, []),
        ([("e", A, "", "root"), ("e", B, "", "reply"), ("e", C, "", "reply")], A, C, []),
        # positional
        ([("e", A)], A, A, []),
        ([("e", A, "wss://a.example")], A, A, []),
        ([("e", A), ("e", B)], A, B, []),
        ([("e", A), ("e", C), ("e", D), ("e", B)], A, B, [C, D]),
        # a citation is no answer
        ([("e", A, "", "mention")], None, None, [A]),
        ([("e", A, "", "mention"), ("e", B)], B, B, [A]),
        ([("q", A)], None, None, []),
        # malformed, or of something else
        ([], None, None, []),
        (
            [("e",), ("e", ""), ("e", "xyz"), ("e", A.upper()), ("e", A + "\n"), ("E", A)],
            *[None] * 2,
            [],
        ),
        ([("e", "xyz", "", "root"), ("e", B, "", "reply")], B, B, []),
        ([("p", A), ("a", f"30023:{P}:x", "", "root")], None, None, []),
    ],
)
def test_what_tags_mean(
    tags: list[tuple[str, ...]], root: str | None, reply: str | None, mentions: list[str]
) -> None:
    assert ids(thread_refs(note(*tags))) == (root, reply, mentions)


def test_hints_are_kept() -> None:
    refs = thread_refs(
        note(("e", A, "wss://a.example", "root", P), ("e", B, "", "reply", "nobody"))
    )
    assert refs == ThreadRefs(Ref(A, "wss://a.example", P), Ref(B), ())
    refs = thread_refs(note(("e", A, "wss://a.example", P)))
    assert refs.reply == Ref(A, "wss://a.example", P), "NIP-01 has the author in fourth place"


def test_an_answer_to_a_note_without_a_thread() -> None:
    parent = note(("p", P), ("t", "x"))
    assert reply_tags(parent, "wss://r.example") == (
        ("e", parent.id, "wss://r.example", "root", parent.pubkey),
        ("p", parent.pubkey),
        ("p", P),
    )
    assert thread_refs(note(*reply_tags(parent))) == ThreadRefs(
        Ref(parent.id, "", parent.pubkey), Ref(parent.id, "", parent.pubkey), ()
    )


def test_an_answer_to_an_answer() -> None:
    parent = note(
        ("e", A, "wss://A.example/", "root", Q),
        ("e", B, "", "reply"),
        ("p", P), ("p", P), ("p", KEY.public_key.hex), ("p", "nobody"), ("p",),
    )  # fmt: skip
    assert reply_tags(parent) == (
        ("e", A, "wss://a.example", "root", Q),
        ("e", parent.id, "", "reply", parent.pubkey),
        ("p", parent.pubkey),
        ("p", P),
        ("p", Q),
    )


@pytest.mark.parametrize(
    "hint",
    [
        "ws://127.0.0.1:7777",
        "wss://10.0.0.1",
        "wss://nas.local",
        "https://a.example",
        "\x1b[2J",
        "x",
    ],
)
def test_a_hint_to_a_private_place_is_not_passed_on(hint: str) -> None:
    parent = note(("e", A, hint, "root"))
    assert reply_tags(parent)[0] == ("e", A, "", "root")


def test_what_no_draft_may_carry_does_not_hinder_an_answer() -> None:
    fields = json.loads(note().json)
    fields |= {"tags": [["e", A, "wss://a\x7f.example", "root", "\x7f"], ["p", "\x7f"]]}
    from nostr_client.protocol.event import event_digest

    fields["id"] = event_digest(fields["pubkey"], 1, 1, fields["tags"], "").hex()
    parent = Event.from_dict(fields)
    assert thread_refs(note(*reply_tags(parent))).root == Ref(A)


TAG = st.one_of(
    st.tuples(
        st.just("e"),
        st.sampled_from([A, B, C, D, "x", ""]),
        st.sampled_from(["", "wss://a.example", "ws://localhost"]),
        st.sampled_from(["", "root", "reply", "mention", P, "x"]),
    ),
    st.tuples(st.just("e"), st.sampled_from([A, B, C])),
    st.lists(st.sampled_from(["e", "p", "", A, P]), min_size=1, max_size=5).map(tuple),
)


@given(st.lists(TAG, max_size=6).map(tuple))
def test_an_answer_stays_in_its_thread(tags: Tags) -> None:
    parent = note(*tags)
    refs = thread_refs(parent)
    assert (refs.root is None) == (refs.reply is None)
    answer = thread_refs(note(*reply_tags(parent)))
    assert answer.reply is not None
    assert answer.root is not None
    assert answer.reply.id == parent.id
    assert answer.root.id == (refs.root.id if refs.root else parent.id)
    assert answer.mentions == ()


@needs_vectors
@pytest.mark.parametrize(
    ("name", "root", "reply"),
    [
        ("text_note_reply", 0, 2),
        ("text_note_root_reply", 0, 0),
        ("text_note_reply_deprecated_positional_tags", 0, 1),
        ("text_note_root_reply_deprecated_positional_tags", 0, 0),
    ],
)
def test_what_another_library_calls_a_reply(name: str, root: int, reply: int) -> None:
    assert VECTORS is not None
    fields = json.loads((VECTORS / "wire" / f"{name}.json").read_text())
    e_tags = [tag for tag in fields["tags"] if tag[0] == "e"]
    refs = thread_refs(note(*map(tuple, fields["tags"])))
    assert refs.root is not None
    assert refs.reply is not None
    assert refs.root.id == e_tags[root][1]
    assert refs.reply.id == e_tags[reply][1]


@needs_vectors
def test_real_notes() -> None:
    answers = 0
    for event in map(Event.parse, real_events()):
        if event.kind != 1:
            continue
        refs = thread_refs(event)
        tags = [tag for tag in event.tags if tag[0] == "e" and len(tag) > 1 and len(tag[1]) == 64]
        named = {tag[1] for tag in tags}
        found = {ref.id for ref in (refs.root, refs.reply, *refs.mentions) if ref}
        assert found == named or any(len(tag) > 3 and tag[3] for tag in tags)
        answered = any(tag[3:4] != ("mention",) for tag in tags)
        assert (refs.reply is not None) == answered
        answers += answered
        again = thread_refs(note(*reply_tags(event)))
        assert again.reply is not None
        assert again.reply.id == event.id
    assert answers > 300
