"""Whom and what the account does not want to see (kind 10000, NIP-51).

The list is read, changed and published; no view here is filtered by it yet. Whoever shows events
asks `is_muted`.
"""

from __future__ import annotations

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.social.lists import Entries, EntryList


class Mutes(EntryList):
    """The mute list of the account `owner`: `p`, `t`, `word` and `e` entries, private unless said.

    `await mutes.add(("p", pubkey))`, `await mutes.remove(("p", pubkey))`.
    """

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        super().__init__(courier, guard, owner, kinds.MUTES)


def is_muted(event: Event, mutes: Entries) -> bool:
    """Does `mutes` name the author of `event`, a hashtag, the thread, or a word in it?"""
    found = {tag[:2] for tag in (*mutes.public, *mutes.private) if len(tag) > 1}
    text = event.content.casefold()
    return (
        ("p", event.pubkey) in found
        or ("e", event.id) in found
        or any(("t", topic.lower()) in found for topic in event.values("t"))
        or any(("e", id) in found for id in event.values("e"))
        or any(name == "word" and word.casefold() in text for name, word in found)
    )
