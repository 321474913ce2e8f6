"""Relays: how each of them is, what it last said, and what to do about it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.resilience.audit_words import MOST_RELAYS
from nostr_client.safe_text import safe_line
from nostr_client.social.views import RelayRow
from nostr_client.tui.acts.joining import join_or_leave
from nostr_client.tui.app_messages import ActRequest, Open
from nostr_client.tui.environment import CheckRelay
from nostr_client.tui.keymap import LIST, Key, KeyGroup, key_for, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.relay_lines import portrait_lines
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.audit import AuditScreen
from nostr_client.tui.screens.auth import AuthListScreen
from nostr_client.tui.screens.relay_check import RelayCheckScreen
from nostr_client.tui.targets import RelayTarget, WhyTarget
from nostr_client.tui.time_format import latency
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

BLOCKED: Final = "blocked"
"""The state of a row that the person blocked."""
ASK_AFTER: Final = 0.5
"""Seconds for which a relay is selected before it is asked for its document."""
_STATES = {
    "up": ("up", "list--good"),
    "slow": ("slow", "list--warn"),
    "connecting": ("connecting", "list--dim"),
    "down": ("down", "list--bad"),
    "refusing": ("refuses me", "list--bad"),
    "blocked": ("blocked", "list--bad"),
    "unknown": ("not asked yet", "list--dim"),
}


class RelayRenderer(ItemRenderer[RelayRow]):
    """A relay on one line, and its last word on another."""

    def key(self, item: RelayRow) -> str:
        return item.url

    def lines(self, item: RelayRow, width: int, style: Styles) -> list[Content]:
        word, colour = _STATES.get(item.state, (safe_line(item.state, 14), "list--dim"))
        delivered = "" if item.delivered is None else f"took {item.delivered:.0%}"
        figures = (
            f"{role(item):<11} ",
            (f"{word:<14}", style(colour)),
            (f"{latency(item.latency):>7}  {delivered:<10}", style("list--dim")),
        )
        name = safe_line(item.url, 120)
        room = min(width - 46, 48)
        if len(name) < room or width >= 76:
            first = Content(name).truncate(max(room - 1, 8), ellipsis=True)
            first = Content.styled(first.plain, style("list--strong"))
            first = first.extend_right(max(room - first.cell_length, 1))
            line = first + Content.assemble(*figures)
            lines = [line.truncate(width)]
        else:
            top = Content.styled(name, style("list--strong")).truncate(width, ellipsis=True)
            lines = [top, (Content("  ") + Content.assemble(*figures)).truncate(width)]
        gone = (
            f"{item.gone}: {key_for('relays.evacuate')} takes you away there" if item.gone else ""
        )
        said = safe_line(gone or item.last_word, 300)
        if said:
            words = Content.styled(f"  {said}", style("list--dim"))
            lines.append(words.truncate(width, ellipsis=True))
        return lines


def role(item: RelayRow) -> str:
    """What a relay is for, in the account's list."""
    if item.own:
        return "own, here"
    if item.read and item.write:
        return "read+write"
    if not (item.read or item.write):
        return "–"
    return "read" if item.read else "write"


KEYS: Final = KeyGroup(
    "Relays",
    (
        Key("a", "add_relay", "Add a relay", "add"),
        Key("x", "remove_relay", "Remove the relay (asks first)", "remove"),
        Key("m", "mode", "Change what it is for: read, write, both", "read/write"),
        Key("d", "check_relay", "Down for everyone or just me?", "check"),
        Key(
            "E",
            "evacuate",
            "Leave dead relays, and ended ones: others take their place",
            "evacuate",
        ),
        Key("R", "retire", "Leave the relay, which works still, for another", "retire"),
        Key("b", "block", "Never dial the relay again, or take that back (asks first)", "block"),
        Key("A", "audit", "Does it hold your notes back? Others are asked the same", "audit"),
        Key("J", "join", "Join the relay by an invite code, or leave it (asks)"),
        Key("w", "why", "Why is it connected, and what is asked of it for whom", "why"),
        Key("W", "who_knows", "Which relays may know who you are"),
    ),
    "relays",
)


class RelayList(WindowedList[RelayRow]):
    """The relays, with what can be done to the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, name: Callable[[str], str], check: CheckRelay) -> None:
        super().__init__(RelayRenderer(), gap=0)
        self._client = client
        self._name_of = name
        self._check = check

    def action_add_relay(self) -> None:
        self.post_message(ActRequest(lambda actions: actions.add_relay(), watched_too=True))

    def action_remove_relay(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(ActRequest(lambda actions: actions.remove_relay(row)))

    def action_mode(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(ActRequest(lambda actions: actions.change_mode(row)))

    def action_check_relay(self) -> None:
        if (row := self.selected) is not None:
            if refusal := self._client.book.policy.refusal(row.url):
                self.post_message(Say(f"{row.url}: {refusal}"))
                return
            self.app.push_screen(RelayCheckScreen(row.url, self._check(row.url)))

    def action_why(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(Open(WhyTarget(RelayTarget(row.url))))

    def action_who_knows(self) -> None:
        client = self._client
        if client.authenticator is None:
            self.post_message(Say("This account is watched only: no relay is told anything."))
        else:
            screen = AuthListScreen(client.authenticator, client.pubkey, self._name_of)
            self.app.push_screen(screen)

    def action_evacuate(self) -> None:
        row = self.selected
        self.post_message(ActRequest(lambda actions: actions.evacuate(row)))

    def action_retire(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(ActRequest(lambda actions: actions.retire(row)))

    def action_block(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(ActRequest(lambda actions: actions.block(row)))

    def action_join(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(ActRequest(lambda actions: join_or_leave(actions, row)))

    def action_audit(self) -> None:
        row = self.selected
        if row is None or row.own or row.state == BLOCKED:
            self.post_message(Say("An audit is of a relay that others use, and that is dialled."))
            return
        others = [each.url for each in self.items if not each.own and each.state != BLOCKED]
        urls = dict.fromkeys((row.url, *others, *self._client.book.fallback))
        dialled = [url for url in urls if not self._client.book.policy.refusal(url)]
        self.app.push_screen(AuditScreen(self._client, dialled[:MOST_RELAYS]))

    def action_choose(self) -> None:
        self.action_check_relay()


class RelaysPane(PaneView):
    """All relays of the account, in their present state."""

    has_mark = True

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._rows: list[RelayRow] = []
        self._asked = ""
        self._foot = Static("", markup=False, classes="foot")
        self._name_of = name = context.renderer.name_of
        self.relays = RelayList(context.client, name, context.environment.check)

    def compose(self) -> ComposeResult:
        yield Static("", markup=False, classes="head")
        yield self.relays
        yield self._foot
        with VerticalScroll(id="portrait", can_focus=True):
            yield Static("", markup=False, id="portrait-lines")

    @property
    def front(self) -> RelayList:
        return self.relays

    def open(self) -> None:
        start_worker(self, self._show, "rows", exclusive=True)

    async def _show(self) -> None:
        try:
            await self.poll(await self._client.relays.rows(), shown=True)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        self.mark = "!" if any(row.is_failing for row in relays if not row.own) else ""
        if shown:
            self._draw(_with_blocked(relays, self._client.book.policy.blocked))
            await self._draw_portrait()

    def on_windowed_list_highlighted(self) -> None:
        start_worker(self, self._draw_portrait, "portrait", exclusive=True)

    async def _draw_portrait(self) -> None:
        """What is known of the relay under the cursor; its document is asked for once it rests
        there."""
        row, client = self.relays.selected, self._client
        if row is None:
            return
        try:
            urls = [each.url for each in self._rows if not each.own]
            relay = await client.portraits.of(row.url, urls, self._name_of)
            if self.relays.selected is None or self.relays.selected.url != row.url:
                return
            lines = Content("\n").join(portrait_lines(relay, time.time()))
            set_text(self, "#portrait-lines", lines)
            if self._asked != row.url and not (row.own or relay.facts.answered):
                self._asked = row.url
                start_worker(self, partial(self._ask, row.url), "document", exclusive=True)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _ask(self, url: str) -> None:
        await asyncio.sleep(ASK_AFTER)
        try:
            await self._client.portraits.ask(url)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
        await self._draw_portrait()

    def _draw(self, rows: list[RelayRow]) -> None:
        """Draw what changed."""
        if rows == self._rows:
            return
        same = [row.url for row in rows] == [row.url for row in self._rows]
        before, self._rows = self._rows, rows
        if same:
            for old, new in zip(before, rows, strict=True):
                if old != new:
                    self.relays.update(new)
        else:
            self.relays.renew(FixedItems(rows, self.relays.renderer.key))
        self._foot.update(_foot(rows))


def _with_blocked(rows: Sequence[RelayRow], blocked: frozenset[str]) -> list[RelayRow]:
    """The relays in use, those that are blocked said to be so, and the other blocked ones."""
    shown = [replace(row, state=BLOCKED) if row.url in blocked else row for row in rows]
    listed = {row.url for row in rows}
    return [*shown, *(RelayRow(url, state=BLOCKED) for url in sorted(blocked - listed))]


def _foot(rows: list[RelayRow]) -> str:
    if any(row.fallback for row in rows):
        return "You have no relay list yet: these stand in. Adding or removing one makes it yours."
    if not any(row.write and not row.own for row in rows):
        return with_keys(
            "No relay keeps your notes for others to read. {relays.add_relay} adds one."
        )
    return ""


PANE: Final = Pane(
    "relays", "8", "Relays: where your notes are kept", RelaysPane, (KEYS, LIST), place=80
)
