"""A signer whose key this process holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Final, TypeVar

from nostr_client.errors import DecryptionFailed, InvalidKey, SignerError, SignerUnavailable
from nostr_client.nips import nip04, nip44
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey, wipe
from nostr_client.signing import gate
from nostr_client.signing.conversation_keys import ConversationKeys
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
    `owns_key`: nobody else needs the key, so `lock` wipes it, and so does the end of the block in
    which the signer was entered, as a client does that is opened with it.
    """

    def __init__(
        self,
        key: SecretKey,
        clock: Callable[[], float] = time.time,
        *,
        own: gate.OwnKeys = tuple,
        owns_key: bool = False,
    ) -> None:
        self._key = key
        self._clock = clock
        self._own = own
        self._owns_key = owns_key
        self._is_locked = False
        self._conversation_keys = ConversationKeys(key, MOST_KEYS)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._owns_key:
            self.lock()
        else:
            self._conversation_keys.drop()

    def lock(self) -> None:
        """Sign, encrypt and decrypt no more: whatever is asked, or under way, is refused with
        SignerUnavailable. What was derived from the key is wiped, and the key if it is ours."""
        self._is_locked = True
        self._conversation_keys.wipe()
        if self._owns_key:
            self._key.wipe()

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
        self._refuse_locked()
        return gate.sign(draft, self._key, int(self._clock()), self._own)

    def _encrypt(self, what: PeerText) -> str:
        gate.refuse_secret_texts((what.text,), self._own, self._key)
        with self._shared(what) as key:
            encrypt = nip04.encrypt if what.cipher is Cipher.NIP04 else nip44.encrypt
            return encrypt(what.text, key)

    def _decrypt(self, what: PeerText) -> str:
        try:
            with self._shared(what) as key:
                decrypt = nip04.decrypt if what.cipher is Cipher.NIP04 else nip44.decrypt
                return decrypt(what.text, key)
        except InvalidKey:
            raise DecryptionFailed("who wrote this has no valid key") from None

    @contextmanager
    def _shared(self, what: PeerText) -> Iterator[bytearray]:
        """The key shared with the peer. Raises InvalidKey, and SignerUnavailable at its end, too:
        who locks wipes keys that other threads use, and what was made with those must not leave."""
        self._refuse_locked()
        lasting = what.cipher is Cipher.NIP44 and not what.once
        if lasting:
            key = self._conversation_keys.of(what.peer)
        elif what.cipher is Cipher.NIP44:
            key = nip44.conversation_key(self._key, what.peer)
        else:
            key = nip04.shared_key(self._key, what.peer)
        try:
            yield key
        finally:
            if not lasting:
                wipe(key)
            self._refuse_locked()

    def _refuse_locked(self) -> None:
        if self._is_locked or self._key.is_wiped:
            self._conversation_keys.wipe()  # one that was made meanwhile
            raise SignerUnavailable("this account is locked: it is to be unlocked first")

    def __repr__(self) -> str:
        return f"<LocalSigner of {self.pubkey}>"


def _tried(act: Callable[[In], Out], what: In) -> Out | SignerError:
    try:
        return act(what)
    except SignerError as error:
        return error


def _size(draft: Draft) -> int:
    return len(draft.content) + sum(len(item) for tag in draft.tags for item in tag)
