"""The act that looks at what was paid for a note."""

from __future__ import annotations

from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.social.views import NoteView
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct

MOST_CHECKED: Final = 500
"""Receipts of one note that are looked at, the newest."""


async def check(actions: Actions, note: NoteView) -> None:
    """Ask the provider of whoever was paid which receipts are its own; say what they come to."""
    from nostr_client.tui.note_renderer import sats

    client, receipts = actions.client, frozenset({kinds.ZAP_RECEIPT})
    wanted = Filter(kinds=receipts, tags={"e": frozenset({note.event.id})}, limit=MOST_CHECKED)
    of_itself = [note.event] if note.event.kind == kinds.ZAP_RECEIPT else []
    found = of_itself or await client.store.query([wanted])
    if not found:
        actions.say("Nobody says here that they paid for this note.")
        return
    problem = await client.zaps.look_up(found)
    zapped = client.zaps.sum_of(found)
    words = [f"{sats(zapped.checked)} sats are checked"] if zapped.checked else []
    if zapped.claims:
        words.append(f"{sats(zapped.claimed)} sats are claimed, and nobody vouches for them")
    if problem:
        words.append(problem)
    actions.say("; ".join(words) or "What says that it was paid for does not hold.")


ACTS: Final = (NoteAct("zaps", "z", "Check the zaps of the note", check, signs=False, place=200),)
