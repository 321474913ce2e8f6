"""One private message closely: its subject, when it expires, and which relay of whom has it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.messages.views import (
    ChangeKind,
    Delivery,
    MemberCopies,
    MessageProtocol,
    PrivateMessage,
)
from nostr_client.store.contract import Copy, CopyState
from nostr_client.tui.keymap import Key, KeyGroup, keyed, with_keys
from nostr_client.tui.message_renderer import DELIVERED
from nostr_client.tui.names import NameCache
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.time_format import ahead, minute
from nostr_client.tui.widgets.send_progress import relay_name
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "On the details of a message", (Key("escape,q,i", "dismiss", "Back"),), "message_details"
)
DIM: Final = "$foreground 60%"


class MessageDetailsScreen(ModalScreen[None]):
    """The details of one message, kept as they change."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, message_id: str, names: NameCache) -> None:
        super().__init__()
        self._client = client
        self._message_id = message_id
        self._names = names

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="details"):
            yield Static("Message", markup=False, classes="card-title")
            with VerticalScroll(can_focus=True):
                yield Static("", markup=False, id="facts")
            keys = keyed(("↑↓", "scroll"), ("message_details.dismiss", "back"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        start_worker(self, self._follow, "details")

    async def _follow(self) -> None:
        try:
            with self._client.messages.watch() as changes:
                await self._show()
                async for change in changes:
                    if (
                        change.message_id == self._message_id
                        or change.kind is ChangeKind.EVERYTHING
                    ):
                        await self._show()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _show(self) -> None:
        message = await self._client.messages.message(self._message_id)
        copies = await self._client.messages.copies(self._message_id)
        await self._names.know([each.pubkey for each in copies])
        lines = [Content("It is not here any more.")]
        if message is not None:
            lines = [*self._facts(message), *self._copies(message, copies)]
        set_text(self, "#facts", Content("\n").join(lines))

    def _facts(self, message: PrivateMessage) -> Iterator[Content]:
        """What is known of it beside its text."""
        me = self._client.pubkey
        who = "you" if message.author == me else self._names.label(message.author)
        written = minute(message.created_at)
        facts = [("from", who), ("written", written + (", edited since" if message.edited else ""))]
        if subject := safe_line(message.subject, 200):
            facts.append(("subject", subject))
        if message.expires_at:
            facts.append(("expires", f"{ahead(message.expires_at, time.time())}: a request to all"))
        old = message.protocol is MessageProtocol.NIP04
        kind = "NIP-04: who wrote to whom, and when, stands open" if old else "NIP-17"
        facts.append(("encrypted", kind))
        if message.delivery is not Delivery.RECEIVED:
            facts.append(("it is", DELIVERED[message.delivery]))
        for name, value in facts:
            yield Content.assemble((f"{name:<10}", DIM), value)

    def _copies(
        self, message: PrivateMessage, members: Sequence[MemberCopies]
    ) -> Iterator[Content]:
        """Whose relays have it, those of others first."""
        me = self._client.pubkey
        if message.delivery is Delivery.RECEIVED:
            return
        yield Content("")
        if not members:
            yield Content.styled("It was not sent from here: which relays have it is unknown.", DIM)
        for member in sorted(members, key=lambda each: each.pubkey == me):
            own = member.pubkey == me
            who = "you, for your other devices" if own else self._names.label(member.pubkey)
            yield Content.styled(who, "bold")
            if not member.copies:
                mine = with_keys("no relays of yours yet: {messages.relays} says which")
                none = mine if own else "no relay was asked yet"
                yield Content.styled(f"  ○ {none}", DIM)
            yield from map(_copy, member.copies)


def _copy(copy: Copy) -> Content:
    """One relay: has it, will not have it, or will be tried again, and why."""
    name = safe_line(relay_name(copy.url), 60)
    why = safe_line(": ".join(filter(None, (copy.prefix, copy.reason))), 120)
    if copy.state is CopyState.CONFIRMED:
        return Content.assemble(("  ● ", "$text-success"), name, ("  has it", DIM))
    if copy.state is CopyState.REFUSED:
        words = f"  refuses it{f', {why}' if why else ''}"
        return Content.assemble(("  ✕ ", "$text-error"), name, (words, DIM))
    words = f"  not yet{f' ({why})' if why else ''}: tried again by itself"
    return Content.assemble(("  ○ ", "$text-warning"), name, (words, DIM))
