"""Lists: earlier versions of one's own, compared, taken back, put together."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.list_history import ListVersion
from nostr_client.social.list_versions import NAMES, ListItem, changes_between, is_fork, items_of
from nostr_client.social.list_words import change_lines, item_line, size_of
from nostr_client.social.views import RelayRow
from nostr_client.tui.actions import Actions
from nostr_client.tui.app_messages import ActRequest
from nostr_client.tui.copies_lines import DIM
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.time_format import minute, passed
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

MOST_LINES: Final = 400
"""Lines of a difference that are shown."""
LISTS: Final = tuple(NAMES)
KEYS: Final = KeyGroup(
    "Lists",
    (
        Key("right,l", "turn(1)", "The next list", "next list", name="next_list"),
        Key("left,h", "turn(-1)", "The list before", name="previous_list"),
        Key("m", "mark", "Compare with this version; once more: no longer", "compare"),
        Key("U", "undo", "Undo to this version (asks first)", "undo to it"),
        Key("M", "merge", "Put this version and the marked one together, or two devices'", "merge"),
    ),
    "lists",
)


@dataclass(frozen=True)
class VersionRow:
    """A version in the list: 1 is the newest; `before` is the one that it took the place of."""

    number: int
    event: Event
    before: Event | None
    marked: bool = False


class VersionRenderer(ItemRenderer[VersionRow]):
    """A version on one line."""

    def key(self, item: VersionRow) -> str:
        return item.event.id

    def lines(self, item: VersionRow, width: int, style: Styles) -> list[Content]:
        size = size_of(item.event, item.before)
        private = ", and a private part" if size.private_part else ""
        mark = "◆" if item.marked else " "
        line = Content.assemble(
            (f"{mark} {item.number:>3}  ", style("list--warn")),
            (minute(item.event.created_at), style("list--strong")),
            (f"  {passed(item.event.created_at, time.time()):<12}", style("list--dim")),
            f"  {size.entries:>5} {size.noun}{private}",
            (f"  {size.signs}", style("list--dim")),
        )
        return [line.truncate(width, ellipsis=True)]


class VersionList(WindowedList[VersionRow]):
    """The versions of one list."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    class Wish(Message):
        """What is to be done: "mark", "undo", "merge", or "turn" by so many lists."""

        def __init__(self, what: str, by: int = 0) -> None:
            super().__init__()
            self.what = what
            self.by = by

    def action_turn(self, by: int) -> None:
        self.post_message(self.Wish("turn", by))

    def action_choose(self) -> None:
        self.action_mark()

    def action_mark(self) -> None:
        self.post_message(self.Wish("mark"))

    def action_undo(self) -> None:
        self.post_message(self.Wish("undo"))

    def action_merge(self) -> None:
        self.post_message(self.Wish("merge"))


class ListsPane(PaneView):
    """The time machine of the account's lists."""

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._lists = context.client.lists
        self._names = context.names
        self._list = "follows"
        self._events: Sequence[Event] = ()
        self._marked = ""
        self._asked: set[str] = set()
        self.versions = VersionList(VersionRenderer(), gap=0)

    def compose(self) -> ComposeResult:
        yield Static("", markup=False, classes="head", id="lists-head")
        yield self.versions
        yield Static("", markup=False, classes="foot", id="lists-foot")
        with VerticalScroll(id="difference", can_focus=True):
            yield Static("", markup=False, id="difference-lines")

    @property
    def front(self) -> VersionList:
        return self.versions

    @property
    def kind(self) -> int:
        """That of the list that is shown."""
        return NAMES[self._list]

    def open(self) -> None:
        start_worker(self, self._open, "lists", exclusive=True)

    async def _open(self) -> None:
        """Show what is here, then ask relays once for what is newer."""
        try:
            await self._read()
            if self._list not in self._asked:
                self._asked.add(self._list)
                await self._lists.list_of(self.kind).fetch()
                await self._read()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def redraw(self, *, shown: bool) -> None:
        if shown:  # somebody's name has come
            start_worker(self, self._compare, "difference", exclusive=True)

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if shown:
            newest = await self._lists.list_of(self.kind).event()
            if newest is not None and (not self._events or newest.id != self._events[0].id):
                await self._read()

    async def _read(self) -> None:
        self._events = await self._lists.versions(self.kind)
        rows = self._rows()
        self.versions.renew(FixedItems(rows, self.versions.renderer.key))
        place = LISTS.index(self._list)
        count = "1 version" if len(rows) == 1 else f"{len(rows)} versions"
        head = Content.assemble(
            (self._list, "bold $text-primary"),
            f" · {count} · ",
            (f"← {LISTS[place - 1]}  → {LISTS[(place + 1) % len(LISTS)]}", DIM),
        )
        set_text(self, "#lists-head", head)
        set_text(self, "#lists-foot", _foot(self._events))
        if not rows:
            set_text(self, "#difference-lines", "")

    def _rows(self) -> list[VersionRow]:
        before = [*self._events[1:], None]
        return [
            VersionRow(number, event, older, event.id == self._marked)
            for number, (event, older) in enumerate(zip(self._events, before, strict=False), 1)
        ]

    # What is different

    def on_windowed_list_highlighted(self) -> None:
        start_worker(self, self._compare, "difference", exclusive=True)

    async def _compare(self) -> None:
        """The version under the cursor, and what it took the place of, or the marked one."""
        row = self.versions.selected
        if row is None:
            return
        try:
            chosen = await self._version(row.event)
            other = next((e for e in self._events if e.id == self._marked), row.before)
            before = await self._version(other) if other and other.id != row.event.id else None
            await self._names.know(_people(chosen.items, before.items if before else ()))
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
            return
        lines = list(self._difference(chosen, before))
        if len(lines) > MOST_LINES:
            rest = Content.styled(f"… and {len(lines) - MOST_LINES} lines more", DIM)
            lines = [*lines[:MOST_LINES], rest]
        set_text(self, "#difference-lines", Content("\n").join(lines))

    async def _version(self, event: Event) -> ListVersion:
        return await self._lists.version(self.kind, event.id)

    def _difference(self, chosen: ListVersion, before: ListVersion | None) -> Iterator[Content]:
        name_of = self._names.label
        if before is None:
            yield Content.styled(f"all that version {chosen.number} holds", DIM)
            yield from (Content(item_line(item, name_of)) for item in chosen.items)
        else:
            words = f"version {chosen.number}, beside version {before.number}"
            yield Content.styled(words, DIM)
            changes = changes_between(before.items, chosen.items)
            if not changes:
                yield Content("they hold the same")
            for change in changes:
                for line in change_lines(change, name_of):
                    sign = line.lstrip("~")[:1]
                    yield Content.styled(line, "$text-success" if sign == "+" else "$text-error")
        if chosen.is_closed:
            yield Content.styled("there is a private part that cannot be read here", DIM)

    # What is done

    def on_version_list_wish(self, message: VersionList.Wish) -> None:
        row = self.versions.selected
        match message.what:
            case "turn":
                place = (LISTS.index(self._list) + message.by) % len(LISTS)
                self._list, self._marked, self._events = LISTS[place], "", ()
                self.open()
            case "mark" if row is not None:
                self._marked = "" if self._marked == row.event.id else row.event.id
                self.versions.renew(FixedItems(self._rows(), self.versions.renderer.key))
                start_worker(self, self._compare, "difference", exclusive=True)
            case "undo" if row is not None and row.number > 1:
                self._act(row.event, None, None)
            case "undo":
                self.post_message(Say("That is how it is now: choose an earlier version."))
            case "merge":
                self._merge(row)

    def _merge(self, row: VersionRow | None) -> None:
        """The version under the cursor and the marked one; else two devices' versions."""
        each = list(self._events)
        marked = next((e for e in each if e.id == self._marked), None)
        if row is not None and marked is not None and marked.id != row.event.id:
            older = max(each.index(marked), row.number - 1) + 1
            if older < len(each):
                self._act(row.event, marked, each[older])
                return
            words = "No version is here that both could have been made from."
        elif forked(each):
            self._act(each[1], each[0], each[2])
            return
        else:
            marks = "{lists.mark} marks a version, {lists.merge} on another one merges them"
            words = with_keys(f"Nothing to put together: {marks}.")
        self.post_message(Say(words))

    def _act(self, mine: Event, theirs: Event | None, base: Event | None) -> None:
        """Undo to `mine`, or put it together with `theirs`, both made from `base`."""
        ids = [event.id for event in (mine, theirs, base) if event is not None]
        seen = self._events[0].id
        self.post_message(ActRequest(partial(_restore, kind=self.kind, ids=ids, seen=seen)))


async def _restore(actions: Actions, *, kind: int, ids: Sequence[str], seen: str) -> object:
    return await actions.restore_list(kind, ids, seen)


def forked(events: Sequence[Event]) -> bool:
    """Did another device make the newest version without knowing the one before it?"""
    if len(events) < 3:
        return False
    theirs, mine, base = (items_of(event) for event in events[:3])
    return is_fork(base, mine, theirs)


def _people(one: Sequence[ListItem], other: Sequence[ListItem]) -> set[str]:
    """The pubkeys that only one of two versions holds, as many as are shown."""
    people: set[str] = set()
    for here, there in ((one, frozenset(other)), (other, frozenset(one))):
        tags = (item.tag for item in here if item not in there)
        named = (value for first, *values in tags if first == "p" for value in values[:1])
        people |= set(islice(filter(is_hex64, named), MOST_LINES))
    return people


def _foot(events: Sequence[Event]) -> str:
    if not events:
        return "No version of it is here, nor did a relay have one so far."
    if forked(events):
        return with_keys(
            "Two devices made versions 1 and 2, it seems: {lists.merge} puts both together."
        )
    return ""


PANE: Final = Pane(
    "lists",
    "0",
    "Lists: what you follow, mute, use; earlier versions",
    ListsPane,
    (KEYS, LIST),
    place=100,
)
