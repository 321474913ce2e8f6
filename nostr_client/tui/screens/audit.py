"""Does a relay hold notes back? It and others are asked the same, as a stranger would."""

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
from nostr_client.resilience.audit_words import (
    TOO_FEW,
    finding_line,
    lacks_comparison,
    nothing_said_of,
)
from nostr_client.resilience.inquiry import AuditEvidence
from nostr_client.safe_text import safe_line
from nostr_client.tui.app_messages import ActRequest
from nostr_client.tui.copies_lines import DIM
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.send_progress import relay_name
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

BACK_TO: Final = 30 * 86_400
"""Seconds that an audit goes back."""
KEYS: Final = KeyGroup(
    "On an audit",
    (
        Key("w", "report", "Write what was found into a file, signed (asks)", "signed report"),
        Key("escape,q", "dismiss", "Close; an audit under way ends", "close"),
    ),
    "audit",
)


class AuditScreen(ModalScreen[None]):
    """Audits `urls`, the first of which it is about; nothing is published."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, urls: Sequence[str]) -> None:
        super().__init__()
        self._client = client
        self._urls = urls
        self._evidence: AuditEvidence | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="audit"):
            title = f"Audit of {safe_line(relay_name(self._urls[0]), 60)}"
            yield Static(title, markup=False, classes="card-title")
            words = f"Asking {len(self._urls)} relays for your notes of 30 days, as a stranger …"
            with VerticalScroll(can_focus=True):
                yield Static(words, markup=False, id="found")
            yield Static(key_words(hints(KEYS)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        start_worker(self, self._look, "audit")

    async def _look(self) -> None:
        client, since = self._client, int(time.time()) - BACK_TO
        try:
            found = await client.inquiry.look(client.pubkey, self._urls, since)
        except NostrError as error:
            words = Content.styled(safe_line(str(error), 300), "$text-error")
            set_text(self, "#found", words)
            return
        self._evidence = found
        set_text(self, "#found", Content("\n").join(audit_lines(found)))

    def action_report(self) -> None:
        if (evidence := self._evidence) is not None:
            self.post_message(ActRequest(lambda actions: actions.report_audit(evidence)))


def audit_lines(evidence: AuditEvidence) -> Iterator[Content]:
    """What was found, then of whom there is nothing to say."""
    for finding in evidence.findings:
        mark, style = ("✕ ", "$text-error") if finding.accuses else ("○ ", "$text-warning")
        yield Content.assemble((mark, style), finding_line(finding))
    for url, held in nothing_said_of(evidence):
        words = (f"nothing to say; it shows {held} of your notes", DIM)
        yield Content.assemble(("● ", "$text-success"), f"{relay_name(url):<24} ", words)
    if lacks_comparison(evidence):
        yield Content("")
        yield Content.styled(f"{TOO_FEW[:1].upper()}{TOO_FEW[1:]}.", DIM)
