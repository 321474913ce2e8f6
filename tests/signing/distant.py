"""A signer that takes its time: a device at which its person must press a button, or several of
whom each gives a part. It answers when a test says so, and sometimes says no."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from nostr_client.errors import NostrError, SignerError, SigningRefused
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText, Signer
from tests.waiting import until

T = TypeVar("T")


class DistantSigner(Signer):
    """Each request stands in `asked` (a `Draft`, or what is to be encrypted or decrypted) and waits
    for `answer` or `refuse`, in order; after `hurry` none waits any more."""

    def __init__(self, key: SecretKey, clock: Callable[[], float] | None = None) -> None:
        self._signer = LocalSigner(key, clock) if clock else LocalSigner(key)
        self.asked: list[object] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._hurries = False

    @property
    def pubkey(self) -> str:
        return self._signer.pubkey

    @property
    def waiting(self) -> int:
        """How many wait for an answer and still want one."""
        return sum(not each.done() for each in self._waiting)

    async def is_asked(self, number: int = 1) -> None:
        """Wait until so many wait for an answer."""
        await until(lambda: self.waiting == number)

    def answer(self) -> None:
        """The oldest request that waits is granted."""
        self._oldest().set_result(None)

    def refuse(self, error: NostrError | None = None) -> None:
        """The oldest request that waits is not."""
        self._oldest().set_exception(error or SigningRefused("the person at the device said no"))

    def hurry(self) -> None:
        """All are granted, those to come too."""
        self._hurries = True
        while self.waiting:
            self.answer()

    async def sign(self, draft: Draft) -> Event:
        return await self._given([draft], lambda: self._signer.sign(draft))

    async def nip44_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._given([plaintext], lambda: self._signer.nip44_encrypt(peer, plaintext))

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        return await self._given([payload], lambda: self._signer.nip44_decrypt(peer, payload))

    async def nip04_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._given([plaintext], lambda: self._signer.nip04_encrypt(peer, plaintext))

    async def nip04_decrypt(self, peer: str, payload: str) -> str:
        return await self._given([payload], lambda: self._signer.nip04_decrypt(peer, payload))

    async def sign_many(self, drafts: Sequence[Draft]) -> list[Event | SignerError]:
        return await self._given(drafts, lambda: self._signer.sign_many(drafts))

    async def encrypt_many(self, texts: Sequence[PeerText]) -> list[str | SignerError]:
        return await self._given(texts, lambda: self._signer.encrypt_many(texts))

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        return await self._given(payloads, lambda: self._signer.decrypt_many(payloads))

    def _oldest(self) -> asyncio.Future[None]:
        return next(each for each in self._waiting if not each.done())

    async def _given(self, asked: Sequence[object], do: Callable[[], Awaitable[T]]) -> T:
        self.asked += asked
        if not self._hurries:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]
        return await do()
