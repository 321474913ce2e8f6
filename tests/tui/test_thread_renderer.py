"""A thread as a tree."""

from __future__ import annotations

from rich.cells import cell_len

from nostr_client.nips import nip27
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.views import NoteView, Profile, ThreadView
from nostr_client.tui.thread_renderer import thread_rows

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
