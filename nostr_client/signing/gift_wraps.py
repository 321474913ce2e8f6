"""Gift wraps, made, and opened many at a time (NIP-59, NIP-17).

Opening takes two questions to the signer for all of them, whatever and wherever it is: what do the
wraps hold, and what do the seals. In between the seals' signatures are checked, in one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from nostr_client.errors import AuthorsDisagree, DecryptionFailed, InvalidEvent, SignerError
from nostr_client.nips import nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import verify_batch
from nostr_client.signing.signer import PeerText, Signer


@dataclass(frozen=True, slots=True)
class Opened:
    """What a wrap held: `seal` with a signature that was checked, and the `rumor` of its author."""

    seal: Event
    rumor: Rumor


class Why(Enum):
    """Why a wrap was not opened."""

    LATER = "the signer did not answer, or said no: to be tried again"
    UNREADABLE = "encrypted with another key, or damaged"
    INVALID = "what it holds is not valid"
    AUTHORS_DISAGREE = "sealed by somebody else than it says"
    ANOTHER_KEY = "meant for a separate encryption key (NIP-4E)"


@dataclass(frozen=True, slots=True)
class Unopened:
    """Why a wrap was not opened, and the words of whoever said so.

    `encryption_key` (hex): the one that the seal names, with which it can be opened.
    """

    why: Why
    reason: str
    encryption_key: str = ""


async def wrapped_for(
    signer: Signer,
    rumor: Rumor,
    recipients: Sequence[str],
    now: int,
    *,
    seal_ends: int | None = None,
    wrap_ends: int | None = None,
) -> dict[str, Event]:
    """`rumor` for each of `recipients` (hex): sealed by the signer, wrapped by keys that are
    forgotten. Seal and wrap expire at `seal_ends` and `wrap_ends`, in seconds. Raises SignerError.
    """
    texts = [PeerText(pubkey, rumor.json) for pubkey in recipients]
    payloads = [_or_raise(each) for each in await signer.encrypt_many(texts)]
    drafts = [nip59.seal_draft(each, now, expiration=seal_ends) for each in payloads]
    seals = [_or_raise(each) for each in await signer.sign_many(drafts)]
    if len(seals) != len(recipients):
        raise SignerError("the signer did not sign everything: nothing was sent")

    def wrapped() -> dict[str, Event]:
        return {
            pubkey: nip59.wrap(seal, pubkey, now, expiration=wrap_ends)
            for pubkey, seal in zip(recipients, seals, strict=True)
        }

    return await asyncio.to_thread(wrapped)


async def unwrap_many(
    signer: Signer, wraps: Sequence[Event], *, encryption: Signer | None = None
) -> list[Opened | Unopened]:
    """What each of `wraps` (their own signatures checked already) holds, in their order.

    `encryption` has the separate encryption key of NIP-4E, where there is one here.
    """
    results: list[Opened | Unopened | None] = [None] * len(wraps)
    by_key: list[Signer] = [signer] * len(wraps)
    inner = await signer.decrypt_many([_wrapped(wrap) for wrap in wraps])
    if encryption is not None:
        inner = await _second_try(encryption, wraps, inner, by_key)
    seals = await asyncio.to_thread(_parse_seals, inner, results)
    for who in (signer, encryption):
        if who is None:
            continue
        turn = [i for i, seal in enumerate(seals) if seal is not None and by_key[i] is who]
        asked = [seal for i in turn if (seal := seals[i]) is not None]
        texts = await who.decrypt_many([_sealed(seal) for seal in asked])
        await asyncio.to_thread(_open, turn, asked, texts, results)
    return [each or Unopened(Why.LATER, "the signer did not answer") for each in results]


async def unwrap(
    signer: Signer, wrap: Event, *, encryption: Signer | None = None
) -> Opened | Unopened:
    """What `wrap` holds."""
    return (await unwrap_many(signer, [wrap], encryption=encryption))[0]


async def _second_try(
    encryption: Signer,
    wraps: Sequence[Event],
    inner: list[str | SignerError],
    by_key: list[Signer],
) -> list[str | SignerError]:
    """`inner`, with what the separate key opens where the signer could not."""
    failed = [i for i, text in enumerate(inner) if isinstance(text, DecryptionFailed)]
    payloads = [_wrapped(wraps[i]) for i in failed]
    texts = list(inner)
    for i, text in zip(failed, await encryption.decrypt_many(payloads), strict=False):
        if isinstance(text, str):
            texts[i], by_key[i] = text, encryption
    return texts


def _parse_seals(
    inner: Sequence[str | SignerError], results: list[Opened | Unopened | None]
) -> list[Event | None]:
    """The seals whose signatures are right; of the others `results` says what is wrong."""
    seals: list[Event | None] = [None] * len(results)
    for i, text in enumerate(inner[: len(results)]):
        if isinstance(text, SignerError):
            results[i] = _not_decrypted(text)
            continue
        try:
            seals[i] = nip59.parse_seal(text)
        except InvalidEvent as error:
            results[i] = Unopened(Why.INVALID, str(error))
    there = [(i, seal) for i, seal in enumerate(seals) if seal is not None]
    verdicts = verify_batch(b"".join(_record(seal) for _, seal in there))
    for (i, _), good in zip(there, verdicts, strict=True):
        if not good:
            seals[i] = None
            results[i] = Unopened(Why.INVALID, "the seal's signature is wrong")
    return seals


def _open(
    turn: Sequence[int],
    seals: Sequence[Event],
    texts: Sequence[str | SignerError],
    results: list[Opened | Unopened | None],
) -> None:
    for i, seal, text in zip(turn, seals, texts, strict=False):
        if isinstance(text, SignerError):
            results[i] = _not_decrypted(text, nip59.encryption_key(seal) or "")
            continue
        try:
            results[i] = Opened(seal, nip59.open_seal(seal, text))
        except AuthorsDisagree as error:
            results[i] = Unopened(Why.AUTHORS_DISAGREE, str(error))
        except InvalidEvent as error:
            results[i] = Unopened(Why.INVALID, str(error))


def _wrapped(wrap: Event) -> PeerText:
    return PeerText(wrap.pubkey, wrap.content, once=True)


def _sealed(seal: Event) -> PeerText:
    return PeerText(nip59.encryption_key(seal) or seal.pubkey, seal.content)


def _not_decrypted(error: SignerError, encryption_key: str = "") -> Unopened:
    if not isinstance(error, DecryptionFailed):
        return Unopened(Why.LATER, str(error))
    if encryption_key:
        return Unopened(Why.ANOTHER_KEY, Why.ANOTHER_KEY.value, encryption_key)
    return Unopened(Why.UNREADABLE, str(error))


_T = TypeVar("_T", str, Event)


def _or_raise(answer: _T | SignerError) -> _T:
    if isinstance(answer, SignerError):
        raise answer
    return answer


def _record(event: Event) -> bytes:
    return bytes.fromhex(event.id + event.pubkey + event.sig)
