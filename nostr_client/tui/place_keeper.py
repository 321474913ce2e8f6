"""Keeps where an account was: rarely, off the keys' path, and only when one has moved."""

from __future__ import annotations

import asyncio
from typing import Final

from nostr_client.accounts.account import Account
from nostr_client.paths import Paths
from nostr_client.tui.preferences import AccountPlace, save_place

KEEP_EVERY: Final = 30.0
"""Seconds between two looks at where one is, beside the one on leaving."""


class PlaceKeeper:
    """Where `account` was, and is kept to be; a guest, who was never made, leaves no trace."""

    def __init__(self, paths: Paths, account: Account, kept: AccountPlace) -> None:
        self.kept = kept
        self._paths = paths
        self._pubkey = account.pubkey if account.created_at else ""

    async def keep(self, place: AccountPlace) -> None:
        """Write down a place, if it is another one. Raises StoreError."""
        if place != self.kept and self._pubkey:
            await asyncio.to_thread(save_place, self._paths, self._pubkey, place)
        self.kept = place
