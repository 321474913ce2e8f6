"""Drafts: all that was written here and is not sent, with what goes out at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.safe_text import first_lines
from nostr_client.social.scheduled import ScheduledNote
from nostr_client.social.synced_drafts import SyncedDraft
from nostr_client.social.views import Posted, RelayRow
from nostr_client.social.writing import Writing
from nostr_client.tui.app_messages import Say, WriteOn
from nostr_client.tui.completing import MentionNames
from nostr_client.tui.draft_text import DraftText
from nostr_client.tui.drafts import (
    SHOWN_BYTES,
    DraftFile,
    KeptDraft,
    kept_drafts,
    private_room,
)
from nostr_client.tui.keymap import LIST, Key, KeyGroup
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.note_compose import Purpose
from nostr_client.tui.screens.room import RoomScreen
from nostr_client.tui.time_format import ahead, moment, passed
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import Work, start_worker

EMPTY: Final = "Nothing waits here. What you begin to write and close is kept, and stands here."
LATE_ENOUGH: Final = 60
"""Seconds after its time from which on a note that went out is said to be late."""
KEYS: Final = KeyGroup(
    "Drafts",
    (
        Key("x", "throw_away", "Throw it away (asks first)", "throw away"),
        Key("s", "send_now", "Send a scheduled note now (asks first)", "send now"),
    ),
)


@dataclass(frozen=True, slots=True)
class Unsent:
    """One thing that is not sent: a draft, one that another device began, or a note that goes out
    at a time. `problem`: why that could not be done when it was due."""

    draft: KeptDraft | None = None
    synced: SyncedDraft | None = None
    scheduled: ScheduledNote | None = None
    late: bool = False
    problem: str = ""

    @property
    def key(self) -> str:
        if self.scheduled is not None:
            return f"scheduled-{self.scheduled.id}"
        if self.synced is not None:
            return f"synced-{self.synced.identifier}"
        return self.draft.name if self.draft is not None else ""


class UnsentRenderer(ItemRenderer[Unsent]):
    """What it is and when, above the beginning of its text, in which people have their names."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of

    def key(self, item: Unsent) -> str:
        return item.key

    def lines(self, item: Unsent, width: int, style: Styles) -> list[Content]:
        dim, now = style("list--dim"), time.time()
        if item.scheduled is not None:
            writing = item.scheduled.writing
            what = _what(writing.reply_to, writing.quote)
            when = f"goes out {moment(item.scheduled.at, now)}, {ahead(item.scheduled.at, now)}"
            if item.late:
                when = (
                    f"was to go out {moment(item.scheduled.at, now)}: nobody was here; s sends it"
                )
            bad = item.late or bool(item.problem)
            words = f"{when}: {item.problem}" if item.problem else when
            head = Content.assemble(
                (f"{what}  ", style("list--strong")),
                (words.replace("\n", " "), style("list--warn" if bad else "list--good")),
            )
            text = writing.text
        elif item.synced is not None:
            writing = item.synced.writing
            head = Content.assemble(
                (f"{_what(writing.reply_to, writing.quote)}  ", style("list--strong")),
                (f"draft of another device, {passed(item.synced.at, now)}", dim),
            )
            text = writing.text
        else:
            draft = item.draft or KeptDraft("", "", 0)
            what = "private message" if draft.is_private else _what(draft.answers, draft.quotes)
            head = Content.assemble(
                (f"{what}  ", style("list--strong")), (f"draft, {passed(draft.at, now)}", dim)
            )
            text = "encrypted" if draft.is_private else DraftText.of(draft.text).body
        shown = MentionNames().shown(text[:SHOWN_BYTES], self._name_of)
        first = next(iter(first_lines(shown)), "")
        return [line.truncate(width, ellipsis=True) for line in (head, Content.styled(first, dim))]


def _what(answers: str, quotes: str) -> str:
    return "answer" if answers else "quote" if quotes else "note"


class UnsentList(WindowedList[Unsent]):
    """What is not sent; enter goes on with it."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    class Wanted(Message):
        """Something is to be done with the selected one: open, throw_away, send_now."""

        def __init__(self, item: Unsent, what: str) -> None:
            super().__init__()
            self.item = item
            self.what = what

    def _want(self, what: str) -> None:
        if (item := self.selected) is not None:
            self.post_message(self.Wanted(item, what))

    def action_choose(self) -> None:
        self._want("open")

    def action_throw_away(self) -> None:
        self._want("throw_away")

    def action_send_now(self) -> None:
        self._want("send_now")


class DraftsPane(PaneView):
    """The drafts and the schedule of the account."""

    has_mark = True

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._names = context.names
        self._list = UnsentList(UnsentRenderer(context.names.label), gap=1)
        self._foot = Static("", markup=False, classes="foot")
        self._shown: tuple[Unsent, ...] = ()
        self._elsewhere: tuple[SyncedDraft, ...] = ()
        self._asked: set[str] = set()
        """Late notes about which the person was asked in this run."""
        self._client.schedule.on_sent = self._went_out

    def compose(self) -> ComposeResult:
        yield Static("drafts · enter goes on with one", markup=False, classes="head")
        yield self._list
        yield self._foot

    @property
    def front(self) -> UnsentList:
        return self._list

    def open(self) -> None:
        start_worker(self, self._read, "drafts")
        if self._client.synced_drafts.on:
            start_worker(self, partial(self._done, self._fetch), "synced", exclusive=True)

    async def _fetch(self) -> None:
        await self._client.synced_drafts.fetch()
        self._elsewhere = tuple(await self._client.synced_drafts.elsewhere())

    def redraw(self, *, shown: bool) -> None:
        self._list.redraw()

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        waiting = await self._client.schedule.all()
        late = [note for note in waiting if note.is_late(time.time())]
        self.mark = "!" if late else ""
        if shown:
            await self._show(waiting)
        if self._client.signer is None or not self.is_attached:
            return
        if self.app.screen is self.screen:
            for note in late:
                if note.id not in self._asked:
                    self._asked.add(note.id)
                    start_worker(self, partial(self._done, partial(self._ask_late, note)), "late")
                    return

    async def _read(self) -> None:
        try:
            await self._show(await self._client.schedule.all())
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _show(self, waiting: Sequence[ScheduledNote]) -> None:
        client, now = self._client, time.time()
        kept = await asyncio.to_thread(kept_drafts, client.paths, client.pubkey)
        problems = client.schedule.problems
        found = (
            *(
                Unsent(scheduled=note, late=note.is_late(now), problem=problems.get(note.id, ""))
                for note in waiting
            ),
            *(Unsent(draft=draft) for draft in kept),
            *(Unsent(synced=draft) for draft in self._elsewhere),
        )
        self._foot.update("" if found else EMPTY)
        if found != self._shown:
            self._shown = found
            self._list.renew(FixedItems(found, self._list.renderer.key))

    # What is done with one

    def on_unsent_list_wanted(self, message: UnsentList.Wanted) -> None:
        work = {
            "open": self._open,
            "throw_away": self._throw_away,
            "send_now": self._send_now,
        }[message.what]
        start_worker(self, partial(self._done, partial(work, message.item)), "draft")

    async def _done(self, work: Work) -> None:
        try:
            await work()
            await self._read()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _open(self, item: Unsent) -> None:
        """Go on writing. A scheduled note is taken back for it, and is a draft from then on."""
        if item.scheduled is not None:
            await self._write_on_scheduled(item.scheduled)
        elif item.synced is not None:
            await self._write_on_synced(item.synced)
        elif item.draft is not None and item.draft.is_private:
            await self._open_room(item.draft)
        elif item.draft is not None:
            self.post_message(WriteOn(item.draft.answers, item.draft.quotes))

    async def _write_on_synced(self, synced: SyncedDraft) -> None:
        """It is a draft of this machine from then on, which goes on with the other one."""
        file, draft, name = self._draft_for(synced.writing)
        await asyncio.to_thread(file.put_back, draft)
        await self._client.synced_drafts.adopt(name, synced.identifier)
        self._elsewhere = tuple(one for one in self._elsewhere if one != synced)
        self.post_message(WriteOn(synced.writing.reply_to, synced.writing.quote))

    def _draft_for(self, writing: Writing) -> tuple[DraftFile, str, str]:
        """Where what was written is a draft, as what, and under which name."""
        name = Purpose(writing.reply_to, writing.quote).draft_name
        file = DraftFile(self._client.paths, self._client.pubkey, name)
        return file, str(DraftText(writing.text, writing.warning)), name

    async def _write_on_scheduled(self, note: ScheduledNote) -> None:
        writing = note.writing
        file, draft, _ = self._draft_for(writing)
        await asyncio.to_thread(file.put_back, draft)  # first, so that it lies somewhere always
        if await self._client.schedule.take_back(note.id) is None:
            await asyncio.to_thread(file.drop_sent, draft)
            self.post_message(Say("It is too late to change it: it is being sent.", "warning"))
            return
        self.post_message(WriteOn(writing.reply_to, writing.quote))

    async def _open_room(self, draft: KeptDraft) -> None:
        for room in await self._client.messages.conversations():
            if draft.name.startswith(private_room(room.members)):
                self.app.push_screen(RoomScreen(self._client, room.members, self._names))
                return
        self.post_message(Say("Its conversation is not here: there it is opened.", "warning"))

    async def _throw_away(self, item: Unsent) -> None:
        question = ConfirmDialog("Throw it away?", "It is kept nowhere else.", yes="throw away")
        if not await self.app.push_screen_wait(question):
            return
        if item.scheduled is not None:
            if await self._client.schedule.take_back(item.scheduled.id) is None:
                self.post_message(Say("It is too late: it is being sent.", "warning"))
        elif item.synced is not None:
            await self._client.synced_drafts.blank(item.synced.identifier)
            self._elsewhere = tuple(one for one in self._elsewhere if one != item.synced)
        elif item.draft is not None:
            file = DraftFile(self._client.paths, self._client.pubkey, item.draft.name)
            await asyncio.to_thread(file.drop)
            if not item.draft.is_private:
                await self._client.synced_drafts.forget(item.draft.name)

    async def _send_now(self, item: Unsent) -> None:
        if item.scheduled is None:
            self.post_message(Say("enter opens a draft, ctrl+s sends it."))
        elif await self.app.push_screen_wait(ConfirmDialog("Send it now?", yes="send")):
            await self._client.schedule.send_now(item.scheduled.id)

    async def _ask_late(self, note: ScheduledNote) -> None:
        first = next(iter(first_lines(note.writing.text)), "")
        question = ConfirmDialog(
            f"A note was to go out {moment(note.at, time.time())}, and nobody was here. Send it?",
            f"“{first}”  Else it waits among the drafts.",
            yes="send it now",
        )
        if await self.app.push_screen_wait(question):
            await self._client.schedule.send_now(note.id)

    def _went_out(self, note: ScheduledNote, posted: Posted) -> None:
        late = time.time() - note.at
        words = f", {late / 60:.0f} min late" if late >= LATE_ENOUGH else ""
        first = next(iter(first_lines(note.writing.text)), "")
        self.post_message(Say(f"A scheduled note went out{words}: {first}"))


PANE: Final = Pane(
    "drafts",
    "6",
    "Drafts: what is not sent, and what goes out at a time",
    DraftsPane,
    (KEYS, LIST),
    place=65,
)
