"""How an event looks: from a view of the engine to safe lines of a list.

Who and when, what is quoted and how it was answered stands here, for every kind; what is between
them is the face of its kind (`faces/`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import copy
from typing import Final

from rich.cells import cell_len
from textual.content import Content
from textual.style import Style

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.safe_text import first_lines, safe_line
from nostr_client.social.mutes import muted_thread
from nostr_client.social.views import NoteView, Profile, Quote, ZapSum
from nostr_client.tui.faces.registry import called, face_of
from nostr_client.tui.faces.sheet import QUOTE, NameOf, Sheet, emoji_of, label, plain
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.pictures import Pictures
from nostr_client.tui.targets import ARTICLES
from nostr_client.tui.time_format import ago
from nostr_client.tui.widgets.items import ItemRenderer, Styles

FEED_LINES: Final = 12
"""Lines of a note in a timeline; the thread shows it whole."""
FEED_CHARACTERS: Final = 2_000
THREAD_CHARACTERS: Final = 20_000
"""Characters laid out at most: a hostile note may have a million."""
MOST_REASON: Final = 60
"""Cells of the reason why something is not shown."""
LIKE: Final = "♥"
ZAP: Final = "↯"
NO_WORDS: Final = "It says nothing of itself."
NOT_HERE: Final = "a note that is not here"
STYLES: Final = frozenset(
    f"note--{part}"
    for part in ("name", "dim", "text", "mention", "link", "warning", "mine", "tree", "quote")
)
"""The component classes that a list of notes has."""


class NoteRenderer(ItemRenderer[NoteView]):
    """A timeline's notes. `unfolded` holds the `folds_of` what was opened all the same."""

    def __init__(
        self,
        names: NameOf,
        clock: Callable[[], float] = time.time,
        pictures: Pictures | None = None,
    ) -> None:
        self.name_of = names
        self._clock = clock
        self.pictures = pictures
        self.unfolded: set[str] = set()
        self.namesake: Callable[[Profile], Profile | None] = lambda person: None
        """Whoever is followed and bears the name of a person, who is somebody else."""
        self.fresh_after: int | None = None
        """What is newer (seconds since 1970) is marked; None: nothing is."""

    def key(self, item: NoteView) -> str:
        return item.entry.id

    def order(self, item: NoteView) -> tuple[int, str]:
        return item.entry.order

    def lines(self, item: NoteView, width: int, style: Styles) -> list[Content]:
        if hidden := self.muted(item, width, style):
            return [hidden]
        body = self.body(item, width, style, FEED_CHARACTERS)
        if len(body) > FEED_LINES + 1:
            more = self._more(item, width, style)
            folded = Content.styled(more, style("note--dim")).truncate(width, ellipsis=True)
            body = [*body[:FEED_LINES], folded]
        fresh = self.fresh_after is not None and item.at > self.fresh_after
        head = self.heading(item, width - 2 if fresh else width, style)
        if fresh:
            head = Content.styled("• ", style("note--name")) + head
        return [head, *body, *self.below(item, width, style)]

    def twin(self) -> NoteRenderer:
        """One that has the same unfolded, and marks of its own."""
        return copy(self)

    def below(self, item: NoteView, width: int, style: Styles) -> list[Content]:
        """What stands under the text: pictures, and what is quoted."""
        pictures = list[Content]()
        if self.pictures is not None and not self.is_closed(item):
            pictures = self.pictures.lines(item, width, style)
        return [*pictures, *self.quotes(item, width, style)]

    def is_closed(self, item: NoteView) -> bool:
        """Is there nothing of it, or nothing of it shown yet?"""
        return bool(item.missing) or not self.unfolded.issuperset(folds_of(item))

    def muted(self, item: NoteView, width: int, style: Styles) -> Content | None:
        """The one line of what the account muted, which does not say who wrote what; None for
        anything else, and once it was opened."""
        if not item.muted or item.event.id in self.unfolded:
            return None
        words = plain(f"▒▒ {safe_line(item.muted, MOST_REASON)} · {_shows()} ▒▒")
        return Content.styled(words, style("note--dim")).truncate(width, ellipsis=True)

    def quotes(self, item: NoteView, width: int, style: Styles) -> list[Content]:
        """The beginnings of the notes that this one quotes, on a ground that no text has."""
        if self.is_closed(item):
            return []
        if item.event.kind in ARTICLES:  # what a long text quotes is read in it
            return []
        ground, lines = style("note--quote"), list[Content]()
        for quote in item.quotes:
            for line in self._quote(quote, max(width - 2, 1), style):
                left = Content.styled(f"{QUOTE} ", style("note--tree"))
                whole = left + line + Content(" " * (width - 2 - line.cell_length))
                lines.append(whole.stylize_before(ground))
        return lines

    def _quote(self, quote: Quote, width: int, style: Styles) -> list[Content]:
        dim, sheet = style("note--dim"), self.sheet(width, style, FEED_CHARACTERS)
        if quote.event is None or quote.author is None:
            return [Content.styled(NOT_HERE, dim).truncate(width, ellipsis=True)]
        when = ago(quote.event.created_at, self._clock())
        head = Content.assemble((f"{sheet.name(quote.author)} ", style("note--name")))
        head += Content.styled(self._not(quote.author), style("note--warning"))
        head += Content.styled(f"· {when}{_said(quote.event)}", dim)
        if quote.muted:
            words = plain(f"▒▒ {safe_line(quote.muted, MOST_REASON)} ▒▒")
            return [Content.styled(words, dim).truncate(width, ellipsis=True)]
        if quote.warning is not None:
            text = [f"▒▒ {_warning(quote.warning)} ▒▒"]
        else:
            text = first_lines(face_of(quote.event.kind).summary(quote.event))
        return [
            line.truncate(width, ellipsis=True)
            for line in (head, *(Content.styled(plain(t), style("note--text")) for t in text))
        ]

    def _not(self, person: Profile) -> str:
        """A warning beside the name of who bears that of somebody followed."""
        other = self.namesake(person)
        return f"{not_the_one(other)} " if other is not None else ""

    def sheet(self, width: int, style: Styles, most: int) -> Sheet:
        return Sheet(width, style, self.name_of, most, self._clock())

    def _more(self, item: NoteView, width: int, style: Styles) -> str:
        """How many lines the thread shows beyond those of a timeline; a hostile note has millions,
        so beyond what the thread lays out it is `more than`."""
        if item.event.kind != kinds.NOTE:
            all_lines = self.body(item, width, style, THREAD_CHARACTERS)
            return f"… {len(all_lines) - FEED_LINES:,} more lines"
        sheet = self.sheet(width, style, THREAD_CHARACTERS)
        text = sheet.text(item.parts, item.quotes, emoji_of(item.event)).plain
        whole = len(text) <= THREAD_CHARACTERS and len(item.event.content) <= THREAD_CHARACTERS
        lines = sum(_rows(line, width) for line in text[:THREAD_CHARACTERS].split("\n"))
        return f"… {'' if whole else 'more than '}{lines - FEED_LINES:,} more lines"

    def heading(self, item: NoteView, width: int, style: Styles) -> Content:
        """Who, when, in answer to whom; on the right how it was answered."""
        dim = style("note--dim")
        name = style("note--mine" if item.mine else "note--name")
        when = ago(item.at, self._clock())
        author = (f"{label(item.author.label)} ", name)
        warning = (self._not(item.author), style("note--warning"))
        if item.missing:
            left = [author, warning, (f"· {when} · repost of {NOT_HERE}", dim)]
        elif item.reposted_by is not None:
            author = (f"{self.sheet(width, style, 0).name(item.author)} ", name)
            reposter = (f"{label(item.reposted_by.label)} ", style("note--name"))
            other = (self._not(item.reposted_by), warning[1])
            left = [reposter, other, (f"· {when} · repost of ", dim), author, warning]
        else:
            left = [author, warning, (f"· {when} ", dim)]
        if not item.missing and (said := _said(item.event)):
            left.append((f"{said.lstrip()} ", dim))
        if item.reply_to is not None:
            left.append((f"· to {label(item.reply_to.label)}", dim))
        return _spread(left, counts(item, style), width)

    def body(self, item: NoteView, width: int, style: Styles, most: int) -> list[Content]:
        """The wrapped text, or what stands in for it."""
        if item.missing:
            words = with_keys("It is looked for; {list.choose} asks where the repost says it is.")
            return Content.styled(words, style("note--dim")).wrap(width)
        above = []
        if item.orphan_of:
            words = f"It answers {NOT_HERE}."
            above = Content.styled(words, style("note--dim")).wrap(width)
        return above + self._own_body(item, width, style, most)

    def _own_body(self, item: NoteView, width: int, style: Styles, most: int) -> list[Content]:
        if self.is_closed(item):
            return Content.styled(_fold(item), style("note--warning")).wrap(width)
        sheet = self.sheet(width, style, most)
        lines = face_of(item.event.kind).lines(item, sheet)
        if not lines and item.event.kind != kinds.NOTE:
            lines = sheet.words(NO_WORDS)
        return lines or [Content("")]


def not_the_one(followed: Profile) -> str:
    """What is said beside the name of who is called like somebody `followed`."""
    return f"(not the {label(followed.label)} you follow)"


def folds_of(item: NoteView) -> set[str]:
    """What is opened to see all of a note: itself, and its conversation where that tags a crowd."""
    folds = {item.event.id} if item.warning is not None or item.muted else set[str]()
    return folds | {f"crowd {muted_thread(item.event)[1]}"} if item.crowd else folds


def _fold(item: NoteView) -> str:
    """What stands where a note is folded."""
    if item.warning is not None:
        return f"▒▒ {_warning(item.warning)} · {_shows()} ▒▒"
    mutes = with_keys("{note.mute} mutes the thread")
    return f"▒▒ tags {item.crowd:,} people · {_shows()}, {mutes} ▒▒"


def _shows() -> str:
    return with_keys("{note.unfold} to show")


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
    if zapped := zap_count(item.tally.zapped):
        shown.append((f"{ZAP}{zapped} ", dim))
    return shown


def zap_count(zapped: ZapSum) -> str:
    """`21`, in sats, of zaps that were checked; of those that nobody vouches for only that they
    are claimed."""
    claimed = f"{zapped.claims} claimed" if zapped.claims else ""
    return ", ".join(filter(None, (sats(zapped.checked) if zapped.checked else "", claimed)))


def sats(msat: int) -> str:
    """Whole satoshi of millisatoshi."""
    return f"{msat // 1000:,}" if msat >= 1000 else "<1"


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
    reason = safe_line(reason, MOST_REASON).strip()
    return f"content warning: {reason}" if reason else "content warning"


def _rows(line: str, width: int) -> int:
    """The lines of the screen that one line of a note takes."""
    if "\t" not in line and cell_len(line) <= width:
        return 1
    return len(Content(line).wrap(width))


def _said(event: Event) -> str:
    """What sort of thing it is, if no note: ` · poll`."""
    return "" if event.kind == kinds.NOTE else f" · {called(event)}"


def _spread(left: list[tuple[str, Style]], right: list[tuple[str, Style]], width: int) -> Content:
    """`left` and `right` at the two ends of a line; where it is narrow, `left` gives way, and the
    first of what is at the right."""
    ending = Content.assemble(*right).rstrip() if right else Content("")
    while ending.cell_length > width // 2:
        right = right[1:]
        ending = Content.assemble(*right).rstrip() if right else Content("")
    room = width - ending.cell_length - (1 if ending else 0)
    beginning = Content.assemble(*left).truncate(max(room, 1), ellipsis=True)
    gap = width - beginning.cell_length - ending.cell_length
    return beginning + Content(" " * max(gap, 0)) + ending if ending else beginning
