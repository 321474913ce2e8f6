"""A signer that is not in this process, behind the gate: it is not taken on trust either."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import ParamSpec, Self

from nostr_client.errors import InvalidEvent, SignerError
from nostr_client.protocol.event import Draft, Event, event_digest
from nostr_client.signing import gate
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText, Signer, WatchOnly

P = ParamSpec("P")


class Gated(Signer):
    """A signer elsewhere, behind the gate; what it gives back is the draft, signed, or an error."""

    def __init__(self, signer: Signer, own: gate.OwnKeys = tuple) -> None:
        """`own`: the keys of all accounts whose secret keys must not leave either."""
        self._signer = signer
        self._others = own

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
        """The draft as the signer signs it, which chooses the date where the draft has none.

        Raises SecretFound, whatever the signer raises, and SignerError or InvalidEvent where it
        signed something else, as somebody else, or not at all.
        """
        await asyncio.to_thread(gate.refuse_secrets, draft, self._own)
        event = await self._signer.sign(draft)
        return await asyncio.to_thread(_checked, event, draft, self.pubkey)

    async def nip44_encrypt(self, peer: str, plaintext: str) -> str:
        await asyncio.to_thread(gate.refuse_secret_texts, (plaintext,), self._own)
        return await self._signer.nip44_encrypt(peer, plaintext)

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        return await self._signer.nip44_decrypt(peer, payload)

    async def nip04_encrypt(self, peer: str, plaintext: str) -> str:
        await asyncio.to_thread(gate.refuse_secret_texts, (plaintext,), self._own)
        return await self._signer.nip04_encrypt(peer, plaintext)

    async def nip04_decrypt(self, peer: str, payload: str) -> str:
        return await self._signer.nip04_decrypt(peer, payload)

    async def sign_many(self, drafts: Sequence[Draft]) -> list[Event | SignerError]:
        refused = await asyncio.to_thread(_refused, drafts, self._own)
        answers = iter(
            await self._signer.sign_many(
                [draft for draft, no in zip(drafts, refused, strict=True) if no is None]
            )
        )
        signed: list[Event | SignerError] = []
        for draft, no in zip(drafts, refused, strict=True):
            answer = no or next(answers, SignerError("the signer did not answer"))
            if isinstance(answer, Event):
                try:
                    answer = await asyncio.to_thread(_checked, answer, draft, self.pubkey)
                except InvalidEvent as error:
                    answer = SignerError(str(error))
                except SignerError as error:
                    answer = error
            signed.append(answer)
        return signed

    async def encrypt_many(self, texts: Sequence[PeerText]) -> list[str | SignerError]:
        refused = await asyncio.to_thread(_refused_texts, texts, self._own)
        answers = iter(
            await self._signer.encrypt_many(
                [each for each, no in zip(texts, refused, strict=True) if no is None]
            )
        )
        return [no or next(answers, SignerError("the signer did not answer")) for no in refused]

    async def decrypt_many(self, payloads: Sequence[PeerText]) -> list[str | SignerError]:
        return await self._signer.decrypt_many(payloads)

    def _own(self) -> dict[str, str]:
        others = self._others()
        traced = others if isinstance(others, Mapping) else {}
        return {**dict.fromkeys((self.pubkey, *others), ""), **traced}

    def __repr__(self) -> str:
        return f"<Gated {self._signer!r}>"


def gated(signer: Signer, own: gate.OwnKeys = tuple) -> Signer:
    """`signer` behind the gate, once."""
    return signer if isinstance(signer, LocalSigner | Gated | WatchOnly) else Gated(signer, own)


def _checked(event: Event, draft: Draft, pubkey: str) -> Event:
    """`event`, if it is what `pubkey` signs of `draft`: a signer is not taken on trust either."""
    told = Event.parse(event.json)
    created_at = told.created_at if draft.created_at is None else draft.created_at
    digest = event_digest(pubkey, created_at, draft.kind, draft.tags, draft.content)
    if told.id != digest.hex() or not told.verify():
        raise SignerError("the signer did not sign what it was given; nothing was published")
    return told


def _refused(drafts: Sequence[Draft], own: gate.OwnKeys) -> list[SignerError | None]:
    """For each draft what the gate says against it, if anything."""
    return [_error_of(gate.refuse_secrets, draft, own) for draft in drafts]


def _refused_texts(texts: Sequence[PeerText], own: gate.OwnKeys) -> list[SignerError | None]:
    return [_error_of(gate.refuse_secret_texts, (each.text,), own) for each in texts]


def _error_of(check: Callable[P, None], *what: P.args, **more: P.kwargs) -> SignerError | None:
    try:
        check(*what, **more)
    except SignerError as error:
        return error
    return None
