"""Acts that follow what a note points to, and that hand on what points to it."""

from __future__ import annotations

from typing import Final

import msgspec

from nostr_client.nips import nip19
from nostr_client.safe_text import safe_text
from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct, PersonAct
from nostr_client.tui.note_targets import code_of, targets_in
from nostr_client.tui.screens.choose import Choice, ChooseScreen
from nostr_client.tui.targets import Target, WebTarget

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
    target: Target | None = found[0].target
    if len(found) > 1 or isinstance(target, WebTarget):
        choices = [Choice(p.target, p.words, p.sort, code_of(p.target)) for p in found]
        target = await actions.ask(ChooseScreen[Target]("What is in this note", choices))
    if target is not None:
        actions.open(target)


async def copy_note(actions: Actions, note: NoteView) -> None:
    """Copy one of the things that name a note, or say it."""
    event = note.event
    hint = await actions.client.notes.hint(event)
    relays = [hint] if hint else []
    code = nip19.encode_nevent(event.id, relays, event.pubkey, event.kind)
    if event.address:
        kind, pubkey, name = event.address.split(":", 2)
        code = nip19.encode_naddr(int(kind), pubkey, name, relays)
    text = safe_text(event.content)
    choices = [
        Choice(f"nostr:{code}", code, "code"),
        Choice(text, text.split("\n")[0][:60], "text"),
        Choice(note.author.npub, note.author.npub, "author"),
        Choice(PAGE + code, PAGE + code, "link"),
        Choice(event.id, event.id, "id"),
        *(
            Choice(pointed.target.url, pointed.words, "link")
            for pointed in targets_in(note, actions.ui.name_of)
            if isinstance(pointed.target, WebTarget)
        ),
    ]
    screen: ChooseScreen[str] = ChooseScreen("Copy", choices)
    chosen = await actions.ask(screen)
    copy_text(actions, chosen)


async def copy_person(actions: Actions, person: Profile) -> None:
    """Copy one of the things that name a person."""
    hint = actions.client.book.hint_for(await actions.client.book.relays_of(person.pubkey))
    profile = nip19.encode_nprofile(person.pubkey, [hint] if hint else [])
    choices = [
        Choice(person.npub, person.npub, "npub"),
        Choice(profile, profile, "code"),
        *([Choice(person.handle, person.handle, "name")] if person.handle else []),
        Choice(PAGE + profile, PAGE + profile, "link"),
        Choice(person.pubkey, person.pubkey, "hex"),
    ]
    screen: ChooseScreen[str] = ChooseScreen("Copy", choices)
    chosen = await actions.ask(screen)
    copy_text(actions, chosen)


def copy_text(actions: Actions, text: str | None) -> None:
    """Put a text on the clipboard of the terminal, over SSH too (OSC 52)."""
    if text is None:
        return
    actions.ui.copy_to_clipboard(text[:MOST_COPIED])
    cut = "" if len(text) <= MOST_COPIED else ", the rest left out"
    actions.say(f"Copied: {text[:60]}{'…' if len(text) > 60 else ''}{cut}")


async def show_raw(actions: Actions, note: NoteView) -> None:
    """Show the event as it was signed."""
    from nostr_client.tui.screens.raw_event import RawEventScreen

    raw = msgspec.json.format(note.event.json, indent=2).decode()
    await actions.ask(RawEventScreen(raw))


async def broadcast(actions: Actions, note: NoteView) -> None:
    """Send an event once more to the account's own relays, whoever wrote it."""
    if note.event.is_protected and not note.mine:
        actions.say("Only its author may send this to relays (it is protected).", "warning")
        return
    await actions.tell("Sent again", actions.client.publish(note.event))


ACTS: Final = (
    NoteAct(
        "follow-pointers",
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
        "copy-person", "Y", "Copy their npub, code, name", copy_person, place=20, signs=False
    ),
)
