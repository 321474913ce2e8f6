"""One thing that is not sent, as a row: what it is and what it waits for, above its text."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content

from nostr_client.resilience.copy_words import refusal_words
from nostr_client.safe_text import first_lines, safe_line
from nostr_client.social.draft_text import DraftText
from nostr_client.social.drafts import SHOWN_BYTES, KeptDraft
from nostr_client.social.scheduled import ScheduledNote
from nostr_client.social.synced_drafts import SyncedDraft
from nostr_client.social.unplaced import UnplacedNote
from nostr_client.tui.completing import MentionNames
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.time_format import ahead, moment, passed
from nostr_client.tui.widgets.items import ItemRenderer, Styles
from nostr_client.tui.widgets.send_progress import relay_name


@dataclass(frozen=True, slots=True)
class HeldRow:
    """An act that an earlier run held and did not do; `name` is that of its file."""

    name: str
    act: HeldAct

    @property
    def key(self) -> str:
        return f"held-{self.name}"


@dataclass(frozen=True, slots=True)
class UnplacedRow:
    """A note that is stored, and that no relay has yet."""

    note: UnplacedNote

    @property
    def key(self) -> str:
        return f"unplaced-{self.note.event.id}"


@dataclass(frozen=True, slots=True)
class ScheduledRow:
    """A note that goes out at a time. `problem`: why that could not be done when it was due."""

    note: ScheduledNote
    late: bool = False
    problem: str = ""

    @property
    def key(self) -> str:
        return f"scheduled-{self.note.id}"


@dataclass(frozen=True, slots=True)
class SyncedRow:
    """A draft that another device began."""

    draft: SyncedDraft

    @property
    def key(self) -> str:
        return f"synced-{self.draft.identifier}"


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A draft of this machine."""

    draft: KeptDraft

    @property
    def key(self) -> str:
        return self.draft.name


UnsentRow = HeldRow | UnplacedRow | ScheduledRow | SyncedRow | DraftRow


class UnsentRenderer(ItemRenderer[UnsentRow]):
    """What it is and when, above the beginning of its text, in which people have their names."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of

    def key(self, item: UnsentRow) -> str:
        return item.key

    def lines(self, item: UnsentRow, width: int, style: Styles) -> list[Content]:
        what, when, mood, text = _said(item, time.time())
        head = Content.assemble((f"{what}  ", style("list--strong")), (when, style(mood)))
        shown = MentionNames().shown(text[:SHOWN_BYTES], self._name_of)
        first = next(iter(first_lines(shown)), "")
        below = Content.styled(first, style("list--dim"))
        return [line.truncate(width, ellipsis=True) for line in (head, below)]


def _said(item: UnsentRow, now: float) -> tuple[str, str, str, str]:
    """What it is, what is said of it, in which style, and its text; only the text is raw."""
    match item:
        case HeldRow(act=act):
            return (
                "not done",
                with_keys("when the program ended; {list.choose} does it"),
                "list--warn",
                act.words,
            )
        case UnplacedRow(note=note):
            return "note", _waits(note, now), "list--warn", note.event.content
        case ScheduledRow(note=scheduled, late=late, problem=problem):
            writing = scheduled.writing
            when = f"goes out {moment(scheduled.at, now)}, {ahead(scheduled.at, now)}"
            if late:
                when = f"was to go out {moment(scheduled.at, now)}: nobody was here; "
                when += with_keys("{drafts.send_now} sends it")
            words = f"{when}: {problem}".replace("\n", " ") if problem else when
            mood = "list--warn" if late or problem else "list--good"
            return _what(writing.reply_to, writing.quote), words, mood, writing.text
        case SyncedRow(draft=synced):
            writing = synced.writing
            words = f"draft of another device, {passed(synced.at, now)}"
            return _what(writing.reply_to, writing.quote), words, "list--dim", writing.text
        case DraftRow(draft=draft):
            what = "private message" if draft.is_private else _what(draft.answers, draft.quotes)
            what = "poll" if draft.is_poll else what
            text = "encrypted" if draft.is_private else DraftText.of(draft.text).body
            return what, f"draft, {passed(draft.at, now)}", "list--dim", text


def _waits(note: UnplacedNote, now: float) -> str:
    """How far a note that no relay has is, and what comes next."""
    words = f"waiting: 0 of {len(note.copies)} relays have it, tried {ahead(note.next_try, now)}"
    if (last := note.last_word) is not None:
        words += f"; {relay_name(last.url)}: {safe_line(refusal_words(last), 120)}"
    return words


def _what(answers: str, quotes: str) -> str:
    return "answer" if answers else "quote" if quotes else "note"
