"""What speaks against signing something, unless its person wants it all the same.

The gate (`signing.gate`) searches for secret keys, and no word opens it. A guard looks at what an
event would do: overwrite a list, say. Whatever is signed for an account passes its guards at one
place, `Guarded`, be it written here or by a program that asks a bunker.

What cannot be taken back is *grave*: a yes is not enough for it. The person types what it is, and
there has to be a backup of the account (`nostr-client backup`) of the last `FRESH` seconds, or the
person types that there is none. What was said counts for the one event that was asked about.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Protocol, Self

from nostr_client.errors import NotConfirmed, SignerError
from nostr_client.protocol.event import Draft, Event
from nostr_client.signing.signer import PeerText, Signer

FRESH: Final = 86_400
"""Seconds for which a backup counts as fresh."""
WITHOUT_BACKUP: Final = "without a backup"
NO_BACKUP: Final = (
    "there is no backup of this account from the last day; `nostr-client backup FILE` makes one"
)


@dataclass(frozen=True, slots=True)
class Objection:
    """What speaks against signing something: `words`, as a person is asked with them.

    `word` says what it is where it is grave, in one word; empty where a yes is enough. `has_backup`
    is set when the person is asked.
    """

    words: str
    word: str = ""
    has_backup: bool = True

    @property
    def phrase(self) -> str:
        """What the person types to have it signed; empty where a yes is enough."""
        if not self.word:
            return ""
        return self.word if self.has_backup else f"{self.word} {WITHOUT_BACKUP}"

    def __str__(self) -> str:
        return self.words if self.has_backup else f"{self.words}; {NO_BACKUP}"


class Guard(Protocol):
    """`await guard(draft)`: why not; None: go on.

    Raises SigningRefused where nobody's word helps. It may ask relays, and take seconds for it.
    """

    async def __call__(self, draft: Draft) -> Objection | None: ...


Consent = Callable[[Draft, Objection], Awaitable[bool]]
"""Given a draft and what speaks against it: does the person want it signed all the same?"""
BackupAge = Callable[[], float | None]
"""How many seconds ago the last backup was made, None if none is known of. May block."""


async def nobody(draft: Draft, objection: Objection) -> bool:
    """Where there is nobody to ask, the answer is no."""
    return False


def consent_to(*words: str, without_backup: bool = False) -> Consent:
    """What a script says beforehand: these grave acts (`Objection.word`) are wanted, also
    `without_backup`; and nothing else."""

    async def consent(draft: Draft, objection: Objection) -> bool:
        return (
            bool(objection.word)
            and objection.word in words
            and (without_backup or objection.has_backup)
        )

    return consent


class Confirmation:
    """How the person is asked: by `consent`, and with the backup that `backup_age` knows of."""

    def __init__(self, consent: Consent = nobody, backup_age: BackupAge = lambda: None) -> None:
        self._consent = consent
        self._backup_age = backup_age

    def by(self, consent: Consent) -> Confirmation:
        """The same, asked in another way."""
        return Confirmation(consent, self._backup_age)

    async def obtain(self, draft: Draft, objection: Objection) -> None:
        """Raises NotConfirmed unless the person wants `draft` all the same; StoreError."""
        if objection.word:
            age = await asyncio.to_thread(self._backup_age)
            objection = replace(objection, has_backup=age is not None and 0 <= age <= FRESH)
        if not await self._consent(draft, objection):
            raise NotConfirmed(f"nothing was signed: {objection}", objection)


UNCONFIRMED: Final = Confirmation()
"""Nobody is there to be asked."""


class Guarded(Signer):
    """A signer behind guards. What one of them objects to is signed once `confirmation` has it."""

    def __init__(
        self,
        signer: Signer,
        guards: Sequence[Guard],
        confirmation: Confirmation = UNCONFIRMED,
    ) -> None:
        self._signer = signer
        self._guards = tuple(guards)
        self._confirmation = confirmation

    def asking(self, consent: Consent) -> Guarded:
        """The same signer behind the same guards, with another person to ask."""
        return Guarded(self._signer, self._guards, self._confirmation.by(consent))

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
        """Raises NotConfirmed with a guard's words where nobody wants it all the same."""
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
        """Ask the guards, and the person where one objects. Raises NotConfirmed."""
        for guard in self._guards:
            if (objection := await guard(draft)) is not None:
                await self._confirmation.obtain(draft, objection)

    def __repr__(self) -> str:
        return f"<Guarded {self._signer!r}>"
