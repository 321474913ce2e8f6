"""How a thread looks: its notes as a tree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from textual.content import Content

from nostr_client.safe_text import safe_line
from nostr_client.social.thread_folds import with_folds
from nostr_client.social.views import NoteView, ThreadView
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.note_renderer import THREAD_CHARACTERS, NoteRenderer
from nostr_client.tui.widgets.items import ItemRenderer, Styles

DEEPEST: Final = 6
"""Answers are indented up to this depth."""


MISSING: Final = "missing"
"""The key of the row that stands for what is not here."""
FOLD: Final = "fold "
"""Begins the name of a fold: of what strangers say below one note, whose id follows."""
MOST_NAMED: Final = 3
"""Relays that were asked in vain, as far as their names are said."""


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A note in its thread: what stands left of its first line, and of its others. Without a `view`
    it is what is missing above the others, or what strangers say (then with a `fold`, its name), in
    `words`."""

    view: NoteView | None
    first: str = ""
    others: str = ""
    words: str = ""
    fold: str = ""


class ThreadRenderer(ItemRenderer[ThreadRow]):
    """A thread as a tree; every note whole."""

    tail = 1

    def __init__(self, notes: NoteRenderer) -> None:
        self.notes = notes

    def key(self, item: ThreadRow) -> str:
        return item.fold or MISSING if item.view is None else item.view.event.id

    def lines(self, item: ThreadRow, width: int, style: Styles) -> list[Content]:
        if item.view is None:
            words = Content.styled(item.first + item.words, style("note--dim"))
            return [*words.wrap(width), Content("")]
        tree = style("note--tree")
        room = max(width - cell_len(item.first), 8)
        others = Content.styled(item.others, tree)
        if hidden := self.notes.muted(item.view, room, style):
            return [Content.styled(item.first, tree) + hidden, others]
        heading = self.notes.heading(item.view, room, style)
        body = self.notes.body(item.view, room, style, THREAD_CHARACTERS)
        body += self.notes.below(item.view, room, style)
        first = Content.styled(item.first, tree) + heading
        return [first, *(others + line for line in body), others]


def missing_words(thread: ThreadView) -> str:
    """How much of a thread is not here, and who was asked; "" for a whole one."""
    count = len(thread.missing)
    if not count:
        return ""
    what = "1 earlier note is missing" if count == 1 else f"{count:,} earlier notes are missing"
    if not thread.items:
        what = "this note is missing"
    if not thread.ends:
        return f"⋯ {what} · {with_keys('{list.choose} asks')}"
    asked = [safe_line(url.partition("://")[2] or url, 40) for url in sorted(thread.ends)]
    names = ", ".join(asked[:MOST_NAMED])
    if len(asked) > MOST_NAMED:
        names += f" and {len(asked) - MOST_NAMED} more"
    return f"⋯ {what}: asked {names} · {with_keys('{list.choose} asks again')}"


def thread_rows(thread: ThreadView, unfolded: Collection[str] = ()) -> list[ThreadRow]:
    """The notes of a thread with the lines of its tree; above them a row for what is missing. What
    strangers say stands for itself only where its fold is `unfolded`."""
    rows = []
    opened = {name.removeprefix(FOLD) for name in unfolded if name.startswith(FOLD)}
    items = list(with_folds(thread.items, thread.folded, opened))
    alive = [False] * (DEEPEST + 2)
    # From the end: a level goes on where a later note stands on it, under the same ancestor.
    for full_depth, item in reversed(items):
        depth = min(full_depth, DEEPEST)
        rails = alive[1 : depth + 1]
        stem = "".join("│ " if rail else "  " for rail in rails[:-1])
        branch, rest = "", ""
        if rails:
            branch, rest = ("├ ", "│ ") if rails[-1] else ("└ ", "  ")
        if isinstance(item, tuple):
            id, count = item
            words = f"{count:,} more from strangers" if count > 1 else "1 more from a stranger"
            fold = FOLD + id
            words += with_keys(" · {note.unfold} shows")
            rows.append(ThreadRow(None, stem + branch, words=words, fold=fold))
        else:
            rows.append(ThreadRow(item, stem + branch, stem + rest))
        alive[depth] = True
        alive[depth + 1 :] = [False] * (len(alive) - depth - 1)
    if words := missing_words(thread):
        rows.append(ThreadRow(None, words=words))
    rows.reverse()
    return rows
