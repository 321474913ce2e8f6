"""What the account would survive: all that it wrote, relay by relay, its backup, what to mend."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.kit.last_kit import LastKit, last_kit
from nostr_client.resilience.copy_words import Mending, MendingStep, to_mend, untracked_words
from nostr_client.routing.survival import AccountSurvival
from nostr_client.tui.app_messages import ActRequest, MakeBackup, Open
from nostr_client.tui.copies_lines import DIM, holding_lines
from nostr_client.tui.keymap import HELP, Key, KeyGroup, hints, key_for, with_keys
from nostr_client.tui.saying import Say
from nostr_client.tui.targets import SectionTarget
from nostr_client.tui.time_format import passed
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

AGAIN: Final = 10.0
"""Seconds between two looks: one goes through all that the account wrote."""
KEYS: Final = KeyGroup(
    "On what the account survives",
    (
        Key("b", "backup", "Make a backup of the account", "back up"),
        Key("E", "evacuate", "Leave relays that are lost", "evacuate"),
        Key("v", "lists", "Earlier versions of your lists", "lists"),
        Key("escape,q,S", "dismiss", "Back", "back"),
    ),
    "survival",
)
_OFFERS: Final = {
    MendingStep.EVACUATE: ("survival.evacuate", "moves you to others"),
    MendingStep.BACKUP: ("survival.backup", "makes one"),
    MendingStep.RELAYS: ("app.relays", "shows them, {relays.add_relay} adds one"),
}


class SurvivalScreen(Screen[None]):
    """The ledger of the whole account, read anew now and then; no relay is asked."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, label: str) -> None:
        """`label` is the account's name, safe."""
        super().__init__()
        self._client = client
        self._label = label

    def compose(self) -> ComposeResult:
        yield Static(f"{self._label} · what it survives", markup=False, classes="head")
        with VerticalScroll(can_focus=True, id="account-survival"):
            yield Static("Counting …", markup=False, id="summary", classes="prose")
            yield Static("", markup=False, id="mend", classes="prose")
            yield Static("", markup=False, id="holdings")
        yield HintLine(hints(KEYS, HELP), id="hints")

    def on_mount(self) -> None:
        start_worker(self, self._follow, "survival")

    async def _follow(self) -> None:
        while True:
            try:
                await self.show()
            except NostrError as error:
                self.post_message(Say(str(error), "error"))
                return
            await asyncio.sleep(AGAIN)

    async def show(self) -> None:
        """Read it and draw it. Raises StoreError."""
        client, now = self._client, time.time()
        account = await client.survivals.of_account()
        kit = await asyncio.to_thread(last_kit, client.paths.data, client.pubkey)
        rows = await client.relays.rows()
        failing = [row.url for row in rows if row.is_failing]
        mending = to_mend(
            account,
            failing,
            listed=[row.url for row in rows if row.write and not row.own],
            backup_at=kit.made_at if kit else None,
            now=now,
        )
        set_text(self, "#summary", Content("\n").join(_summary(account, kit, now)))
        set_text(self, "#mend", Content("\n").join(_mending(mending)))
        table = holding_lines(account.relays) if account.relays else ()
        set_text(self, "#holdings", Content("\n").join([*table]))

    def action_backup(self) -> None:
        self.post_message(MakeBackup())

    def action_lists(self) -> None:
        self.post_message(Open(SectionTarget("lists")))

    def action_evacuate(self) -> None:
        self.post_message(ActRequest(lambda actions: actions.evacuate(None)))


def _summary(account: AccountSurvival, kit: LastKit | None, now: float) -> Iterator[Content]:
    """Totals, the worst off, what waits longest, the backup."""
    events = f"{account.events:,} event{'' if account.events == 1 else 's'} meant to last"
    if account.short:
        oldest = passed(account.oldest_short_at, now)
        events += f" · {account.short:,} short of copies, the oldest {oldest}"
    elif account.events:
        events += " · none short of copies"
    events += f" · {untracked}" if (untracked := untracked_words(account)) else ""
    backup = "none was made here"
    if kit is not None:
        backup = f"made {passed(int(kit.made_at), now)}, {kit.counts.events:,} events in it"
    worst = account.worst.line if account.events else "nothing written yet"
    for name, words in (("all", events), ("worst", worst), ("backup", backup)):
        yield Content.assemble((f"{name:<8}", DIM), words)


def _mending(mending: Sequence[Mending]) -> Iterator[Content]:
    if not mending:
        yield Content.styled("Nothing to mend.", "$text-success")
    for each in mending:
        id, does = _OFFERS[each.step]
        yield Content.assemble(
            ("! ", "$text-warning"),
            each.words,
            " · ",
            (key_for(id), "$text-primary"),
            f" {with_keys(does)}",
        )
