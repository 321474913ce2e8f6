"""A signer whose key this process holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from nostr_client.errors import DecryptionFailed, InvalidKey, SignerError
from nostr_client.nips import nip04, nip44
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing import gate
from nostr_client.signing.signer import Cipher, PeerText, Signer

LONG: Final = 16 * 1024
"""Characters of a draft, or of a text to encrypt or decrypt, from which the loop is left for it."""
MOST_KEYS: Final = 4_096
"""Conversation keys that are kept: of people who write again, at 32 bytes each."""
In = TypeVar("In")
Out = TypeVar("Out")


class LocalSigner(Signer):
    """Signs, encrypts and decrypts with a key that this process holds. It does not show the key.

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
        self._conversation_keys: dict[str, bytes] = {}

    @property
    def pubkey(self) -> str:
        return self._key.public_key.hex

    async def sign(self, draft: Draft) -> Event:
        """The signed event; a draft without created_at takes the present second.

        Raises SecretFound.
        """
        if _size(draft) > LONG:
            return await asyncio.to_thread(self._sign, draft)
        return self._sign(draft)

    async def nip44_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._one(self._encrypt, PeerText(peer, plaintext))

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        return await self._one(self._decrypt, PeerText(peer, payload))

    async def nip04_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._one(self._encrypt, PeerText(peer, plaintext, Cipher.NIP04))

    async def nip04_decrypt(self, peer: str, payload: str) -> str:
        return await self._one(self._decrypt, PeerText(peer, payload, Cipher.NIP04))

    async def sign_many(self, drafts: Sequence[Draft]) -> list[Event | SignerError]:
        return await asyncio.to_thread(lambda: [_tried(self._sign, each) for each in drafts])

    async def encrypt_many(self, texts: Sequence[PeerText]) -> list[str | SignerError]:
        return await asyncio.to_thread(lambda: [_tried(self._encrypt, each) for each in texts])

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        return await asyncio.to_thread(lambda: [_tried(self._decrypt, each) for each in payloads])

    async def _one(self, act: Callable[[PeerText], str], what: PeerText) -> str:
        if len(what.text) > LONG:
            return await asyncio.to_thread(act, what)
        return act(what)

    def _sign(self, draft: Draft) -> Event:
        return gate.sign(draft, self._key, int(self._clock()), self._own)

    def _encrypt(self, what: PeerText) -> str:
        gate.refuse_secret_texts((what.text,), self._own, self._key)
        if what.cipher is Cipher.NIP04:
            return nip04.encrypt(what.text, nip04.shared_key(self._key, what.peer))
        return nip44.encrypt(what.text, self._conversation_key(what.peer))

    def _decrypt(self, what: PeerText) -> str:
        try:
            if what.cipher is Cipher.NIP04:
                return nip04.decrypt(what.text, nip04.shared_key(self._key, what.peer))
            if what.once:
                return nip44.decrypt(what.text, nip44.conversation_key(self._key, what.peer))
            return nip44.decrypt(what.text, self._conversation_key(what.peer))
        except InvalidKey:
            raise DecryptionFailed("who wrote this has no valid key") from None

    def _conversation_key(self, peer: str) -> bytes:
        key = self._conversation_keys.pop(peer, None)
        if key is None:
            key = nip44.conversation_key(self._key, peer)
            while len(self._conversation_keys) >= MOST_KEYS:
                self._conversation_keys.pop(next(iter(self._conversation_keys)), None)
        self._conversation_keys[peer] = key  # behind the others: the one used least goes first
        return key

    def __repr__(self) -> str:
        return f"<LocalSigner of {self.pubkey}>"


def _tried(act: Callable[[In], Out], what: In) -> Out | SignerError:
    try:
        return act(what)
    except SignerError as error:
        return error


def _size(draft: Draft) -> int:
    return len(draft.content) + sum(len(item) for tag in draft.tags for item in tag)
