"""What signs: a key in this process, or nothing at all (watch-only).

A signer elsewhere (a bunker, NIP-46) follows the same protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from nostr_client.errors import SigningRefused
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import PublicKey, SecretKey


class Signer(Protocol):
    """Signs drafts for one public key."""

    @property
    def pubkey(self) -> str:
        """The key that events are signed by: 64 lowercase hex digits."""

    async def sign(self, draft: Draft) -> Event:
        """The signed event. Raises SigningRefused or SignerUnavailable."""


class LocalSigner:
    """Signs with a key that this process holds. It does not show the key."""

    def __init__(self, key: SecretKey, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock

    @property
    def pubkey(self) -> str:
        return self._key.public_key.hex

    async def sign(self, draft: Draft) -> Event:
        """The signed event; a draft without created_at takes the present second."""
        return draft.sign(self._key, int(self._clock()))

    def __repr__(self) -> str:
        return f"<LocalSigner of {self.pubkey}>"


class WatchOnly:
    """Reads as somebody, and signs nothing."""

    def __init__(self, pubkey: str) -> None:
        """Raises InvalidKey unless `pubkey` is a public key in hex."""
        self._pubkey = PublicKey(pubkey).hex

    @property
    def pubkey(self) -> str:
        return self._pubkey

    async def sign(self, draft: Draft) -> Event:
        """Raises SigningRefused."""
        raise SigningRefused("this account only watches: its secret key is not here")

    def __repr__(self) -> str:
        return f"<WatchOnly of {self._pubkey}>"
