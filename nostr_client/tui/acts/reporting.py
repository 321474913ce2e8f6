"""Reports to whoever heeds them: relays, programs (NIP-56). Everybody can read them, for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from nostr_client.social.views import NoteView, Posted, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct, PersonAct
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog

PUBLIC: Final = "Everybody can read a report, with your name, for good. Muting is private."


async def report_note(actions: Actions, note: NoteView) -> None:
    """Report a note, and so its author."""
    if note.mine:
        actions.say(with_keys("This is yours: {note.delete} deletes it."))
        return
    send = partial(actions.client.reports.event, note.event)
    await _report(actions, f"Report this, by {note.author.label}, as", send)


async def report_person(actions: Actions, person: Profile) -> None:
    """Report a person."""
    if person.pubkey == actions.client.pubkey:
        actions.say("This is you.")
        return
    send = partial(actions.client.reports.person, person.pubkey)
    await _report(actions, f"Report {person.label} as", send)


async def _report(
    actions: Actions, question: str, send: Callable[[str, str], Awaitable[Posted]]
) -> None:
    from nostr_client.social.reports import REPORT_TYPES
    from nostr_client.tui.screens.choice import ChoiceDialog, Offered

    choices = [Offered(name, f"{name}: {means}") for name, means in REPORT_TYPES.items()]
    chosen = await actions.ask(ChoiceDialog(question, choices, PUBLIC))
    if not chosen:
        return
    prompt = PromptDialog("What is to be said with it?", "may stay empty", yes="go on", blank=True)
    words = await actions.ask(prompt)
    if words is None:
        return
    if await actions.ask(ConfirmDialog(f"{question} {chosen[0]}?", PUBLIC, yes="report")):
        await actions.tell("Reported", send(chosen[0], words))


ACTS: Final = (
    NoteAct("report", "R", "Report the note (asks)", report_note, place=240),
    PersonAct("report_person", "X", "Report this person (asks)", report_person, place=240),
)
