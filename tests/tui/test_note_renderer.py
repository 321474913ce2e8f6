"""From a view to lines: safe, within their width, folded where they must be."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.style import Style

from nostr_client.nips import nip19, nip27
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.safe_text import safe_text
from nostr_client.social.views import NoteView, Profile, Quote, ReactionCounts, ThreadView
from nostr_client.tui.note_renderer import (
    FEED_LINES,
    THREAD_CHARACTERS,
    NoteRenderer,
    copies_line,
)
from nostr_client.tui.thread_renderer import ThreadRenderer, thread_rows

KEY = SecretKey.generate()
ME = KEY.public_key.hex
NOW = 1_700_000_000
HOSTILE = "[@click=app.quit]x[/]\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202egnp.exe\u2066 [bold]b[/bold]"


def style(name: str) -> Style:
    return Style(bold=name.endswith("name"))


def renderer(name: str = "someone") -> NoteRenderer:
    return NoteRenderer(lambda pubkey: name, clock=lambda: NOW)


def note(content: str, *, ago: int = 120) -> Event:
    return Draft(1, content.replace("\x7f", ""), (), NOW - ago).sign(KEY, NOW)


def view(content: str, **fields: object) -> NoteView:
    event = note(content)
    author = fields.pop("author", Profile(ME, name="ben"))
    return NoteView(event, event, author, nip27.parts(event.content), **fields)  # type: ignore[arg-type]


def text(item: NoteView, width: int = 60) -> str:
    return "\n".join(line.plain for line in renderer().lines(item, width, style))


def test_a_note() -> None:
    item = view("Hello.", tally=ReactionCounts(replies=4, reactions=12, reposts=1))
    assert text(item, 40) == "ben · 2m                       ↩4 ♥12 ⟳1\nHello."
    lines = renderer().lines(item, 40, style)
    assert lines[0].cell_length == 40


@pytest.mark.parametrize("width", [10, 20, 60])
def test_hostile_everywhere(width: int) -> None:
    item = view(
        HOSTILE,
        author=Profile(ME, name=HOSTILE, display_name=HOSTILE),
        reply_to=Profile(ME, name=HOSTILE),
        reposted_by=Profile(ME, name=HOSTILE),
    )
    lines = renderer().lines(item, width, style)
    for line in lines:
        assert line.cell_length <= width
        assert not {c for c in line.plain if ord(c) < 32 or 127 <= ord(c) < 160}
        assert "\u202e" not in line.plain
        for span in line.spans:
            assert isinstance(span.style, Style)
            assert not span.style.meta
            assert not span.style.link
    if width == 60:
        assert "[@click=app.quit]x[/]" in lines[1].plain
        assert "[bold]b[/bold]" in "".join(line.plain for line in lines)


def test_a_hostile_warning() -> None:
    item = view("secret", warning=HOSTILE)
    shown = text(item)
    assert "secret" not in shown
    assert "content warning: [@click=app.quit]x[/]" in shown
    assert "\x1b" not in shown


@given(st.text(max_size=400), st.integers(8, 90))
def test_no_line_is_wider_than_it_may_be(content: str, width: int) -> None:
    try:
        item = view(content, quotes=(Quote("1" * 64, note(content), Profile(ME, name=content)),))
    except ValueError:
        return  # what no note can hold
    for line in renderer().lines(item, width, style):
        assert cell_len(line.plain) <= width
        assert "\n" not in line.plain
        assert "\t" not in line.plain


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_all_of_the_text_is_there(content: str) -> None:
    if "\x7f" in content:
        return
    item = view(content)
    shown = "".join(line.plain for line in renderer().body(item, 60, style, 10_000))
    letters = [c for c in safe_text(content) if not c.isspace()]
    if len([c for c in letters if c.isalnum()]) == len(letters):
        assert [c for c in shown if not c.isspace()] == letters


def test_wide_characters_and_emoji() -> None:
    lines = renderer().lines(view("日本語のとても長いテキスト " * 6 + "👩‍🚀" * 20), 21, style)
    assert all(cell_len(line.plain) <= 21 for line in lines)


def test_a_long_note_is_folded_in_the_feed_and_whole_in_its_thread() -> None:
    item = view("\n".join(f"line {n}" for n in range(50)))
    lines = renderer().lines(item, 60, style)
    assert len(lines) == FEED_LINES + 2
    assert lines[-1].plain == "… 38 more lines"
    row = thread_rows(ThreadView(item.id, item, ((0, item),)))[0]
    whole = ThreadRenderer(renderer()).lines(row, 60, style)
    assert "line 49" in whole[-2].plain


@pytest.mark.parametrize(
    "content",
    [
        *("top" + "\n" * 10_000 + "bottom", "word " * 3_900, "漢" * 9_000, "tab\t" * 900),
        *("long words and " + "x" * 3_000, "\n".join("y" * (n % 200) for n in range(180))),
    ],
)
def test_what_is_folded_is_counted_right(content: str) -> None:
    item = view(content)
    lines = renderer().lines(item, 60, style)
    whole = renderer().body(item, 60, style, THREAD_CHARACTERS)
    assert lines[-1].plain == f"… {len(whole) - FEED_LINES:,} more lines"


def test_beyond_what_is_laid_out_at_all_it_is_more_than_that() -> None:
    lines = renderer().lines(view("z" * 60_000), 60, style)
    rows = -(-THREAD_CHARACTERS // 60)
    assert lines[-1].plain == f"… more than {rows - FEED_LINES:,} more lines"


def test_a_million_characters_cost_little() -> None:
    item = view("a" * 60_000)
    row = thread_rows(ThreadView(item.id, item, ((0, item),)))[0]
    lines = ThreadRenderer(renderer()).lines(row, 60, style)
    assert sum(len(line.plain) for line in lines) < THREAD_CHARACTERS + 1_000
    assert "cut here" in lines[-2].plain


def test_mentions_say_who() -> None:
    code = nip19.encode_npub(ME)
    assert "hello @[b]eve[/b]!" in "\n".join(
        line.plain for line in renderer("[b]eve[/b]").lines(view(f"hello nostr:{code}!"), 60, style)
    )


def test_what_is_missing() -> None:
    event = note("")
    item = NoteView(event, event, Profile(ME, name="ben"), missing="ab" * 32)
    head, words = text(item).split("\n")
    assert head == "ben · 2m · repost of a note that is not here"
    assert "enter" in words
    assert text(view("so", orphan_of="9" * 64)).split("\n")[1:] == [
        "It answers a note that is not here.",
        "so",
    ]


def test_quoted_notes_stand_behind_a_bar_and_on_a_ground_that_no_text_has() -> None:
    other = note(f"one\ttab\n\n┃ eve · 1m\n{HOSTILE}\nfourth", ago=300)
    eve = Profile(ME, name="eve")
    code = nip19.encode_nevent(other.id, [], ME)
    quotes = (
        Quote(other.id, other, eve),
        Quote("9" * 64),
        Quote(other.id, other, Profile(ME), warning="gore"),
    )
    item = view(f"see nostr:{code}\n┃ eve · 5m", quotes=quotes)

    def on_ground(name: str) -> Style:
        return Style(italic=name == "note--quote")

    lines = renderer().lines(item, 40, on_ground)
    quoted = [n for n, line in enumerate(lines) if any(span.style.italic for span in line.spans)]
    assert quoted == list(range(3, len(lines)))
    assert [line.plain.rstrip() for line in lines[1:3]] == ["see ↗ a note by eve", "| eve · 5m"]
    plain = [line.plain.rstrip() for line in lines[3:]]
    assert plain[:3] == ["┃ eve · 5m", "┃ one tab", "┃ | eve · 1m"]
    assert plain[3].startswith("┃ [@click=app.quit]x[/]")
    assert plain[4:] == [
        "┃ a note that is not here",
        "┃ someone · 5m",
        "┃ ▒▒ content warning: gore ▒▒",
    ]
    assert all(line.cell_length == 40 for line in lines[3:])
    assert "PWNED" not in "".join(plain)
    [row] = thread_rows(ThreadView(item.id, item, ((0, item),)))
    assert "┃ one tab" in [
        line.plain.rstrip() for line in ThreadRenderer(renderer()).lines(row, 40, style)
    ]
    hidden = view("x", warning="", quotes=quotes)
    assert "one" not in text(hidden)


def test_copies() -> None:
    assert copies_line(view("x")) == ""
    assert copies_line(view("x", copies=5, wanted=5)) == "copies  5 of 5 confirmed"
    assert "2 waiting" in copies_line(view("x", copies=3, wanted=5))
    assert "copies 3/5" in text(view("x", mine=True, copies=3, wanted=5))


def test_a_namesake_of_somebody_followed_is_said_to_be_one() -> None:
    notes = NoteRenderer(lambda pubkey: "x", clock=lambda: NOW)
    notes.namesake = lambda person: Profile(ME, name="ben\x1b[2J") if person.pubkey != ME else None
    false, true = view("pay me", author=Profile("b" * 64, name="Ben")), view("hello")
    quoting = replace(true, quotes=(Quote(false.id, false.event, false.author),))
    for item in (false, replace(true, reposted_by=false.author)):
        assert "Ben (not the ben you follow) ·" in notes.lines(item, 80, style)[0].plain
    lines = [line.plain for line in notes.lines(quoting, 80, style)]
    assert "not the" not in lines[0]
    assert "Ben (not the ben" in lines[2]
