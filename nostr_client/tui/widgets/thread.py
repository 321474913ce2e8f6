"""A thread on the screen: its head, its tree, where the copies of one's own notes are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import End, Outcome, in_words, outcome_of
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.referenced_events import missing_from
from nostr_client.social.views import ThreadView
from nostr_client.store.rules import address_filter
from nostr_client.tasks import together
from nostr_client.tui.note_renderer import NoteRenderer, copies_line
from nostr_client.tui.saying import Say
from nostr_client.tui.targets import NoteTarget
from nostr_client.tui.thread_renderer import ThreadRenderer, thread_rows
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.note_list import AskAgain, ThreadList
from nostr_client.tui.widgets.static_text import StillText
from nostr_client.tui.workers import start_worker

LOAD_AFTER = 0.1
"""Seconds for which a note must stay selected before its thread is read."""
FETCH_AFTER = 0.6
"""... and looked for on relays."""
ALONE_LIMIT = 0.3
"""Seconds that the reading of a thread waits at most until the note that was opened is painted."""
AT_ONCE = 20
"""Notes on either side of the one that is read that are laid out at once: more than a screen."""
GATHER = 0.3
"""Seconds in which new answers are gathered before the thread is drawn again."""


class ThreadPanel(Vertical):
    """One thread, read from the store, kept up to date; the copies of one's own notes below it."""

    def __init__(self, client: NostrClient, renderer: NoteRenderer, id: str | None = None) -> None:
        super().__init__(id=id)
        self._client = client
        self._renderer = ThreadRenderer(renderer)
        self.target: NoteTarget | None = None
        """The note whose thread is shown."""
        self._opened = self._drawn = False
        self._alone = asyncio.Event()
        """Set when nothing is to be painted before the thread is read."""
        self._thread: ThreadView | None = None
        self._ends: Mapping[str, End] = {}
        self._head = StillText(classes="head")
        self._copies = StillText(classes="foot")
        self.notes = ThreadList(self._renderer, id="thread")

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.notes
        yield self._copies

    def show(self, target: NoteTarget | None, *, at_once: bool = False) -> None:
        """Show the thread of a note; `at_once`: the reader opened it, and does not pass."""
        if target is None:
            self.target = None
            self.workers.cancel_group(self, "thread")
            self.notes.renew(FixedItems([], self._renderer.key))
            self._head.update("")
            self._copies.update("")
            return
        if target == self.target and (self._opened or not at_once):
            return
        self._drawn = self._drawn and target == self.target
        self.target, self._opened, self._ends = target, at_once, {}
        self._alone.set()
        if at_once and not self._drawn:
            self._alone.clear()
            if self.notes.size:
                self._draw_alone(target)
            else:  # a new screen has no width yet
                self.call_after_refresh(self._draw_alone, target)
        start_worker(self, partial(self._live, target), "thread", exclusive=True)

    def on_ask_again(self, message: AskAgain) -> None:
        message.stop()
        if self.target is not None:
            self._opened = True
            self._head.update("asking again for what is missing")
            start_worker(self, partial(self._ask, self.target), "ask", exclusive=True)

    async def _ask(self, target: NoteTarget) -> None:
        try:
            await self._fetch(target, after=0)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _live(self, target: NoteTarget) -> None:
        """Read it, look for more, and follow it, until another note is shown."""
        note_id = target.id
        await asyncio.sleep(0 if self._opened else LOAD_AFTER)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALONE_LIMIT):
                await self._alone.wait()
        try:
            async with together() as group:
                thread = await self._client.threads.load(note_id)
                self._drawn = True
                self._draw(thread, first=True)
                group.create_task(self._judge(thread))
                group.create_task(self._fetch(target))
                related = watched(thread)
                changed = asyncio.Event()
                group.create_task(self._redraw(note_id, changed))
                async with self._client.store.watch(related) as news:
                    async for _ in news:
                        changed.set()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def _draw_alone(self, target: NoteTarget) -> None:
        """A note that was opened stands there while its thread is put together."""
        view, here = target.view, target is self.target and not self._drawn
        if here and view is not None and not view.missing:
            self._draw(ThreadView(target.id, view, ((0, view),)), first=True)
            self._head.update("thread · being read")
        self.call_after_refresh(self._alone.set)

    async def _judge(self, thread: ThreadView) -> None:
        if await self._client.threads.judge(thread):
            self._draw(await self._client.threads.load(thread.focus))

    def on_unfolded(self) -> None:
        if self._thread is not None:
            self._draw(self._thread, anew=True)

    async def _redraw(self, note_id: str, changed: asyncio.Event) -> None:
        while True:
            await changed.wait()
            await asyncio.sleep(GATHER)
            changed.clear()
            self._draw(await self._client.threads.load(note_id))

    async def _fetch(self, target: NoteTarget, after: float = FETCH_AFTER) -> None:
        await asyncio.sleep(after)
        thread = await self._client.threads.fetch(
            target.id,
            relays=target.relays,
            author=target.author,
            in_passing=not self._opened,
        )
        self._ends = thread.ends or self._ends
        self._draw(thread)

    def _draw(self, thread: ThreadView, *, first: bool = False, anew: bool = False) -> None:
        """Draw what was read: `first`: it is another one; `anew`: also if it stands there."""
        if not self.is_mounted or self.target is None or self.target.id != thread.focus:
            return
        thread = thread if thread.ends else replace(thread, ends=self._ends)
        before, self._thread = self._thread, thread
        stands = before is not None and (before, before.ends) == (thread, thread.ends)
        if first or anew or not stands:
            source = FixedItems(thread_rows(thread, self.notes.unfolded), self._renderer.key)
            self.notes.renew(source, select=thread.focus if first else "", around=AT_ONCE)
        self._head.update(_summary(thread))
        focus = next((v for _, v in thread.items if v.event.id == thread.focus), None)
        self._copies.update(copies_line(focus) if focus else "")


def watched(thread: ThreadView) -> list[Filter]:
    """What changes a thread: answers to the note in focus and to what began it, and what the
    thread and its notes name and that is not here."""
    first = [view.event for _, view in thread.items[:1]]
    ids = frozenset({thread.focus, *(event.id for event in first)})
    filters = [Filter(tags={name: ids}) for name in "eE"]
    if addresses := frozenset(event.address for event in first if event.address):
        filters += [Filter(tags={name: addresses}) for name in "aA"]
    named = (named.key for _, view in thread.items for named in missing_from(view))
    lacks = {*thread.missing, *named}
    if absent := frozenset(filter(is_hex64, lacks)):
        filters.append(Filter(ids=absent))
    return [*filters, *(f for key in lacks if (f := address_filter(key)) is not None)]


def _missed(ends: Collection[End], *, found: bool) -> str:
    """What lacks in the answers, if anything does."""
    nothing = outcome_of(ends, found=found) is Outcome.NOTHING
    return "" if nothing else in_words(ends, found=found, named=0)


def _summary(thread: ThreadView) -> str:
    if not thread.items:
        ends = thread.ends.values()
        why = f" · {in_words(ends, found=False, named=0)}" if ends else ""
        return f"this note is not here{why}"
    answers = max(len(thread.items) - 1, 0)
    words = "1 answer" if answers == 1 else f"{answers} answers" if answers else "no answers yet"
    text = f"thread · {words}"
    if thread.missing:
        text += f" · {len(thread.missing)} not here"
    if thread.hidden:
        text += f" · {thread.hidden} more not shown"
    if thread.ends and (missed := _missed(thread.ends.values(), found=answers > 0)):
        text += f" · {missed}"
    return text
