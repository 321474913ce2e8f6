"""How a thread looks: its notes as a tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from rich.cells import cell_len
from textual.content import Content

from nostr_client.social.views import NoteView, ThreadView
from nostr_client.tui.note_renderer import THREAD_CHARACTERS, NoteRenderer
from nostr_client.tui.widgets.items import ItemRenderer, Styles

DEEPEST: Final = 6
"""Answers are indented up to this depth."""


@dataclass(frozen=True, slots=True)
class ThreadRow:
    """A note in its thread: what stands left of its first line, and of its others."""

    view: NoteView
    first: str
    others: str


class ThreadRenderer(ItemRenderer[ThreadRow]):
    """A thread as a tree; every note whole."""

    tail = 1

    def __init__(self, notes: NoteRenderer) -> None:
        self.notes = notes

    def key(self, item: ThreadRow) -> str:
        return item.view.event.id

    def lines(self, item: ThreadRow, width: int, style: Styles) -> list[Content]:
        tree = style("note--tree")
        room = max(width - cell_len(item.first), 8)
        heading = self.notes.heading(item.view, room, style)
        body = self.notes.body(item.view, room, style, THREAD_CHARACTERS)
        body += self.notes.quotes(item.view, room, style)
        first = Content.styled(item.first, tree) + heading
        others = Content.styled(item.others, tree)
        return [first, *(others + line for line in body), others]


def thread_rows(thread: ThreadView) -> list[ThreadRow]:
    """The notes of a thread with the lines of its tree."""
    rows = []
    alive = [False] * (DEEPEST + 2)
    # From the end: a level goes on where a later note stands on it, under the same ancestor.
    for full_depth, view in reversed(thread.items):
        depth = min(full_depth, DEEPEST)
        rails = alive[1 : depth + 1]
        stem = "".join("│ " if rail else "  " for rail in rails[:-1])
        branch, rest = "", ""
        if rails:
            branch, rest = ("├ ", "│ ") if rails[-1] else ("└ ", "  ")
        rows.append(ThreadRow(view, stem + branch, stem + rest))
        alive[depth] = True
        alive[depth + 1 :] = [False] * (len(alive) - depth - 1)
    rows.reverse()
    return rows
