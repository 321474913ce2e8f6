"""Drafts: all that was written or done here and is not sent, with what goes out at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from nostr_client.errors import InvalidEvent, NostrError
from nostr_client.safe_text import first_lines
from nostr_client.social.drafts import DraftFile, KeptDraft, kept_drafts, private_room
from nostr_client.social.scheduled import HERE_ONLY, ScheduledNote
from nostr_client.social.synced_drafts import SyncedDraft
from nostr_client.social.taken_back import put_back, take_back
from nostr_client.social.unplaced import UnplacedNote
from nostr_client.social.views import Posted, RelayRow
from nostr_client.social.when import HOW, parse_when
from nostr_client.social.writing import Writing
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.registry import ACT_BY_ID
from nostr_client.tui.app_messages import ActRequest, Open, WriteOn
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.targets import NoteTarget, RoomTarget
from nostr_client.tui.time_format import moment
from nostr_client.tui.unsent_rows import (
    DraftRow,
    HeldRow,
    ScheduledRow,
    SyncedRow,
    UnplacedRow,
    UnsentRenderer,
    UnsentRow,
)
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.send_progress import relay_name
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import Work, start_worker

LATER: Final = "in a draft, {writing_note.later} gives one"
EMPTY: Final = "Nothing waits here. What you begin to write and close is kept, and stands here."
LATE_ENOUGH: Final = 60
"""Seconds after its time from which on a note that went out is said to be late."""
SEND_LIMIT: Final = 10.0
"""Seconds in which relays are tried on request."""
KEYS: Final = KeyGroup(
    "Drafts",
    (
        Key("x", "throw_away", "Throw it away (asks first)", "throw away"),
        Key("s", "send_now", "Send it now: a scheduled note (asks), or one that waits", "send now"),
        Key("t", "another_time", "Have a scheduled note go out at another time", "another time"),
    ),
)


class UnsentList(WindowedList[UnsentRow]):
    """What is not sent; enter goes on with it."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    class Wanted(Message):
        """Something (`what`) is to be done with the selected one."""

        def __init__(self, item: UnsentRow, what: str) -> None:
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

    def action_another_time(self) -> None:
        self._want("another_time")


class DraftsPane(PaneView):
    """What an earlier run held, what no relay has, the schedule, the drafts; in this order."""

    has_mark = True

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._held = context.held
        self._names = context.names
        self._list = UnsentList(UnsentRenderer(context.names.label), gap=1)
        self._foot = Static("", markup=False, classes="foot")
        self._shown: tuple[UnsentRow, ...] = ()
        self._elsewhere: tuple[SyncedDraft, ...] = ()
        self._asked: set[str] = set()
        """Late notes about which the person was asked in this run."""
        self._client.schedule.on_sent = self._went_out

    def compose(self) -> ComposeResult:
        yield Static(
            with_keys("drafts · {list.choose} goes on with one"), markup=False, classes="head"
        )
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
        held = await self._held.left_over() if self._held is not None else {}
        found: tuple[UnsentRow, ...] = (
            *(HeldRow(name, act) for name, act in held.items()),
            *(UnplacedRow(note) for note in await client.unplaced.all()),
            *(ScheduledRow(note, note.is_late(now), problems.get(note.id, "")) for note in waiting),
            *(DraftRow(draft) for draft in kept),
            *(SyncedRow(draft) for draft in self._elsewhere),
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
            "another_time": self._ask_when,
        }[message.what]
        start_worker(self, partial(self._done, partial(work, message.item)), "draft")

    async def _done(self, work: Work) -> None:
        try:
            await work()
            await self._read()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _open(self, item: UnsentRow) -> None:
        """Go on writing. A scheduled note is taken back for it, and is a draft from then on."""
        match item:
            case HeldRow(name=name) if (held := self._held) is not None:
                self._act(lambda _: held.do_left_over(name))
            case UnplacedRow(note=unplaced):
                await self._write_on_unplaced(unplaced)
            case ScheduledRow(note=note):
                await self._write_on_scheduled(note)
            case SyncedRow(draft=synced):
                await self._write_on_synced(synced)
            case DraftRow(draft=draft) if draft.is_private:
                await self._open_room(draft)
            case DraftRow(draft=draft) if draft.is_poll:
                self.post_message(ACT_BY_ID["poll"].on(None))
            case DraftRow(draft=draft):
                self.post_message(WriteOn(draft.answers, draft.quotes))

    def _act(self, work: Callable[[Actions], Awaitable[object]]) -> None:
        """Do what needs the account's key, and show what is left."""

        async def act(actions: Actions) -> None:
            await work(actions)
            await self._read()

        self.post_message(ActRequest(act))

    async def _write_on_unplaced(self, unplaced: UnplacedNote) -> None:
        """It is deleted where it can be written anew and no relay was handed it; else shown."""
        event, notes = unplaced.event, self._client.unplaced
        try:
            if unplaced.handed:
                raise InvalidEvent(f"{relay_name(unplaced.handed[0])} was handed it")
            writing = await notes.writing_of(event)
        except InvalidEvent as error:
            self.post_message(Say(f"It stays as it is: {error}.", "warning"))
            self.post_message(Open(NoteTarget(event.id, author=event.pubkey)))
            return
        question = ConfirmDialog(
            "No relay has it yet. Take it back and write on?",
            "It is deleted, here and wherever a copy goes meanwhile; what you send is a new note.",
            yes="take it back",
        )
        if await self.app.push_screen_wait(question):
            self._act(lambda actions: self._take_back(actions, event.id, writing))

    async def _take_back(self, actions: Actions, event_id: str, writing: Writing) -> None:
        withdraw = partial(self._client.unplaced.take_back, event_id)
        try:
            await take_back(self._client.paths, self._client.pubkey, writing, withdraw)
        except NostrError as error:
            actions.say(f"It stays as it is: {error}", "warning")
        else:
            actions.post(WriteOn(writing.reply_to, writing.quote))

    async def _write_on_synced(self, synced: SyncedDraft) -> None:
        """It is a draft of this machine from then on, which goes on with the other one."""
        client = self._client
        kept = await put_back(client.paths, client.pubkey, synced.writing)
        await self._client.synced_drafts.adopt(kept.file.name, synced.identifier)
        self._elsewhere = tuple(one for one in self._elsewhere if one != synced)
        self.post_message(WriteOn(synced.writing.reply_to, synced.writing.quote))

    async def _write_on_scheduled(self, note: ScheduledNote) -> None:
        client, writing = self._client, note.writing
        withdraw = partial(client.schedule.take_back, note.id)
        if await take_back(client.paths, client.pubkey, writing, withdraw) is None:
            self.post_message(Say("It is too late to change it: it is being sent.", "warning"))
            return
        self.post_message(WriteOn(writing.reply_to, writing.quote))

    async def _open_room(self, draft: KeptDraft) -> None:
        for room in await self._client.messages.conversations():
            if draft.name.startswith(private_room(room.members)):
                self.post_message(Open(RoomTarget(room.members)))
                return
        self.post_message(Say("Its conversation is not here: there it is opened.", "warning"))

    async def _throw_away(self, item: UnsentRow) -> None:
        if isinstance(item, UnplacedRow):
            for view in await self._client.timeline.views([item.note.event.id]):
                self.post_message(ACT_BY_ID["delete"].on(view))
            return
        question = ConfirmDialog("Throw it away?", "It is kept nowhere else.", yes="throw away")
        if not await self.app.push_screen_wait(question):
            return
        match item:
            case HeldRow(name=name) if self._held is not None:
                await self._held.drop(name)
            case ScheduledRow(note=note):
                if await self._client.schedule.take_back(note.id) is None:
                    self.post_message(Say("It is too late: it is being sent.", "warning"))
            case SyncedRow(draft=synced):
                await self._client.synced_drafts.blank(synced.identifier)
                self._elsewhere = tuple(one for one in self._elsewhere if one != synced)
            case DraftRow(draft=draft):
                file = DraftFile(self._client.paths, self._client.pubkey, draft.name)
                await asyncio.to_thread(file.drop)
                if not draft.is_private:
                    await self._client.synced_drafts.forget(draft.name)

    async def _send_now(self, item: UnsentRow) -> None:
        match item:
            case UnplacedRow():
                self.post_message(Say("Relays that wait are tried now."))
                await self._client.replication.send_now(SEND_LIMIT)
            case ScheduledRow(note=note):
                if await self.app.push_screen_wait(ConfirmDialog("Send it now?", yes="send")):
                    await self._client.schedule.send_now(note.id)
            case HeldRow():
                self.post_message(Say(with_keys("{list.choose} does it.")))
            case _:
                self.post_message(
                    Say(with_keys("{list.choose} opens a draft, {writing.send} sends it."))
                )

    async def _ask_when(self, item: UnsentRow) -> None:
        if not isinstance(item, ScheduledRow):
            self.post_message(Say(with_keys(f"Only a scheduled note has a time: {LATER}.")))
            return
        dialog = PromptDialog("When is it to go out?", HOW, yes="schedule", detail=HERE_ONLY)
        typed = await self.app.push_screen_wait(dialog)
        if not typed:
            return
        at = parse_when(typed, time.time())
        if await self._client.schedule.change(item.note.id, at=at) is None:
            self.post_message(Say("It is too late: it is being sent.", "warning"))

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
    "",
    "Drafts: what is not sent, and what goes out at a time",
    DraftsPane,
    (KEYS, LIST),
    place=65,
)
