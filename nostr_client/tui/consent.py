"""What a guard objects to is shown, and its word typed, before anything is signed."""

from __future__ import annotations

from nostr_client.protocol.event import Draft
from nostr_client.safe_text import safe_line
from nostr_client.signing.guards import Consent, Objection
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.user_interface import UserInterface


def typed_consent(ui: UserInterface) -> Consent:
    """Asks on a screen of `ui`."""

    async def consent(draft: Draft, objection: Objection) -> bool:
        detail = "It cannot be taken back." if objection.word else ""
        question = ConfirmDialog(
            f"{safe_line(str(objection))}.", detail, yes="sign it", word=objection.phrase
        )
        answer = await ui.ask(question)
        return answer is True

    return consent
