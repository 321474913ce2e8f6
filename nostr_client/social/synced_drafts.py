"""Drafts that follow the account to its other devices (NIP-37); off until asked for.

Each is one event (kind 31234), encrypted to the account itself, on its private relays (kind 10013)
and nowhere else. Its address says nothing of what is answered. An empty one means deleted.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import InvalidEvent, SigningRefused, StoreError
from nostr_client.nips.nip59 import Rumor
from nostr_client.paths import private_folder, store_error, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import MALFORMED, Draft, Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.fetch_results import FetchReport
from nostr_client.signing.signer import PeerText, Signer
from nostr_client.social.notes import Notes
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import Posted
from nostr_client.social.writing import Writing

KEPT_FOR: Final = 90 * 86_400
"""Seconds after which relays may drop one (NIP-40), as NIP-37 recommends."""
MOST: Final = 200
FETCH_LIMIT: Final = 5.0
WRITTEN: Final = frozenset({kinds.NOTE, kinds.COMMENT})
_reference = re.compile(r"\n\nnostr:(?:nevent|naddr|note)1[02-9ac-hj-np-z]+\Z")
_is_kind = re.compile("[0-9]{1,5}").fullmatch
Identifiers = dict[str, str]


class SyncedDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft of any device of the account; `at` is when it was kept, in seconds since 1970."""

    identifier: str
    at: int
    writing: Writing


class SyncedDrafts:
    """The synced drafts of the account whose `publisher` signs; `on`: they are asked for.

    `private_relays` yields those of the kind 10013 list, None while it cannot be decrypted.
    """

    def __init__(
        self,
        notes: Notes,
        publisher: Publisher,
        *,
        owner: str,
        on: bool,
        private_relays: Callable[[], Awaitable[tuple[str, ...] | None]],
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.on = on and publisher.signer is not None
        self._notes = notes
        self._publisher = publisher
        self._courier = publisher.courier
        self._owner = owner
        self._private_relays = private_relays
        self._path = folder / f"synced-drafts-{owner[:16]}.json"
        self._clock = clock
        self._changing = asyncio.Lock()

    async def keep(self, name: str, writing: Writing) -> Posted | None:
        """Have the draft `name` of this machine at the private relays; None where it is off, or
        there are none. Raises SignerError, InvalidData, StoreError."""
        if not self.on or not await self._private_relays():
            return None
        draft = await self._notes.draft_of(writing)
        now = int(self._clock())
        text = Rumor.of(draft, self._owner, now).json
        sealed = await self._signer.nip44_encrypt(self._owner, text)
        return await self._publish(await self._identifier(name), draft.kind, sealed, now)

    async def forget(self, name: str) -> Posted | None:
        """The draft `name` was sent or thrown away: so it is everywhere. None if none was kept."""
        identifier = (await asyncio.to_thread(self._read)).get(name)
        return await self.blank(identifier) if identifier else None

    async def blank(self, identifier: str) -> Posted | None:
        """Delete one, whichever device kept it; None where it is off, or gone already."""
        address = event_address(kinds.DRAFT_WRAP, self._owner, identifier)
        held = await self._courier.store.get_address(address)
        if not self.on or held is None or not held.content:
            return None
        kind = next((int(k) for k in held.values("k") if _is_kind(k)), kinds.NOTE)
        return await self._publish(identifier, kind, "", int(self._clock()))

    async def adopt(self, name: str, identifier: str) -> None:
        """The draft `name` of this machine goes on with what another device began."""
        async with self._changing:
            known = await asyncio.to_thread(self._read)
            await asyncio.to_thread(self._write, {**known, name: identifier})

    async def fetch(self, limit: float = FETCH_LIMIT) -> FetchReport:
        """Ask the private relays, at most `limit` seconds; nobody while it is off."""
        urls = await self._private_relays() if self.on else None
        if not urls:
            return FetchReport()
        return await self._courier.fetch([self._mine], urls, timeout=limit)

    async def elsewhere(self) -> list[SyncedDraft]:
        """Those that no draft of this machine goes on with, the newest first.

        Raises StoreError; what cannot be decrypted just now is left out."""
        if not self.on:
            return []
        here = set((await asyncio.to_thread(self._read)).values())
        held = [
            event
            for event in await self._courier.store.query([self._mine])
            if event.content and next(iter(event.values("d")), "") not in here
        ]
        texts = await self._signer.decrypt_many(
            [PeerText(self._owner, event.content) for event in held]
        )
        opened = (
            _opened(event, text)
            for event, text in zip(held, texts, strict=True)
            if isinstance(text, str)
        )
        return sorted((draft for draft in opened if draft), key=lambda draft: -draft.at)

    @property
    def _mine(self) -> Filter:
        return Filter.of(authors=[self._owner], kinds=[kinds.DRAFT_WRAP], limit=MOST)

    @property
    def _signer(self) -> Signer:
        signer = self._publisher.signer
        if signer is None:
            raise SigningRefused("this account is only watched: it has no key to encrypt with")
        return signer

    async def _publish(self, identifier: str, kind: int, content: str, now: int) -> Posted:
        tags = (("d", identifier), ("k", str(kind)), ("expiration", str(now + KEPT_FOR)))
        return await self._publisher.publish(Draft(kinds.DRAFT_WRAP, content, tags))

    # Which draft of this machine is which event

    async def _identifier(self, name: str) -> str:
        """Where the draft `name` is kept: made up once, so that it tells nobody anything."""
        async with self._changing:
            known = await asyncio.to_thread(self._read)
            if name not in known:
                known = {**known, name: secrets.token_hex(16)}
                await asyncio.to_thread(self._write, known)
            return known[name]

    def _read(self) -> Identifiers:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Identifiers)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise store_error(f"{self._path} cannot be read", error) from error
        except MALFORMED as error:
            raise StoreError(f"{self._path} is damaged: move it away") from error

    def _write(self, known: Identifiers) -> None:
        private_folder(self._path.parent)
        write_private(self._path, msgspec.json.encode(known))


def _opened(event: Event, text: str) -> SyncedDraft | None:
    """What a draft says; None for what is no note, or not understood."""
    try:
        rumor = Rumor.parse(text)
    except InvalidEvent:
        return None
    identifier = next(iter(event.values("d")), "")
    if rumor.kind not in WRITTEN or rumor.pubkey != event.pubkey or not identifier:
        return None
    tags = rumor.tags
    quote = next((t[1] for t in tags if t[0] == "q" and len(t) > 1 and is_hex64(t[1])), "")
    body = _reference.sub("", rumor.content) if quote else rumor.content
    warning = next((t[1] if len(t) > 1 else "" for t in tags if t[0] == "content-warning"), None)
    writing = Writing(
        text=body,
        reply_to=_answered(rumor),
        quote="" if _answered(rumor) else quote,
        warning=warning,
    )
    return SyncedDraft(identifier=identifier, at=event.created_at, writing=writing)


def _answered(rumor: Rumor) -> str:
    """The event that it answers, if it does."""
    ids = [tag for tag in rumor.tags if tag[0] == "e" and len(tag) > 1 and is_hex64(tag[1])]
    marked = {tag[3]: tag[1] for tag in ids if len(tag) > 3}
    if rumor.kind == kinds.NOTE:
        return marked.get("reply") or marked.get("root") or ""
    return ids[-1][1] if ids else ""
