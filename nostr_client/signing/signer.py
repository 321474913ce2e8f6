"""What signs, encrypts and decrypts: a key in this process, or nothing at all (watch-only).

A signer elsewhere (a bunker, NIP-46) follows the same protocol, and nobody may assume that an
answer is instant or made here: each takes as long as its person or its network does. Whatever
signs, `signing.gate` has looked through the draft first, and through what is encrypted:
`LocalSigner` does that itself, `Gated` for any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Protocol, Self

from nostr_client.errors import SignerError, SigningRefused
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import PublicKey


class Cipher(StrEnum):
    """How a text between two keys is encrypted."""

    NIP44 = "nip44"
    NIP04 = "nip04"


class PeerText(NamedTuple):
    """A text to encrypt or to decrypt, between the signer's key and `peer` (hex).

    `once`: that key was made for this text alone, as a gift wrap's is: nothing of it is kept.
    """

    peer: str
    text: str
    cipher: Cipher = Cipher.NIP44
    once: bool = False


class Signer(Protocol):
    """Signs, encrypts and decrypts for one public key. Any call may take as long as a person does.

    A class that derives from this has `pubkey` and `sign` to write; until it says otherwise it
    refuses to encrypt and to decrypt. Batches come back in their order, each answer or its own
    error as a value, so that one that failed costs no other; a signer that can do better than one
    by one overrides them.
    """

    async def __aenter__(self) -> Self:
        """Whoever uses a signer enters it, as `NostrClient.open` does: one elsewhere listens then.

        Nobody is waited for, and nothing asked of a person."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    @property
    def pubkey(self) -> str:
        """The key that events are signed by: 64 lowercase hex digits."""

    async def sign(self, draft: Draft) -> Event:
        """The signed event. Raises SigningRefused or SignerUnavailable."""

    async def nip44_encrypt(self, peer: str, plaintext: str) -> str:
        """`plaintext` for `peer` (a public key in hex), as NIP-44 has it.

        Raises SigningRefused, SignerUnavailable, PlaintextTooLong, InvalidKey.
        """
        raise SigningRefused("this signer does not encrypt")

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        """What `payload`, from or to `peer`, says.

        Raises DecryptionFailed for what no retry opens, SigningRefused or SignerUnavailable else.
        """
        raise SigningRefused("this signer does not decrypt")

    async def nip04_encrypt(self, peer: str, plaintext: str) -> str:
        """As `nip44_encrypt`, for old programs that ask for it: nothing of ours is written so."""
        raise SigningRefused("this signer does not encrypt")

    async def nip04_decrypt(self, peer: str, payload: str) -> str:
        """As `nip44_decrypt`, for what was written as NIP-04 has it."""
        raise SigningRefused("this signer does not decrypt")

    async def sign_many(self, drafts: Sequence[Draft]) -> list[Event | SignerError]:
        """Each draft signed, or why not."""
        signed: list[Event | SignerError] = []
        for draft in drafts:
            try:
                signed.append(await self.sign(draft))
            except SignerError as error:
                signed.append(error)
        return signed

    async def encrypt_many(self, texts: Sequence[PeerText]) -> list[str | SignerError]:
        """Each text encrypted, or why not. Raises PlaintextTooLong, InvalidKey."""
        payloads: list[str | SignerError] = []
        for peer, text, cipher, _ in texts:
            encrypt = self.nip44_encrypt if cipher is Cipher.NIP44 else self.nip04_encrypt
            try:
                payloads.append(await encrypt(peer, text))
            except SignerError as error:
                payloads.append(error)
        return payloads

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        """What each payload says, or why it does not: DecryptionFailed where no retry helps."""
        texts: list[str | SignerError] = []
        for peer, payload, cipher, _ in payloads:
            decrypt = self.nip44_decrypt if cipher is Cipher.NIP44 else self.nip04_decrypt
            try:
                texts.append(await decrypt(peer, payload))
            except SignerError as error:
                texts.append(error)
        return texts


class WatchOnly(Signer):
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
