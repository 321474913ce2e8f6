"""How an article looks: its blocks, and the comments on it as a tree.

Links show where they really lead, whatever their text claims; nothing of the text is obeyed: no
HTML, no escape sequence, no markup but the one that `markdown` reads.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from textual.content import Content
from textual.style import Style

from nostr_client.nips import nip27
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.views import NoteView, ThreadView
from nostr_client.tui.faces.articles import reading_time, title_of
from nostr_client.tui.faces.face import first_value
from nostr_client.tui.faces.sheet import Sheet, plain
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.markdown import MOST_CHARACTERS, Block, Piece, blocks, pieces
from nostr_client.tui.note_renderer import THREAD_CHARACTERS, NoteRenderer
from nostr_client.tui.targets import ARTICLES
from nostr_client.tui.thread_renderer import ThreadRenderer, ThreadRow, thread_rows
from nostr_client.tui.widgets.items import ItemRenderer, Styles

WIDEST: Final = 90
"""Cells of a line of an article: longer ones are hard to read."""


@dataclass(frozen=True, slots=True)
class ArticleRow:
    """One block of an article, its head (no block), or a row of what was said of it."""

    place: int
    article: NoteView
    block: Block | None = None
    answer: ThreadRow | None = None


def article_rows(
    article: NoteView, thread: ThreadView, unfolded: Collection[str] = ()
) -> list[ArticleRow]:
    """The head of an article, its blocks, and the comments on it. `unfolded` are the ids of what
    is shown in spite of its warning."""
    rows = [ArticleRow(0, article)]
    hidden = article.warning is not None and article.event.id not in unfolded
    text = "" if hidden or article.event.kind not in ARTICLES else article.event.content
    for number, block in enumerate(blocks(text), start=1):
        rows.append(ArticleRow(number, article, block))
    for answer in thread_rows(thread, unfolded):
        view = answer.view
        if answer.fold or (view is not None and view.event.id != article.event.id):
            rows.append(ArticleRow(len(rows), article, None, answer))
    return rows


class ArticleRenderer(ItemRenderer[ArticleRow]):
    """An article from its head to the last comment."""

    tail = 1

    def __init__(self, notes: NoteRenderer) -> None:
        self.notes = notes
        self.answers = ThreadRenderer(notes)

    def key(self, item: ArticleRow) -> str:
        return self.answers.key(item.answer) if item.answer else f"block {item.place}"

    def lines(self, item: ArticleRow, width: int, style: Styles) -> list[Content]:
        if item.answer is not None:
            return self.answers.lines(item.answer, width, style)
        sheet = self.notes.sheet(min(width, WIDEST), style, MOST_CHARACTERS)
        if item.block is None:
            return [*self._head(item.article, sheet, width, style), Content("")]
        return [*_BLOCKS[item.block.form](item.block, sheet), Content("")]

    def _head(self, article: NoteView, sheet: Sheet, width: int, style: Styles) -> list[Content]:
        event = article.event
        lines = [self.notes.heading(article, width, style)]
        if event.kind not in ARTICLES:
            body = self.notes.body(article, width, style, THREAD_CHARACTERS)
            return lines + body + self.notes.quotes(article, width, style)
        bold = Style(bold=True)
        lines += [line.stylize(bold) for line in sheet.words(title_of(event), "name")]
        lines += sheet.words(first_value(event, "summary"), "text")
        lines += sheet.words(reading_time(event))
        if article.warning is not None and event.id not in self.notes.unfolded:
            lines += sheet.words(
                with_keys("▒▒ it has a content warning · {note.unfold} to show ▒▒"), "warning"
            )
        return lines


def _heading(block: Block, sheet: Sheet) -> list[Content]:
    text = Content.styled(f"{'#' * block.level} ", sheet.style("note--dim"))
    return _wrapped(text + _inline(block.text, sheet).stylize(Style(bold=True)), sheet)


def _text(block: Block, sheet: Sheet) -> list[Content]:
    return _wrapped(_inline(block.text, sheet), sheet)


def _item(block: Block, sheet: Sheet) -> list[Content]:
    indent = " " * min(2 * block.level, sheet.width // 3)
    mark = Content.styled(f"{indent}{safe_line(block.mark, 12)} ", sheet.style("note--dim"))
    others = Content(" " * mark.cell_length)
    lines = _wrapped(_inline(block.text, sheet), sheet.narrower(mark.cell_length))
    return [(others if number else mark) + line for number, line in enumerate(lines)]


def _quote(block: Block, sheet: Sheet) -> list[Content]:
    bar = Content.styled("▍ ", sheet.style("note--mention"))
    return [bar + line for line in _wrapped(_inline(block.text, sheet), sheet.narrower(2))]


def _code(block: Block, sheet: Sheet) -> list[Content]:
    ground, indent = sheet.style("note--quote"), Content("  ")
    return [indent + line.stylize_before(ground) for line in sheet.narrower(2).code(block.text)]


def _rule(block: Block, sheet: Sheet) -> list[Content]:
    return [Content.styled("─" * min(sheet.width, 40), sheet.style("note--dim"))]


def _cut(block: Block, sheet: Sheet) -> list[Content]:
    return sheet.words("… (a very long article, cut here)")


_BLOCKS: Final = {
    "heading": _heading,
    "text": _text,
    "item": _item,
    "quote": _quote,
    "code": _code,
    "rule": _rule,
    "cut": _cut,
}


def _wrapped(content: Content, sheet: Sheet) -> list[Content]:
    return content.wrap(max(sheet.width, 1)) if content.plain.strip() else [Content("")]


def _inline(text: str, sheet: Sheet) -> Content:
    """The pieces of a text, each safe and in its style."""
    return Content("").join([_styled(piece, sheet) for piece in pieces(text.strip("\n"))])


def _styled(piece: Piece, sheet: Sheet) -> Content:
    plain_style = sheet.style("note--text")
    match piece.form:
        case "text":
            blank = " " if piece.text[-1:].isspace() else ""  # between it and the next
            return sheet.text(nip27.parts(piece.text)) + Content(blank)
        case "strong":
            return Content.styled(_safe(piece.text), plain_style + Style(bold=True))
        case "emphasis":
            return Content.styled(_safe(piece.text), plain_style + Style(italic=True))
        case "code":
            return Content.styled(_safe(piece.text), sheet.style("note--quote") + plain_style)
        case "picture":
            words = f"▣ {safe_line(piece.text) or 'picture'}"
            return Content.styled(plain(words), plain_style) + _target(piece.target, sheet)
    if _leads_where_it_says(piece):
        return Content.styled(plain(safe_line(piece.target)), sheet.style("note--link"))
    return Content.styled(_safe(piece.text), plain_style) + _target(piece.target, sheet)


def _target(target: str, sheet: Sheet) -> Content:
    """Where a link leads: a person or an event by name, anything else as it is."""
    if target.lower().startswith("nostr:"):
        inner = sheet.text(nip27.parts(target))
    else:
        inner = Content.styled(plain(safe_line(target)), sheet.style("note--link"))
    dim = sheet.style("note--dim")
    return Content.styled(" ‹", dim) + inner + Content.styled("›", dim)


def _leads_where_it_says(piece: Piece) -> bool:
    text = piece.text.strip()
    return text == piece.target or (text != "" and piece.target == f"https://{text}")


def _safe(text: str) -> str:
    return plain(safe_text(text))
