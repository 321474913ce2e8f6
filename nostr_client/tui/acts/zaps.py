"""The act that looks at what was paid for a note."""

from __future__ import annotations

from typing import Final

from nostr_client.nips.nip57 import zap_shares
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.social.views import NoteView
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct
from nostr_client.tui.faces.zaps import MOST_NAMED, shares_words

MOST_CHECKED: Final = 500
"""Receipts of one note that are looked at, the newest."""


async def check(actions: Actions, note: NoteView) -> None:
    """Ask the provider of whoever was paid which receipts are its own; say what they come to, and
    to whom they go, where the note says that."""
    from nostr_client.tui.note_renderer import sats

    shares = zap_shares(note.event)[:MOST_NAMED]
    people = await actions.client.profiles.get_many({share.pubkey for share in shares})
    goes = shares_words(note.event, lambda pubkey: people[pubkey].label)
    client, receipts = actions.client, frozenset({kinds.ZAP_RECEIPT})
    wanted = Filter(kinds=receipts, tags={"e": frozenset({note.event.id})}, limit=MOST_CHECKED)
    of_itself = [note.event] if note.event.kind == kinds.ZAP_RECEIPT else []
    found = of_itself or await client.store.query([wanted])
    if not found:
        actions.say(
            "; ".join(filter(None, ("Nobody says here that they paid for this note", goes)))
        )
        return
    problem = await client.zaps.look_up(found)
    zapped = client.zaps.sum_of(found)
    words = [f"{sats(zapped.checked)} sats are checked"] if zapped.checked else []
    if zapped.claims:
        words.append(f"{sats(zapped.claimed)} sats are claimed, and nobody vouches for them")
    if problem:
        words.append(problem)
    words = words or ["What says that it was paid for does not hold"]
    actions.say("; ".join([*words, goes] if goes else words))


ACTS: Final = (NoteAct("zaps", "z", "Check the zaps of the note", check, signs=False, place=200),)
