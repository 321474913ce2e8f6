"""A thread as a tree."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len
from textual.style import Style

from nostr_client.net.outcome import End, How
from nostr_client.nips import nip27
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.views import NoteView, Profile, ThreadView
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.thread_renderer import ThreadRenderer, thread_rows

KEY = SecretKey.generate()


ME = KEY.public_key.hex


NOW = 1_700_000_000


def note(content: str, *, ago: int = 120) -> Event:
    return Draft(1, content.replace("\x7f", ""), (), NOW - ago).sign(KEY, NOW)


def view(content: str, **fields: object) -> NoteView:
    event = note(content)
    author = fields.pop("author", Profile(ME, name="ben"))
    return NoteView(event, event, author, nip27.parts(event.content), **fields)  # type: ignore[arg-type]


def test_a_tree() -> None:
    views = [view(str(n)) for n in range(5)]
    depths = (0, 1, 2, 1, 1)
    rows = thread_rows(ThreadView(views[0].id, views[0], tuple(zip(depths, views, strict=True))))
    assert [row.first for row in rows] == ["", "├ ", "│ └ ", "├ ", "└ "]
    assert [row.others for row in rows] == ["", "│ ", "│   ", "│ ", "  "]


def test_a_deep_thread_stays_on_the_screen() -> None:
    item = view("deep")
    rows = thread_rows(ThreadView(item.id, item, tuple((n, item) for n in range(40))))
    assert max(cell_len(row.first) for row in rows) <= 14


def test_what_is_missing_has_a_row_that_says_who_was_asked() -> None:
    item = view("answer")
    gone = ("1" * 64, "2" * 64)
    urls = ("wss://a.example", "wss://b.example/x", "wss://c.example", "wss://d\x1b[2J.example")
    asked = {url: End(url=url, how=How.ANSWERED) for url in urls}
    thread = ThreadView(item.id, None, ((1, item),), gone)
    [row, note_row] = thread_rows(replace(thread, ends=asked))
    assert note_row.view is item
    assert row.view is None
    renderer = ThreadRenderer(NoteRenderer(lambda pubkey: "x", clock=lambda: NOW))
    lines = renderer.lines(row, 40, lambda name: Style())
    assert all(line.cell_length <= 40 for line in lines)
    assert " ".join(line.plain.strip() for line in lines).strip() == (
        "⋯ 2 earlier notes are missing: asked a.example, b.example/x, c.example and 1 more "
        "· enter asks again"
    )
    assert thread_rows(thread)[0].words == "⋯ 2 earlier notes are missing · enter asks"
    nothing = ThreadView(item.id, None, (), gone[:1])
    assert [each.words for each in thread_rows(nothing)] == ["⋯ this note is missing · enter asks"]
