"""What signs: a key in this process, or nothing at all (watch-only).

A signer elsewhere (a bunker, NIP-46) follows the same protocol. Whatever signs, `signing.gate` has
looked through the draft first: `LocalSigner` does that itself, `Gated` for any other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from nostr_client.errors import SignerError, SigningRefused
from nostr_client.protocol.event import Draft, Event, event_digest
from nostr_client.protocol.keys import PublicKey, SecretKey
from nostr_client.signing import gate

LONG: Final = 16 * 1024
"""Characters of a draft from which it is searched off the loop."""


class Signer(Protocol):
    """Signs drafts for one public key."""

    @property
    def pubkey(self) -> str:
        """The key that events are signed by: 64 lowercase hex digits."""

    async def sign(self, draft: Draft) -> Event:
        """The signed event. Raises SigningRefused or SignerUnavailable."""


class LocalSigner:
    """Signs with a key that this process holds. It does not show the key.

    `own` gives the public keys (hex) of all accounts whose secret keys must not leave either.
    """

    def __init__(
        self,
        key: SecretKey,
        clock: Callable[[], float] = time.time,
        *,
        own: gate.OwnKeys = tuple,
    ) -> None:
        self._key = key
        self._clock = clock
        self._own = own

    @property
    def pubkey(self) -> str:
        return self._key.public_key.hex

    async def sign(self, draft: Draft) -> Event:
        """The signed event; a draft without created_at takes the present second.

        Raises SecretFound.
        """
        now = int(self._clock())
        if _size(draft) > LONG:
            return await asyncio.to_thread(gate.sign, draft, self._key, now, self._own)
        return gate.sign(draft, self._key, now, self._own)

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


class Gated:
    """A signer elsewhere, behind the gate; what it gives back is the draft, signed, or an error."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    @property
    def pubkey(self) -> str:
        return self._signer.pubkey

    async def sign(self, draft: Draft) -> Event:
        """The draft as the signer signs it, which chooses the date where the draft has none.

        Raises SecretFound, whatever the signer raises, and SignerError or InvalidEvent where it
        signed something else, as somebody else, or not at all.
        """
        await asyncio.to_thread(gate.refuse_secrets, draft, lambda: (self.pubkey,))
        event = await self._signer.sign(draft)
        return await asyncio.to_thread(_checked, event, draft, self.pubkey)

    def __repr__(self) -> str:
        return f"<Gated {self._signer!r}>"


def gated(signer: Signer) -> Signer:
    """`signer` behind the gate, once."""
    return signer if isinstance(signer, LocalSigner | Gated | WatchOnly) else Gated(signer)


def _checked(event: Event, draft: Draft, pubkey: str) -> Event:
    """`event`, if it is what `pubkey` signs of `draft`: a signer is not taken on trust either."""
    told = Event.parse(event.json)
    created_at = told.created_at if draft.created_at is None else draft.created_at
    digest = event_digest(pubkey, created_at, draft.kind, draft.tags, draft.content)
    if told.id != digest.hex() or not told.verify():
        raise SignerError("the signer did not sign what it was given; nothing was published")
    return told


def _size(draft: Draft) -> int:
    return len(draft.content) + sum(len(item) for tag in draft.tags for item in tag)
