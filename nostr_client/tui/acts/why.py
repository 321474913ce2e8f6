"""Acts that ask why: a note or a person is here; what the home timeline still waits for."""

from __future__ import annotations

from typing import Final

from nostr_client.social.views import NoteView, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import AccountAct, NoteAct, PersonAct
from nostr_client.tui.targets import NoteTarget, PersonTarget, SectionTarget, WhyTarget


async def why_note(actions: Actions, note: NoteView) -> None:
    """From whom, by which relays, checked how."""
    if note.missing:
        actions.say("The note is not here: it was passed on, and no relay has sent it yet.")
        return
    actions.open(WhyTarget(NoteTarget.of(note)))


async def why_person(actions: Actions, person: Profile) -> None:
    """What one has to do with somebody, and where they are read."""
    actions.open(WhyTarget(PersonTarget(person.pubkey)))


async def waiting(actions: Actions, _: None = None) -> None:
    """What relays have not sent yet."""
    actions.open(WhyTarget(SectionTarget("home")))


ACTS: Final = (
    NoteAct("why", "w", "Why is this here", why_note, hint="why", place=55, signs=False),
    PersonAct("why_person", "W", "Why do I see this person", why_person, place=55, signs=False),
    AccountAct("waiting", "", "What is being waited for", waiting, signs=False, place=320),
)
