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
from nostr_client.tui.note_renderer import NoteRenderer, folds_of
from nostr_client.tui.thread_renderer import FOLD, ThreadRenderer, thread_rows

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


def test_what_strangers_say_is_one_row_that_can_be_opened() -> None:
    views = [view(str(n)) for n in range(7)]
    items = tuple(zip((0, 1, 2, 1, 2, 3, 1), views, strict=True))
    folded = frozenset(views[n].id for n in (2, 4, 5, 6))
    thread = ThreadView(views[0].id, views[0], items, folded=folded)
    rows = thread_rows(thread)
    said = [row.words or row.view.event.content for row in rows if row.words or row.view]
    assert said == [
        "0", "1", "1 more from a stranger · s shows", "3", "2 more from strangers · s shows",
        "1 more from a stranger · s shows",
    ]  # fmt: skip
    assert [row.first for row in rows] == ["", "├ ", "│ └ ", "├ ", "│ └ ", "└ "]
    renderer = ThreadRenderer(NoteRenderer(lambda pubkey: "x", clock=lambda: NOW))
    assert renderer.lines(rows[4], 60, lambda name: Style())[0].plain.startswith("│ └ 2 more")
    assert len({renderer.key(row) for row in rows}) == len(rows)
    opened = thread_rows(thread, {rows[4].fold})
    assert [row.view.event.content for row in opened if row.view] == ["0", "1", "3", "4", "5"]
    assert len(thread_rows(thread, {f"{FOLD}{views[0].id}"})) == len(views)
    headless = thread_rows(
        ThreadView(views[1].id, None, ((1, views[1]),), folded=frozenset({views[1].id}))
    )
    assert [row.words for row in headless] == ["1 more from a stranger · s shows"]


def test_what_tags_a_crowd_is_folded_with_its_whole_conversation() -> None:
    crowd = tuple(("p", f"{n:064x}") for n in range(30))
    root = Draft(1, "come all", crowd, NOW - 9).sign(KEY, NOW)
    tags = (("e", root.id, "", "root"), *crowd[:21])
    answer = Draft(1, "see", tags, NOW - 5).sign(KEY, NOW)
    small = Draft(1, "few", crowd[:20], NOW - 5).sign(KEY, NOW)
    notes = NoteRenderer(lambda pubkey: "x", clock=lambda: NOW)

    def text(event: Event, **fields: bool) -> str:
        item = NoteView(event, event, Profile(ME, name="ben"), nip27.parts(event.content), **fields)
        return notes.lines(item, 80, lambda name: Style())[1].plain.strip()

    assert text(root) == "▒▒ tags 30 people · s to show, m mutes the thread ▒▒"
    assert text(answer).startswith("▒▒ tags 21 people")
    assert (text(small), text(root, mine=True)) == ("few", "come all")
    notes.unfolded |= folds_of(NoteView(answer, answer, Profile(ME)))
    assert (text(root), text(answer)) == ("come all", "see")
