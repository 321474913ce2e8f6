"""How notifications look: one line each, under the day they are of; from the engine's rows to safe
lines of a list."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from textual.content import Content

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.safe_text import safe_line
from nostr_client.social.note_views import warning_of
from nostr_client.social.notification_views import (
    Notification,
    NotificationRow,
    NotificationSort,
    StrangersFold,
)
from nostr_client.social.views import Profile, ZapSum
from nostr_client.tui.faces.sheet import NameOf, plain
from nostr_client.tui.glyphs import UNICODE, glyphs
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.names import with_names
from nostr_client.tui.note_renderer import NOT_HERE, ZAP, not_the_one, sats
from nostr_client.tui.time_format import ago, date
from nostr_client.tui.widgets.items import ItemRenderer, Styles

MOST_READ: Final = 400
"""Characters of an event that are looked at for its line."""
NAMED: Final = 2
"""People of a row that are named, where there are no more."""
WHO: Final = 28
"""Cells for who it was, where there is room."""
SIGNS: Final = {
    NotificationSort.REPLY: ("↩", "re"),
    NotificationSort.MENTION: ("@", "@"),
    NotificationSort.QUOTE: ("“", ">"),
    NotificationSort.MESSAGE: ("✉", "to"),
    NotificationSort.REACTION: ("♥", "<3"),
    NotificationSort.REPOST: ("⟳", "rt"),
    NotificationSort.ZAP: (ZAP, "z"),
    NotificationSort.FOLLOW: ("+", "+"),
    NotificationSort.VOTE: ("☑", "v"),
}
"""The sign of each sort, and the one for terminals without Unicode."""


@dataclass(frozen=True, slots=True)
class NotificationItem:
    """A line of the list: a row of the engine, one of the people of a row (`person`), or the line
    that strangers are folded into, which is `open` or not.

    `head` is the day, above the first item of it. `fresh`: it came since the last visit.
    """

    key: str
    row: NotificationRow
    person: str = ""
    head: str = ""
    fresh: bool = False
    open: bool = False
    depth: int = 0


def items_of(
    rows: Iterable[NotificationRow], unfolded: Collection[str], seen: int, now: float
) -> list[NotificationItem]:
    """The lines of these rows; those whose key is `unfolded` show what is in them. What is newer
    than `seen` (seconds) is fresh."""
    items: list[NotificationItem] = []
    day: datetime.date | None = None
    for row in rows:
        head = day_words(row.day, now) if row.day != day else ""
        day = row.day
        is_open = row.key in unfolded
        items.append(NotificationItem(row.key, row, "", head, row.at > seen, is_open))
        inside = row.rows if isinstance(row, StrangersFold) else [row]
        for one in inside if is_open else ():
            if one is not row:
                shown = one.key in unfolded
                items.append(NotificationItem(one.key, one, "", "", one.at > seen, shown, 1))
            if one is row or one.key in unfolded:
                items += _people(one, 1 if one is row else 2)
    return items


def _people(row: Notification, depth: int) -> list[NotificationItem]:
    if row.count < 2:
        return []
    return [NotificationItem(f"{row.key}/{p}", row, p, depth=depth) for p in row.people]


class NotificationRenderer(ItemRenderer[NotificationItem]):
    """`names` calls people; `problem` says what is wrong with a zap receipt; `namesake` finds whom
    somebody is called like who is followed."""

    def __init__(
        self,
        names: NameOf,
        problem: Callable[[Event], str],
        clock: Callable[[], float] = time.time,
        namesake: Callable[[str], Profile | None] = lambda pubkey: None,
    ) -> None:
        self._name_of = names
        self._namesake = namesake
        self._problem = problem
        self._clock = clock

    def key(self, item: NotificationItem) -> str:
        return item.key

    def lead(self, item: NotificationItem) -> int:
        return 1 if item.head else 0

    def lines(self, item: NotificationItem, width: int, style: Styles) -> list[Content]:
        line = self._line(item, width, style)
        if not item.head:
            return [line]
        rule = "─" if glyphs() is UNICODE else "-"
        head = f"{item.head} {rule * max(width - len(item.head) - 1, 0)}"
        return [Content.styled(head, style("list--dim")).truncate(width), line]

    def _line(self, item: NotificationItem, width: int, style: Styles) -> Content:
        row, dim = item.row, style("list--dim")
        if item.person:
            name, warn = self._name_of(item.person), style("list--warn")
            mark = self._not([item.person])
            return Content.assemble(
                ("  " * item.depth + "  ", dim), name, (f" {mark}" if mark else "", warn)
            ).truncate(width)
        new = (glyphs().there if item.fresh else " ", style("list--good"))
        when = ago(row.at, self._clock())
        if isinstance(row, StrangersFold):
            left = Content.assemble(new, (f" {fold_words(row, open=item.open)}", dim))
            return _ended(left, Content.styled(when, dim), width)
        sign = SIGNS[row.sort][glyphs() is not UNICODE]
        indent = "  " * item.depth
        who = style("list--strong")
        start = Content.assemble(new, f"{indent} ", (f"{sign:<2} ", style("list--warn")))
        people = Content.styled(self._who(row), who)
        text, mark = self._text(item), self._not(row.people[:NAMED])
        if text or mark:
            room = min(WHO, max(width // 3, 8))
            people = people.truncate(room, ellipsis=True)
            people += Content(" " * (room + 1 - people.cell_length))
            people += Content.assemble((f"{mark} " if mark else "", style("list--warn")), text)
        return _ended(start + people, Content.styled(when, dim), width)

    def _not(self, people: Iterable[str]) -> str:
        """A warning where one of these bears the name of somebody who is followed."""
        other = next(filter(None, map(self._namesake, people)), None)
        return not_the_one(other) if other is not None else ""

    def _who(self, row: Notification) -> str:
        return who_words([self._name_of(pubkey) for pubkey in row.people[:NAMED]], row)

    def _text(self, item: NotificationItem) -> str:
        row = item.row
        if isinstance(row, StrangersFold):
            return ""
        if row.crowd and not item.open:
            return crowd_words(row)
        words = row_words(row, self._name_of)
        if row.sort is NotificationSort.ZAP and row.event is not None:
            wrong = self._problem(row.event)
            return f"{wrong}" if wrong else words
        return words


def crowd_words(row: Notification) -> str:
    """`▒▒ tags 25 people, 3 notes · x shows, m mutes ▒▒`."""
    notes = f", {row.said} notes" if row.said > 1 else ""
    keys = with_keys("{notifications.unfold} shows, {notifications.mute} mutes")
    return plain(f"▒▒ tags {row.crowd:,} people{notes} · {keys} ▒▒")


def who_words(names: Sequence[str], row: Notification) -> str:
    """`Ana and 4 others`, `dee, eli`; with the words that follow where nothing else does."""
    if row.count <= NAMED:
        who = ", ".join(names)
    else:
        others = row.count - 1
        who = f"{names[0]} and {others} others"
    if row.sort is NotificationSort.FOLLOW:
        return f"{who} {'follows' if row.count == 1 else 'follow'} you"
    return who


def row_words(row: Notification, name_of: NameOf) -> str:
    """What a row is about, on one safe line: what was said, or what it was said to."""
    match row.sort:
        case NotificationSort.FOLLOW:
            return ""
        case NotificationSort.REACTION:
            marks = [mark for mark in row.marks if mark not in ("+", "")]
            shown = " ".join(safe_line(mark, 12) for mark in marks)
            about = event_words(row.target, name_of)
            return f"{shown} · {about}" if shown else about
        case NotificationSort.ZAP:
            about = event_words(row.target, name_of) if row.target_id else ""
            return " · ".join(filter(None, (zap_words(row.zapped), about)))
        case NotificationSort.REPOST | NotificationSort.VOTE:
            return event_words(row.target, name_of)
    return event_words(row.event, name_of)


def zap_words(zapped: ZapSum) -> str:
    """`21 sats`, `1,000 sats claimed`: what nobody vouches for is never an amount by itself."""
    checked = f"{sats(zapped.checked)} sats" if zapped.checked else ""
    claimed = f"{sats(zapped.claimed)} sats claimed" if zapped.claims else ""
    return ", ".join(filter(None, (checked, claimed)))


def event_words(event: Event | None, name_of: NameOf) -> str:
    """The beginning of an event, on one safe line."""
    if event is None:
        return NOT_HERE
    if warning_of(event) is not None:
        return "content warning"
    if event.kind in kinds.REPOSTS:
        return "a repost"
    text = event.value("title") or event.content
    line = safe_line(with_names(text[:MOST_READ], name_of))
    return line or safe_line(event.value("alt") or "")[:MOST_READ] or "without words"


def fold_words(fold: StrangersFold, *, open: bool) -> str:
    """`7 from people nobody you know follows · x shows`."""
    number = sum(row.count if not row.sort.is_said else 1 for row in fold.rows)
    verb = "hides" if open else "shows"
    return f"{number} from people nobody you know follows · x {verb}"


def day_words(day: datetime.date, now: float) -> str:
    """`today`, `yesterday`, then the date."""
    today = datetime.datetime.fromtimestamp(now).date()
    if day >= today:
        return "today"
    if day == today - datetime.timedelta(days=1):
        return "yesterday"
    noon = datetime.datetime.combine(day, datetime.time(12))
    return date(int(noon.timestamp()), now)


def _ended(left: Content, right: Content, width: int) -> Content:
    """`left` and `right` at the two ends of a line; `left` gives way."""
    room = max(width - right.cell_length - 1, 1)
    left = left.truncate(room, ellipsis=True)
    return left + Content(" " * max(width - left.cell_length - right.cell_length, 1)) + right
