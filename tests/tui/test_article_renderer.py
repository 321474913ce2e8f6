"""An article on the screen: safe, and with links that say where they lead."""

from __future__ import annotations

import pytest
from textual.style import Style

from nostr_client.nips import nip19
from nostr_client.social.views import ThreadView
from nostr_client.tui.article_renderer import ArticleRenderer, article_rows
from tests.tui.faces.faces_seen import ME, event, renderer, style, view

EVIL = "http://evil.example/"
HOSTILE = "[@click=app.quit]x[/]\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202egnp.exe ┃"


def seen(content: str, *tags: tuple[str, ...], width: int = 60, **fields: object) -> list[str]:
    item = view(event(30023, content, ("d", "roof"), *tags), **fields)
    rows = article_rows(item, ThreadView(item.id, item, ((0, item),)))
    drawn = ArticleRenderer(renderer())
    lines = [line for row in rows for line in drawn.lines(row, width, style)]
    for line in lines:
        assert line.cell_length <= width
        assert not {c for c in line.plain if ord(c) < 32 or 127 <= ord(c) < 160}
        assert not any(isinstance(s.style, Style) and s.style.meta for s in line.spans)
    return [line.plain.rstrip() for line in lines]


def test_an_article() -> None:
    lines = seen(
        "# Ladders\nTwo *long* ones.\n\n- one\n- two\n\n> never\n\n```\nx  = 1\n```\n---",
        ("title", "The roof"),
        ("summary", "How it was mended."),
    )
    assert lines[:4] == ["ben · 2m · article", "The roof", "How it was mended.", "1 min to read"]
    assert [line for line in lines[4:] if line] == [
        *("# Ladders", "Two long ones.", "• one", "• two", "▍ never", "  x  = 1", "─" * 40),
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (f"[bank.example]({EVIL})", f"bank.example ‹{EVIL}›"),
        (f"[https://bank.example]({EVIL})", f"https://bank.example ‹{EVIL}›"),
        ("[a.example](https://a.example)", "https://a.example"),
        (f"![a cat]({EVIL}x.png)", f"▣ a cat ‹{EVIL}x.png›"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        (f'<a href="{EVIL}">bank</a>', f'<a href="{EVIL}">bank</a>'),
        ("[x](javascript:alert)", "x ‹javascript:alert›"),
        (f"**[bank]({EVIL})** so", f"**bank ‹{EVIL}›** so"),
        (f"[eve](nostr:{nip19.encode_npub(ME)})", "eve ‹@someone›"),
        (f"by nostr:{nip19.encode_npub(ME)} here", "by @someone here"),
    ],
)
def test_links_say_where_they_lead(written: str, read: str) -> None:
    assert seen(written, width=90)[4:-1] == [read]


@pytest.mark.parametrize("shape", ["{}", "# {}", "- {}", "> {}", "```\n{}\n```", "**{}**", "`{}`"])
@pytest.mark.parametrize("width", [9, 60])
def test_hostile_text_is_inert_in_every_block(shape: str, width: int) -> None:
    lines = seen(shape.format(HOSTILE), ("title", HOSTILE), ("summary", HOSTILE), width=width)
    text = "".join(lines)
    assert "PWNED" not in text
    assert "\u202e" not in text
    assert "┃" not in text
    assert "[@click=app.quit]x[/]".replace("\n", "") in text.replace("\n", "") or width < 60


def test_what_is_behind_a_warning_stays_there() -> None:
    lines = seen("secret", warning="gore")
    assert not any("secret" in line for line in lines)
    assert any("content warning" in line for line in lines)
