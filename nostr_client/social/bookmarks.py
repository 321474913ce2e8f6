"""What the account keeps for later (kind 10003, NIP-51)."""

from __future__ import annotations

from nostr_client.protocol import kinds
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.social.lists import EntryList


class Bookmarks(EntryList):
    """The bookmarks of the account `owner`: `e` and `a` entries, private unless said.

    `await bookmarks.add(("e", id))`, `await bookmarks.remove(("e", id))`.
    """

    def __init__(self, courier: Courier, guard: ListGuard, owner: str) -> None:
        super().__init__(courier, guard, owner, kinds.BOOKMARKS)
