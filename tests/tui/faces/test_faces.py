"""Every kind has a face: it is found by itself, says something, and obeys nobody."""

from __future__ import annotations

import itertools

import pytest
from textual.style import Style

from nostr_client.protocol.event import Event
from nostr_client.social.views import Profile, Quote
from nostr_client.tui.faces.registry import all_faces, called, face_of
from tests.tui.faces.faces_seen import ME, event, renderer, seen, shown, style, view

HOSTILE = (
    "[@click=app.quit]x[/]\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\n[bold]b\u2028┃\ty"
)
NAMES = (
    *("alt", "title", "name", "summary", "description", "d", "e", "E", "a", "A", "i", "I", "k"),
    *("K", "p", "P", "q", "r", "t", "url", "m", "dim", "size", "duration", "image", "imeta"),
    *("option", "polltype", "endsAt", "amount", "bolt11", "goal", "relays", "closed_at", "start"),
    *("end", "starts", "ends", "status", "location", "l", "extension", "license", "runtime"),
    *("context", "comment", "published_at", "emoji", "content-warning", "response", "streaming"),
    *("subject", "preimage", "relay", "x", "fallback", "waveform", "blurhash", "service", "word"),
)
VALUES = (
    *("", " ", "-1", "9" * 400, "1e400", "nan", "NaN", "\u0664\u0665", "-0", "0x10", HOSTILE),
    *("[]", "null", "{}", "30023:" + "z" * 64 + ":", "30023::", ":::", "99999999:" + ME + ":x"),
    *("url", "url ", f"dim {HOSTILE}", "duration nan", "dim 0x0", "m", "waveform 1 2 x -5"),
    *("javascript:alert(1)", "file:///etc/passwd", "http://", "geo:", "isbn:", "#", "podcast:"),
    *("nostr:npub1" + "q" * 58, "漢" * 200, "a\u0300" * 300, "y" * 2_000),
)


def hostile_tags(some: int) -> list[list[tuple[str, ...]]]:
    """Sets of tags: bare names, many values a tag, and `some` with one value a tag."""
    turned = itertools.cycle(VALUES)
    full = [(name, *itertools.islice(turned, 7)) for name in NAMES]
    sets: list[list[tuple[str, ...]]] = [[(name,) for name in NAMES], full]
    for first in range(some):
        values = itertools.islice(itertools.cycle(VALUES), first * 7, None)
        sets.append([(name, value, value) for name, value in zip(NAMES, values, strict=False)])
    return sets


EVERY_KIND = sorted({*all_faces(), 12_345})


def check(kind: int, tags: list[tuple[str, ...]], content: str) -> None:
    item = view(event(kind, content, *tags))
    quoted = view(event(1, "see"), quotes=(Quote(item.id, item.event, Profile(ME)),))
    for width, note in ((9, item), (60, item), (30, quoted)):
        lines = renderer().lines(note, width, style)
        assert len(lines) < 40
        words = "".join(line.plain for line in lines[1:]).strip()
        assert words or kind == 1, "a blank"
        for line in lines:
            assert line.cell_length <= width
            assert not {c for c in line.plain if ord(c) < 32 or 127 <= ord(c) < 160}
            assert "\u202e" not in line.plain
            assert all(isinstance(span.style, Style) for span in line.spans)
            assert not any(isinstance(s.style, Style) and s.style.meta for s in line.spans)


def test_hostile_tags_of_every_kind() -> None:
    for kind in EVERY_KIND:
        for tags, content in zip(hostile_tags(1), ("", HOSTILE, '{"a": 1}'), strict=True):
            check(kind, tags, content)


@pytest.mark.slow
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_hostile_tags_at_length(kind: int) -> None:
    contents = itertools.cycle(("", HOSTILE, "{}", "[[", '{"kind":1}', "z" * 50_000))
    for tags, content in zip(hostile_tags(len(VALUES)), contents, strict=False):
        check(kind, tags, content)


def test_every_kind_has_a_name_of_its_own_in_words() -> None:
    for kind, face in all_faces().items():
        assert face.called
        assert face.called == face.called.strip()
        assert face_of(kind) is face
    assert called(event(12_345)) == "event of kind 12345"


def test_what_nobody_here_knows_says_what_it_is() -> None:
    assert shown(12_345, '{"x": 1}', ("alt", "A chess game: e4 e5")) == [
        "ben · 2m · event of kind 12345",
        "A chess game: e4 e5",
        "This client has no way yet to show events of kind 12345.",
    ]
    assert shown(12_345)[1:] == ["This client has no way yet to show events of kind 12345."]
    assert shown(12_345, "first\nsecond")[1:3] == ["first", "second"]


def test_a_quote_says_what_sort_of_thing_it_is() -> None:
    game: Event = event(12_345, "", ("alt", "A chess game"))
    item = view(event(1, "look"), quotes=(Quote(game.id, game, Profile(ME, name="eve")),))
    assert seen(item)[2:] == ["┃ eve · 2m · event of kind 12345", "┃ A chess game"]


def test_custom_emoji_are_shown_by_name() -> None:
    item = view(event(1, "so :soapbox: and :other:", ("emoji", "soapbox", "https://x.example/s")))
    [_, line] = renderer().lines(item, 60, style)
    marked = [line.plain[s.start : s.end] for s in line.spans if s.style == style("note--mention")]
    assert marked == [":soapbox:"]
