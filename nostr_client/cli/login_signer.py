"""The key of an account that only reads: for an own relay that wants to know who does (NIP-42)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nostr_client.errors import NostrError, SignerUnavailable, SigningRefused
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.signer import Signer


class LoginSigner(Signer):
    """Signs logins and nothing else. The key is unlocked when the first relay wants one: most
    readings need none, and to unlock takes a second.

    `problem` says why it could not be unlocked, which is tried once.
    """

    def __init__(self, pubkey: str, unlock: Callable[[], Awaitable[Signer]]) -> None:
        self.problem = ""
        self._pubkey = pubkey
        self._unlock = unlock
        self._signer: Signer | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def pubkey(self) -> str:
        return self._pubkey

    async def sign(self, draft: Draft) -> Event:
        """The signed login. Raises SigningRefused for anything else, SignerUnavailable."""
        if draft.kind != kinds.AUTH:
            raise SigningRefused("a command that reads signs nothing but logins")
        async with self._one_at_a_time:
            if self._signer is None and not self.problem:
                try:
                    self._signer = await self._unlock()
                except NostrError as error:
                    self.problem = str(error)
        if self._signer is None:
            raise SignerUnavailable(self.problem)
        return await self._signer.sign(draft)
