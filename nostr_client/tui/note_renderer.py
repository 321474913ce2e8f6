"""How a note looks: from a view of the engine to safe lines of a list.

This is where text from the network becomes text on the screen: every piece goes through `safe_text`
or `safe_line` and into `Content`, which reads no markup.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.cells import cell_len
from textual.content import Content, Span
from textual.style import Style

from nostr_client.nips import nip19, nip27
from nostr_client.safe_text import first_lines, safe_line, safe_text
from nostr_client.social.views import NoteView, Profile, Quote
from nostr_client.tui.time_format import ago
from nostr_client.tui.widgets.items import ItemRenderer, Styles

NameOf = Callable[[str], str]
"""A pubkey -> how the person is called here, short and safe."""

FEED_LINES: Final = 12
"""Lines of a note in a timeline; the thread shows it whole."""
FEED_CHARACTERS: Final = 2_000
THREAD_CHARACTERS: Final = 20_000
"""Characters laid out at most: a hostile note may have a million."""
LIKE: Final = "♥"
NOT_HERE: Final = "a note that is not here"
QUOTE: Final = "┃"
"""Begins each line of a quoted note; in what people write it becomes `|`."""
STYLES: Final = frozenset(
    f"note--{part}"
    for part in ("name", "dim", "text", "mention", "link", "warning", "mine", "tree", "quote")
)
"""The component classes that a list of notes has."""


class NoteRenderer(ItemRenderer[NoteView]):
    """A timeline's notes. `unfolded` holds the ids of notes whose warning was lifted."""

    def __init__(self, names: NameOf, clock: Callable[[], float] = time.time) -> None:
        self.name_of = names
        self._clock = clock
        self.unfolded: set[str] = set()

    def key(self, item: NoteView) -> str:
        return item.entry.id

    def order(self, item: NoteView) -> tuple[int, str]:
        return item.entry.order

    def lines(self, item: NoteView, width: int, style: Styles) -> list[Content]:
        body = self.body(item, width, style, FEED_CHARACTERS)
        if len(body) > FEED_LINES + 1:
            more = self._more(item, width, style)
            body = [*body[:FEED_LINES], Content.styled(more, style("note--dim"))]
        return [self.heading(item, width, style), *body, *self.quotes(item, width, style)]

    def quotes(self, item: NoteView, width: int, style: Styles) -> list[Content]:
        """The beginnings of the notes that this one quotes, on a ground that no text has."""
        if item.missing or (item.warning is not None and item.event.id not in self.unfolded):
            return []
        ground, lines = style("note--quote"), list[Content]()
        for quote in item.quotes:
            for line in self._quote(quote, max(width - 2, 1), style):
                left = Content.styled(f"{QUOTE} ", style("note--tree"))
                whole = left + line + Content(" " * (width - 2 - line.cell_length))
                lines.append(whole.stylize_before(ground))
        return lines

    def _quote(self, quote: Quote, width: int, style: Styles) -> list[Content]:
        dim, plain = style("note--dim"), style("note--text")
        if quote.event is None or quote.author is None:
            return [Content.styled(NOT_HERE, dim).truncate(width, ellipsis=True)]
        when = ago(quote.event.created_at, self._clock())
        head = Content.assemble((f"{self._name_of(quote.author)} ", style("note--name")))
        head += Content.styled(f"· {when}", dim)
        if quote.warning is not None:
            text = [f"▒▒ {_warning(quote.warning)} ▒▒"]
        else:
            text = first_lines(quote.event.content)
        return [
            line.truncate(width, ellipsis=True)
            for line in (head, *(Content.styled(_plain(t), plain) for t in text))
        ]

    def _name_of(self, person: Profile) -> str:
        """A person whom the background reading does not know: their name is looked for."""
        unnamed = person.event is None and person.label == person.short_npub
        return _label(self.name_of(person.pubkey) if unnamed else person.label)

    def _more(self, item: NoteView, width: int, style: Styles) -> str:
        """How many lines the thread shows beyond those of a timeline; a hostile note has millions,
        so beyond what the thread lays out it is `more than`."""
        text = self.text(item, style, THREAD_CHARACTERS).plain
        whole = len(text) <= THREAD_CHARACTERS and len(item.event.content) <= THREAD_CHARACTERS
        lines = sum(_rows(line, width) for line in text[:THREAD_CHARACTERS].split("\n"))
        return f"… {'' if whole else 'more than '}{lines - FEED_LINES:,} more lines"

    def heading(self, item: NoteView, width: int, style: Styles) -> Content:
        """Who, when, in answer to whom; on the right how it was answered."""
        dim = style("note--dim")
        name = style("note--mine" if item.mine else "note--name")
        when = ago(item.at, self._clock())
        author = (f"{_label(item.author.label)} ", name)
        if item.missing:
            left = [author, (f"· {when} · repost of {NOT_HERE}", dim)]
        elif item.reposted_by is not None:
            author = (f"{self._name_of(item.author)} ", name)
            reposter = (f"{_label(item.reposted_by.label)} ", style("note--name"))
            left = [reposter, (f"· {when} · repost of ", dim), author]
        else:
            left = [author, (f"· {when} ", dim)]
        if item.reply_to is not None:
            left.append((f"· to {_label(item.reply_to.label)}", dim))
        return _spread(left, counts(item, style), width)

    def body(self, item: NoteView, width: int, style: Styles, most: int) -> list[Content]:
        """The wrapped text, or what stands in for it."""
        if item.missing:
            words = "It is looked for; enter asks where the repost says it is."
            return Content.styled(words, style("note--dim")).wrap(width)
        above = []
        if item.orphan_of:
            words = f"It answers {NOT_HERE}."
            above = Content.styled(words, style("note--dim")).wrap(width)
        return above + self._own_body(item, width, style, most)

    def _own_body(self, item: NoteView, width: int, style: Styles, most: int) -> list[Content]:
        if item.warning is not None and item.event.id not in self.unfolded:
            words = f"▒▒ {_warning(item.warning)} · s to show ▒▒"
            return Content.styled(words, style("note--warning")).wrap(width)
        content = self.text(item, style, most)
        return content.wrap(width) if content.plain.strip() else [Content("")]

    def text(self, item: NoteView, style: Styles, most: int) -> Content:
        """The note's parts, each made safe and given its style."""
        pieces: list[str] = []
        spans: list[Span] = []
        length = 0
        for part in item.parts:
            shown, kind = self._part(part, item.quotes)
            shown = shown.replace(QUOTE, "|")
            room = most - length
            if len(shown) > room:
                shown = f"{shown[:room]} … (a very long note, cut here)"
            pieces.append(shown)
            spans.append(Span(length, length + len(shown), style(f"note--{kind}")))
            length += len(shown)
            if length >= most:
                break
        plain = "".join(pieces)
        return Content(plain.rstrip(), spans)[len(plain) - len(plain.lstrip("\n")) :]

    def _part(self, part: nip27.Part, quotes: Sequence[Quote]) -> tuple[str, str]:
        match part:
            case nip27.MentionPart():
                return self._mention(part, quotes), "mention"
            case nip27.UrlPart():
                return safe_line(part.url), "link"
            case nip27.HashtagPart():
                return f"#{safe_line(part.tag)}", "link"
            case nip27.TextPart():
                return safe_text(part.text), "text"

    def _mention(self, part: nip27.MentionPart, quotes: Sequence[Quote]) -> str:
        match part.code:
            case nip19.Npub(pubkey=pubkey) | nip19.Nprofile(pubkey=pubkey):
                return f"@{_label(self.name_of(pubkey))}"
            case nip19.Note(id=id) | nip19.Nevent(id=id):
                author = next((quote.author for quote in quotes if quote.id == id), None)
                return f"↗ a note by {self._name_of(author)}" if author else "↗ a note"
        return "↗ " + safe_line(part.text, 24)


def counts(item: NoteView, style: Styles) -> list[tuple[str, Style]]:
    """Answers, likes, reposts; the copies of one's own notes. Zeroes are not shown."""
    dim, mine = style("note--dim"), style("note--mine")
    shown: list[tuple[str, Style]] = []
    if item.survival is not None and item.survival.wanted:
        shown.append((f"copies {item.survival.confirmed}/{item.survival.wanted} ", dim))
    elif item.wanted:
        shown.append((f"copies {item.copies or 0}/{item.wanted} ", dim))
    if item.replies:
        shown.append((f"↩{item.replies} ", dim))
    if item.reactions:
        shown.append((f"{LIKE}{item.reactions} ", mine if item.tally.mine else dim))
    if item.reposts:
        shown.append((f"⟳{item.reposts} ", mine if item.tally.reposted else dim))
    return shown


def copies_line(item: NoteView) -> str:
    """Where an own note is, in words; empty for others' notes."""
    if item.wanted is None:
        return ""
    copies = item.copies or 0
    if not item.wanted:
        return "copies  kept here only: no relay to send it to"
    waiting = item.wanted - copies
    line = f"copies  {copies} of {item.wanted} confirmed"
    if item.survival is not None:
        line = f"copies  {item.survival.line}"
        waiting = item.survival.waiting
    return f"{line} · {waiting} waiting, tried again by itself" if waiting > 0 else line


def quoted(content: str) -> str:
    """The beginning of a note, as what is being answered: at most three safe lines."""
    return "\n".join(f"│ {line}" for line in first_lines(content))


def _warning(reason: str) -> str:
    reason = safe_line(reason, 60).strip()
    return f"content warning: {reason}" if reason else "content warning"


def _rows(line: str, width: int) -> int:
    """The lines of the screen that one line of a note takes."""
    if "\t" not in line and cell_len(line) <= width:
        return 1
    return len(Content(line).wrap(width))


def _plain(line: str) -> str:
    return line.replace(QUOTE, "|").expandtabs(4)


def _label(text: str) -> str:
    return safe_line(text, 40).replace(QUOTE, "|").strip() or "?"


def _spread(left: list[tuple[str, Style]], right: list[tuple[str, Style]], width: int) -> Content:
    """`left` and `right` at the two ends of a line; where it is narrow, `left` gives way."""
    ending = Content.assemble(*right).rstrip() if right else Content("")
    if ending.cell_length > width // 2:
        ending = Content("")
    room = width - ending.cell_length - (1 if ending else 0)
    beginning = Content.assemble(*left).truncate(max(room, 1), ellipsis=True)
    gap = width - beginning.cell_length - ending.cell_length
    return beginning + Content(" " * max(gap, 0)) + ending if ending else beginning
