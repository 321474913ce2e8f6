"""What speaks against signing something, unless its person wants it all the same.

The gate (`signing.gate`) searches for secret keys, and no word opens it. A guard looks at what an
event would do: overwrite a list, say. Whatever is signed for an account passes its guards at one
place, `Guarded`, be it written here or by a program that asks a bunker.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from nostr_client.errors import SignerError, SigningRefused
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.signer import PeerText, Signer


class Guard(Protocol):
    """`await guard(draft)`: why not, in words that a person is asked with; empty: go on.

    Raises SigningRefused where nobody's word helps. It may ask relays, and take seconds for it.
    """

    async def __call__(self, draft: Draft) -> str: ...


Consent = Callable[[Draft, str], Awaitable[bool]]
"""Given a draft and what speaks against it: does the person want it signed all the same?"""


async def nobody(draft: Draft, objection: str) -> bool:
    """Where there is nobody to ask, the answer is no."""
    return False


class Guarded(Signer):
    """A signer behind guards. What one of them objects to is signed with `consent` alone."""

    def __init__(self, signer: Signer, guards: Sequence[Guard], consent: Consent = nobody) -> None:
        self._signer = signer
        self._guards = tuple(guards)
        self._consent = consent

    async def __aenter__(self) -> Self:
        await self._signer.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._signer.__aexit__(kind, error, trace)

    @property
    def pubkey(self) -> str:
        return self._signer.pubkey

    async def sign(self, draft: Draft) -> Event:
        """Raises SigningRefused with a guard's words where nobody wants it all the same."""
        await self._check(draft)
        return await self._signer.sign(draft)

    async def sign_many(self, drafts: Sequence[Draft]) -> list[Event | SignerError]:
        refused: dict[int, SignerError] = {}
        for place, draft in enumerate(drafts):
            try:
                await self._check(draft)
            except SignerError as error:
                refused[place] = error
        passed = [draft for place, draft in enumerate(drafts) if place not in refused]
        signed = iter(await self._signer.sign_many(passed))
        return [
            refused.get(place) or next(signed, SignerError("the signer did not answer"))
            for place in range(len(drafts))
        ]

    async def nip44_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._signer.nip44_encrypt(peer, plaintext)

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        return await self._signer.nip44_decrypt(peer, payload)

    async def nip04_encrypt(self, peer: str, plaintext: str) -> str:
        return await self._signer.nip04_encrypt(peer, plaintext)

    async def nip04_decrypt(self, peer: str, payload: str) -> str:
        return await self._signer.nip04_decrypt(peer, payload)

    async def encrypt_many(self, texts: Sequence[PeerText]) -> list[str | SignerError]:
        return await self._signer.encrypt_many(texts)

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        return await self._signer.decrypt_many(payloads)

    async def _check(self, draft: Draft) -> None:
        """Ask the guards, and the person where one objects. Raises SigningRefused."""
        for guard in self._guards:
            objection = await guard(draft)
            if objection and not await self._consent(draft, objection):
                raise SigningRefused(objection)

    def __repr__(self) -> str:
        return f"<Guarded {self._signer!r}>"
