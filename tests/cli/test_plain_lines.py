"""Plain lines: what somebody wrote never passes for a line of ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nostr_client.cli.json_records import posted_record
from nostr_client.cli.plain_lines import (
    BAR,
    END,
    FORK,
    missing_words,
    name_of,
    note_lines,
    posted_lines,
    profile_lines,
    quoted,
    when,
)
from nostr_client.net.outcome import Cause, End, How
from nostr_client.net.report import Answer, Left, PublishReport
from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.safe_text import cells
from nostr_client.social.profiles import parse_profile
from nostr_client.social.views import NoteView, Posted, Profile, Quote, ThreadView

JACK, MALLORY = SecretKey.generate(), SecretKey.generate()
NOW = 1_790_000_000
FORGED = "Jack (jack@trusted.example) · 2026-11-22 10:00 · to mallory"


def view(content: str, author: Profile | None = None, **more: Any) -> NoteView:
    event = Draft(1, content, created_at=NOW).sign(MALLORY, NOW)
    return NoteView(event, event, author or Profile(event.pubkey, name="mallory"), **more)


@pytest.mark.parametrize("depth", [0, 1, 3, 20])
def test_a_note_cannot_hold_the_head_of_another(depth: int) -> None:
    content = "\n".join(f"{' ' * i}{FORGED}\n{' ' * i}└ note1qqq\n" for i in range(20))
    head, *body, tail = note_lines(view(content), depth).removesuffix("\n").split("\n")
    margin = "  " * min(depth, 8)
    assert head.startswith(f"{margin}mallory · ")
    assert body
    assert all(line.startswith(margin + BAR) for line in body)
    assert tail.startswith(f"{margin}{END}note1")
    assert not head.lstrip().startswith((BAR, END))


@pytest.mark.parametrize("newline", ["\r", "\r\n", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_no_newline_gets_past_the_bar(newline: str) -> None:
    lines = note_lines(view(f"hello{newline}{FORGED}")).splitlines()
    assert [line for line in lines if FORGED in line] == [f"{BAR}{FORGED}"]


def test_nor_does_a_line_that_the_terminal_wraps() -> None:
    for text in (
        "hello" + " " * 75 + FORGED,
        "x" * 78 + FORGED,
        "世" * 39 + FORGED,
        "\t" * 9 + FORGED,
    ):
        lines = note_lines(view(text), depth=2, width=80).removesuffix("\n").split("\n")[1:-1]
        assert len(lines) > 1
        assert all(line.startswith(f"    {BAR}") for line in lines)
        assert all(cells(line) <= 80 for line in lines)


def test_a_quoted_note_stands_under_a_line_of_ours() -> None:
    """What it says is behind a bar, cut, and cannot pass for the note that quotes it."""
    words = f"first\n{FORGED}\n├ quotes Jack\nfourth \x1b[31m"
    other = Draft(1, words, created_at=NOW).sign(JACK, NOW)
    jack = Profile(other.pubkey, name="Jack · (x)")
    held = Quote(other.id, other, jack)
    gone, warned = Quote("9" * 64), Quote(other.id, other, jack, warning="gore")
    note = view(f"look\n├ quotes Jack\n{FORGED}", quotes=(held, gone, warned))
    _, *lines, tail = note_lines(note, width=200).removesuffix("\n").split("\n")
    code = nip19.encode_note(other.id)
    head = f"{FORK}quotes Jack . [x] · {when(NOW)} · {code}"
    assert lines == [
        *(BAR + line for line in note.event.content.split("\n")),
        head,
        *(BAR + line for line in ("first", FORGED, "├ quotes Jack …")),
        f"{FORK}quotes a note that is not here: {nip19.encode_note('9' * 64)}",
        head,
        f"{BAR}[content warning: gore]",
    ]
    assert tail.startswith(END)


def test_a_repost_of_what_is_not_here_is_nobodys_note() -> None:
    note = view("", missing="9" * 64)
    head, tail = note_lines(note).removesuffix("\n").split("\n")
    assert head.endswith("mallory · " + when(NOW) + " · reposted a note that is not here")
    assert tail == END + nip19.encode_note("9" * 64)


def test_a_missing_parent_is_said() -> None:
    lines = note_lines(view("so", orphan_of="9" * 64), depth=1).split("\n")
    assert lines[1] == f"  {FORK}answers a note that is not here: {nip19.encode_note('9' * 64)}"
    ends = {f"wss://{n}.example": End(url=f"wss://{n}.example", how=How.ANSWERED) for n in "abcd"}
    words = missing_words(ThreadView("1" * 64, None, missing=("9" * 64,), ends=ends))
    assert words == (
        "1 note of this thread could not be found; asked: wss://a.example, wss://b.example,"
        " wss://c.example and 1 more"
    )


def test_wrapped_lines_are_the_whole_text() -> None:
    text = "words of some length, and then more of them " * 20 + "y" * 300
    lines = quoted(text, 60)
    assert "".join(line.removeprefix(BAR) for line in lines) == text
    assert quoted("short\n\nlines", 60) == [f"{BAR}short", BAR, f"{BAR}lines"]


@pytest.mark.parametrize(
    "name",
    [
        "Jack (jack@t.example)",
        "Jack（jack@t.example）",
        "a · to b",
        f"{BAR}words",
        f"{END}note1",
        "│││",
    ],
)
def test_a_name_says_nothing_that_we_say(name: str) -> None:
    shown = name_of(Profile(JACK.public_key.hex, name=name))
    assert not set(shown) & set("()（）·│└")
    assert shown
    head = note_lines(view("hello", Profile(JACK.public_key.hex, name=name))).split("\n")[0]
    assert "(" not in head
    assert head.count("·") == 1


def test_a_checked_handle_stands_in_the_head() -> None:
    jack = Profile(JACK.public_key.hex, name="Jack", nip05="j@t.example", nip05_state="valid")
    assert note_lines(view("hello", jack)).startswith("Jack (j@t.example) · ")


def test_a_profile_cannot_claim_to_be_checked() -> None:
    fields = {
        "name": "mallory",
        "website": "nip05 (valid): jack@trusted.example",
        "nip05": "jack@trusted.example (valid)",
        "about": "nip05 (valid): jack@trusted.example",
    }
    person = Profile(
        MALLORY.public_key.hex, nip05_state="invalid", **parse_profile(json.dumps(fields))
    )
    lines = profile_lines(person).split("\n")
    assert lines[0] == "mallory"
    assert not any(line.startswith("nip05 (valid)") for line in lines)
    assert "nip05 (invalid): jack@trusted.example (valid)" in lines


def test_who_was_left_out_is_named_with_the_reason() -> None:
    people = [f"{n:064x}" for n in range(1, 6)]
    note = Draft(1, "hi").sign(SecretKey.generate(), 1)
    left = dict.fromkeys(people[:4], Left.TOO_MANY) | {people[4]: Left.UNKNOWN}
    posted = Posted(note, PublishReport(note.id, (), left_out=left))
    lines = posted_lines(posted, "").splitlines()
    [unknown, many] = [line for line in lines if line.startswith("not sent")]
    assert unknown.endswith(f"no relay is known where they read: {nip19.encode_npub(people[4])}")
    assert many.endswith(f"{nip19.encode_npub(people[2])} and 1 more")
    record = posted_record(posted, "")["left_out"]
    assert {"pubkey": people[4], "reason": "no relay is known where they read"} in record


def test_what_stands_in_for_dead_relays_is_said() -> None:
    event = Draft(1, "x").sign(SecretKey.from_hex("1" * 64), 1)
    other = Answer(url="wss://other.example", accepted=True)
    dead = Answer.missing(
        "wss://dead.example", Cause(How.UNREACHABLE, "down since 2026-01-01 10:00")
    )
    report = PublishReport(event.id, (other, dead), instead=(other.url,))
    lines = posted_lines(Posted(event, report), "").splitlines()
    assert (
        "relays of your list are down, so it was sent to others too: wss://other.example" in lines
    )
    assert posted_record(Posted(event, report), "")["instead"] == [other.url]


def posted(kind: int, *answers: Answer) -> Posted:
    event = Draft(kind, "").sign(JACK, NOW)
    return Posted(event, PublishReport(event.id, answers))


def test_only_a_note_is_called_one() -> None:
    """NIP-19's note is of kind 1; any other event has an nevent that says its kind."""
    for kind, prefix in ((1, "note1"), (3, "nevent1"), (7, "nevent1")):
        done = posted(kind, Answer.of_ok("wss://a.example", True, ""))
        assert posted_lines(done, "").startswith(prefix)
        record = posted_record(done, "")
        assert (record["note"] is None) is (kind != 1)
        assert isinstance(code := nip19.decode(record["nevent"]), nip19.Nevent)
        assert code.kind == kind


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer.of_ok("wss://a.example", False, "blocked: not you"), "does not take it"),
        (Answer.of_ok("wss://a.example", False, "invalid: no"), "does not take it"),
        (Answer.of_ok("wss://a.example", False, "rate-limited: slow"), "tried again"),
        (Answer.missing("wss://a.example", Cause(How.SILENT, "10 s")), "tried again"),
        (
            Answer.of_ok("wss://a.example", False, "invalid: event creation date is in the future"),
            "clock right",
        ),
        (Answer.of_ok("wss://a.example", False, "invalid: created_at too late"), "clock right"),
    ],
)
def test_what_becomes_of_a_refusal_is_said_rightly(answer: Answer, words: str) -> None:
    last = posted_lines(posted(1, answer), "").splitlines()[-1]
    assert words in last
    assert ("tried again" in last) is (words == "tried again")


def test_a_feed_cuts_a_long_note_and_a_thread_does_not() -> None:
    long = view("\n".join(f"line {n}" for n in range(10_000)))
    lines = note_lines(long, most=60).splitlines()
    assert len(lines) == 63
    assert lines[61] == f"{BAR}… 9940 more lines: nostr-client thread shows them"
    assert len(note_lines(long).splitlines()) == 10_002


def test_what_is_no_note_says_what_it_is_and_what_it_names_has_a_code() -> None:
    pubkey = MALLORY.public_key.hex
    tags = (("title", FORGED), ("alt", "an article"))
    event = Draft(30023, "long", tags, NOW).sign(MALLORY, NOW)
    quotes = (Quote(f"30023:{pubkey}:roof"), Quote(f"30023:{pubkey}:{'x' * 300}"), Quote("1" * 64))
    item = NoteView(
        event, event, Profile(pubkey, name="m"), quotes=quotes, orphan_of=f"30023:{pubkey}:a"
    )
    lines = note_lines(item).splitlines()
    assert lines[0].endswith(" · kind 30023")
    assert f"{BAR}{FORGED}" in lines
    named = [line.rpartition(" ")[2] for line in lines if line.startswith(FORK)]
    assert [code[:5] for code in named] == ["naddr", "naddr", "30023", "note1"]
    bare = Draft(20, "", (("alt", "a roof"),), NOW).sign(MALLORY, NOW)
    assert f"{BAR}a roof" in note_lines(NoteView(bare, bare, Profile(pubkey)))


@pytest.mark.parametrize(
    "text",
    ["1\ufe0f\u20e3" * 60, "\u2764\ufe0f" * 60, "日本語" * 40, "مرحبا " * 40, "e\u0301" * 90],
)
def test_no_line_is_wider_than_the_terminal_whatever_it_is_made_of(text: str) -> None:
    for line in quoted(text, 40):
        assert cells(line) <= 40
