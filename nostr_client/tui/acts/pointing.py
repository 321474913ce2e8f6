"""Acts that follow what a note points to, and that hand on what points to it."""

from __future__ import annotations

from typing import Final

import msgspec

from nostr_client.nips import nip19
from nostr_client.safe_text import safe_text
from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct, PersonAct
from nostr_client.tui.note_targets import targets_in
from nostr_client.tui.screens.choice import ChoiceDialog, Offered
from nostr_client.tui.targets import WebTarget

SHOWN: Final = 48
"""Characters of a code that are shown before it is chosen."""
MOST_COPIED: Final = 70_000
"""Characters that are handed to the terminal at once: more, and some cut it, or stop."""
PAGE: Final = "https://njump.me/"
"""Shows a code to whoever has no client; only its address is copied, and nobody asks there."""


async def follow_pointers(actions: Actions, note: NoteView) -> None:
    """Open one of the things that a note points to; its only one at once, but no page."""
    found = targets_in(note, actions.ui.name_of)
    if not found:
        actions.say("This note points to nothing.")
        return
    chosen: tuple[str, ...] | None = ("0",)
    if len(found) > 1 or isinstance(found[0].target, WebTarget):
        choices = [Offered(str(n), f"{p.sort}: {p.words}") for n, p in enumerate(found)]
        chosen = await actions.ask(ChoiceDialog("What is in this note", choices))
    if chosen:
        actions.open(found[int(chosen[0])].target)


async def copy_note(actions: Actions, note: NoteView) -> None:
    """Copy one of the things that name a note, or say it."""
    event = note.event
    hint = await actions.client.notes.hint(event)
    relays = [hint] if hint else []
    code = nip19.encode_event(event, relays)
    text = safe_text(event.content)
    choices = [
        _named("code", f"nostr:{code}", code),
        _named("text", text, text.split("\n")[0][:60]),
        _named("author", note.author.npub, note.author.npub),
        _named("link", PAGE + code, PAGE + code),
        _named("id", event.id, event.id),
        *(
            _named("link", pointed.target.url, pointed.words)
            for pointed in targets_in(note, actions.ui.name_of)
            if isinstance(pointed.target, WebTarget)
        ),
    ]
    if chosen := await actions.ask(ChoiceDialog("Copy", choices)):
        copy_text(actions, chosen[0])


async def copy_person(actions: Actions, person: Profile) -> None:
    """Copy one of the things that name a person."""
    hint = actions.client.book.hint_for(await actions.client.book.relays_of(person.pubkey))
    profile = nip19.encode_nprofile(person.pubkey, [hint] if hint else [])
    choices = [
        _named("npub", person.npub, person.npub),
        _named("code", profile, profile),
        *([_named("name", person.handle, person.handle)] if person.handle else []),
        _named("link", PAGE + profile, PAGE + profile),
        _named("hex", person.pubkey, person.pubkey),
    ]
    if chosen := await actions.ask(ChoiceDialog("Copy", choices)):
        copy_text(actions, chosen[0])


def _named(sort: str, copied: str, shown: str) -> Offered:
    """A choice: what is too long for its line is shown by its two ends."""
    long = len(shown) > SHOWN
    return Offered(
        copied, f"{sort}: {shown[: SHOWN - 8]}…{shown[-6:]}" if long else f"{sort}: {shown}"
    )


def copy_text(actions: Actions, text: str) -> None:
    """Put a text on the clipboard of the terminal, over SSH too (OSC 52)."""
    actions.ui.copy_to_clipboard(text[:MOST_COPIED])
    cut = "" if len(text) <= MOST_COPIED else ", the rest left out"
    actions.say(f"Copied: {text[:60]}{'…' if len(text) > 60 else ''}{cut}")


async def show_raw(actions: Actions, note: NoteView) -> None:
    """Show the event as it was signed."""
    from nostr_client.tui.screens.raw_event import RawEventScreen

    raw = msgspec.json.format(note.event.json, indent=2).decode()
    if await actions.ask(RawEventScreen(raw)):
        copy_text(actions, raw)


async def broadcast(actions: Actions, note: NoteView) -> None:
    """Send an event once more to the account's own relays, whoever wrote it."""
    if note.event.is_protected and not note.mine:
        actions.say("Only its author may send this to relays (it is protected).", "warning")
        return
    await actions.tell("Sent again", actions.client.publish(note.event))


ACTS: Final = (
    NoteAct(
        "follow_pointers",
        "o",
        "What it points to: people, tags, notes, links",
        follow_pointers,
        hint="links",
        place=45,
        signs=False,
    ),
    NoteAct(
        "copy",
        "y",
        "Copy its code, its text, its author, a link",
        copy_note,
        hint="copy",
        place=46,
        signs=False,
    ),
    NoteAct("raw", "J", "The event as it was signed", show_raw, place=200, signs=False),
    NoteAct("broadcast", "B", "Send it once more to your relays", broadcast, place=210),
    PersonAct(
        "copy_person", "Y", "Copy their npub, code, name", copy_person, place=20, signs=False
    ),
)
