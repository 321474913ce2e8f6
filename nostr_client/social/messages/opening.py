"""Opening what came: gift wraps, and the direct messages of old, the newest first.

Whatever is opened is kept at once, so that a signer is never asked twice for the same: whoever
stops in between lets it answer what it was asked. Three batches are under way at a time: while one
is read or kept, a signer that is far away answers for the others.
What it cannot open for good is remembered as such; where it did not answer, or said no, it is asked
again after a while, or when `retry` says that it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from bisect import insort
from collections.abc import Callable, Sequence
from typing import Final

from nostr_client.errors import DecryptionFailed, StoreError
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import is_hex64
from nostr_client.signing.gift_wraps import Opened, Unopened, Why, unwrap_many
from nostr_client.signing.signer import Cipher, PeerText, Signer
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.messages.records import KeptRumor, NotKept, Reason, Record
from nostr_client.store.contract import EventStore
from nostr_client.tasks import all_of, finished, together

FEWEST: Final = 32
MOST: Final = 512
"""Events opened in one go; a batch grows while it takes less than `TURN` seconds."""
TURN: Final = 0.25
AT_ONCE: Final = 3
"""Batches under way."""
GRACE: Final = 1.5
"""Seconds that batches under way have to be kept when this is stopped."""
PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 60.0
"""Seconds until a signer that did not answer is asked again: at first, and doubled each time."""
AHEAD: Final = 60
"""Seconds by which a message may be dated ahead of the clock on which it is opened: it would stay
the last one of its room, and the room the first one, until then."""
STORE_PAUSE: Final = 5.0
_KINDS: Final = frozenset({kinds.CHAT_MESSAGE, kinds.FILE_MESSAGE, kinds.REACTION, kinds.DELETION})
_REASONS: Final = {
    Why.UNREADABLE: Reason.FAILED,
    Why.INVALID: Reason.FORGED,
    Why.AUTHORS_DISAGREE: Reason.FORGED,
    Why.ANOTHER_KEY: Reason.OTHER_KEY,
}


class MessageOpener:
    """Opens the account's messages in `store` through `signer` into `archive`.

    `encryption` has the separate encryption key of NIP-4E, where there is one here.
    """

    def __init__(
        self,
        store: EventStore,
        archive: MessageArchive,
        signer: Signer,
        *,
        encryption: Signer | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        me = frozenset({signer.pubkey})
        wraps = Filter(kinds=frozenset({kinds.GIFT_WRAP}), tags={"p": me})
        received = Filter(kinds=frozenset({kinds.DIRECT_MESSAGE}), tags={"p": me})
        sent = Filter(kinds=frozenset({kinds.DIRECT_MESSAGE}), authors=me)
        self.filters: Final = (wraps, received, sent)
        self.on_status: Callable[[], None] = lambda: None
        self.takes: Callable[[Rumor], bool] = lambda rumor: False
        """Is this, which is no message, taken by somebody else? Then nothing is kept of it here."""
        self.signer_problem = ""
        self.problem = ""
        self._store = store
        self._archive = archive
        self._signer = signer
        self._encryption = encryption
        self._clock = clock
        self._order: list[tuple[int, str]] = []
        self._waiting: set[str] = set()
        self._under_way: set[str] = set()
        self._later: list[tuple[int, str]] = []
        self._wake = asyncio.Event()
        self._retry = asyncio.Event()
        self._size = FEWEST

    @property
    def waiting(self) -> int:
        """How many events are still to be opened."""
        under_way = len(self._under_way - self._archive.mailbox.sources)
        return len(self._order) + len(self._later) + under_way

    @property
    def is_idle(self) -> bool:
        """Is everything that was found opened, and on disk?"""
        return not self._waiting

    def retry(self) -> None:
        """The signer is back."""
        self._retry.set()

    async def wait_for_retry(self, limit: float) -> None:
        """Until the signer is said to be back, at most `limit` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._retry.wait()
        self._retry.clear()

    def drop_opened(self) -> None:
        """What another process has opened meanwhile need not be opened here."""
        sources = self._archive.mailbox.sources
        self._waiting -= sources
        self._order = [item for item in self._order if item[1] not in sources]
        self._later = [item for item in self._later if item[1] not in sources]

    async def run(self) -> None:
        """Open what is here and what comes, until cancelled."""
        async with together() as group:
            group.create_task(self._watch())
            while True:
                try:
                    await self.open_all()
                    self.problem = ""
                except StoreError as error:
                    self.problem = str(error)
                    self.on_status()
                    await asyncio.sleep(STORE_PAUSE)
                    continue
                await self._wake.wait()
                self._wake.clear()

    async def scan(self) -> None:
        """Find what is here and was never opened; what was to be gone by now goes. Raises
        StoreError."""
        mailbox, gone = self._archive.mailbox, list[str]()
        for wanted in self.filters:
            for at, raw in await self._store.ids(wanted):
                self._add(at, raw.hex(), mailbox.sources)
                gone += [raw.hex()] if mailbox.is_gone(raw.hex()) else []
        await self._remove(gone)
        self._wake.set()

    async def open_all(self, *, wait: bool = True) -> None:
        """Open what waits; with `wait` as long as it takes the signer, else only what it opens now.

        Raises StoreError.
        """
        pause = PAUSE
        while self._order or (self._later and wait):
            if not self._order:
                await self.wait_for_retry(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                self._order, self._later = sorted(self._later), []
            if any(await all_of(self._open_batches() for _ in range(AT_ONCE))):
                pause = PAUSE
        self.on_status()

    # Inside

    async def _watch(self) -> None:
        while True:
            try:
                async with self._store.watch(self.filters) as arrivals:
                    await self.scan()
                    async for event in arrivals:
                        self._add(event.created_at, event.id, self._archive.mailbox.sources)
                        self._wake.set()
                return
            except StoreError as error:
                self.problem = str(error)
            await asyncio.sleep(STORE_PAUSE)

    def _add(self, at: int, event_id: str, sources: set[str]) -> None:
        if event_id in sources or event_id in self._waiting:
            return
        self._waiting.add(event_id)
        insort(self._order, (at, event_id))

    async def _open_batches(self) -> bool:
        """Open batch after batch, the newest first; did the signer do anything?"""
        done = False
        while self._order:
            done |= await self._open_next()
        return done

    async def _open_next(self) -> bool:
        """Open the newest ones that wait; did the signer do anything?"""
        part = self._order[-self._size :]
        del self._order[-self._size :]
        ids = {event_id for _, event_id in part}
        self._under_way |= ids
        begun = time.monotonic()
        try:
            done, later = await finished(self._open_part(part), GRACE)
        except BaseException:
            self._order = sorted((*self._order, *part))
            raise
        finally:
            self._under_way -= ids
        self._waiting -= ids - later
        self._later += [item for item in part if item[1] in later]
        if done and not later:
            self.signer_problem = ""
        took = time.monotonic() - begun
        self._size = min(MOST, 2 * self._size) if took < TURN else max(FEWEST, self._size // 2)
        self.on_status()
        return done > 0

    async def _open_part(self, part: Sequence[tuple[int, str]]) -> tuple[int, set[str]]:
        """How many were opened and kept, and the ids of those for later."""
        sources = self._archive.mailbox.sources
        ids = frozenset(event_id for _, event_id in part if event_id not in sources)
        events = await self._store.query([Filter(ids=ids)]) if ids else []
        wraps = [event for event in events if event.kind == kinds.GIFT_WRAP]
        old = [event for event in events if event.kind == kinds.DIRECT_MESSAGE]
        kept, later = await self._open(wraps, old)
        if kept:
            await self._archive.keep(kept)
            closed = [record for record in kept if isinstance(record, NotKept)]
            await self._remove([each.source for each in closed if each.why is Reason.GONE])
        return len(kept), later

    async def _remove(self, gone: Sequence[str]) -> None:
        if gone:
            await self._store.remove([Filter(ids=frozenset(gone))])

    async def _open(
        self, wraps: Sequence[Event], old: Sequence[Event]
    ) -> tuple[list[Record], set[str]]:
        """The records of what was opened, and the ids of what is to be tried again."""
        kept: list[Record] = []
        later: set[str] = set()
        if wraps:
            results = await unwrap_many(self._signer, wraps, encryption=self._encryption)
            for wrap, result in zip(wraps, results, strict=True):
                if isinstance(result, Unopened) and result.why is Why.LATER:
                    later.add(wrap.id)
                    self.signer_problem = result.reason
                else:
                    kept.append(self._record(wrap, result))
        if old:
            payloads = [PeerText(self._peer(each), each.content, Cipher.NIP04) for each in old]
            texts = await self._signer.decrypt_many(payloads)
            for event, text in zip(old, texts, strict=True):
                if isinstance(text, str):
                    kept.append(self._old(event, text))
                elif isinstance(text, DecryptionFailed):
                    kept.append(NotKept(event.id, Reason.FAILED))
                else:
                    later.add(event.id)
                    self.signer_problem = str(text)
        return kept, later

    def _record(self, wrap: Event, result: Opened | Unopened) -> Record:
        if isinstance(result, Unopened):
            return NotKept(wrap.id, _REASONS[result.why])
        rumor, seal = result.rumor, result.seal
        ends = (wrap.expiration, seal.expiration, expiration_of(rumor.value("expiration")))
        expires_at = min((at for at in ends if at is not None), default=0)
        if expires_at and expires_at <= self._clock():
            return NotKept(wrap.id, Reason.GONE)
        kept = KeptRumor(
            wrap.id,
            rumor.id,
            rumor.pubkey,
            min(rumor.created_at, int(self._clock()) + AHEAD),
            rumor.kind,
            rumor.tags,
            rumor.content,
            expires_at,
        )
        if _is_ours(kept):
            return kept
        return NotKept(wrap.id, Reason.GONE if self.takes(rumor) else Reason.NO_MESSAGE)

    def _old(self, event: Event, text: str) -> Record:
        tags = (("p", self._peer(event)), *(t for t in event.tags if t[0] == "e"))
        at = min(event.created_at, int(self._clock()) + AHEAD)
        return KeptRumor(
            *(event.id, event.id, event.pubkey, at, event.kind, tags, text),
            expires_at=event.expiration or 0,
            old=True,
        )

    def _peer(self, event: Event) -> str:
        """With whom an old direct message is: oneself, where it names nobody."""
        if event.pubkey != self._signer.pubkey:
            return event.pubkey
        return next(filter(is_hex64, event.values("p")), event.pubkey)


def expiration_of(text: str | None) -> int | None:
    """The seconds in an `expiration` tag (NIP-40), if it can be read."""
    readable = text is not None and text.isascii() and text.isdigit() and len(text) <= 19
    return int(text or 0) if readable else None


def _is_ours(rumor: KeptRumor) -> bool:
    """Is it something that belongs into a room?"""
    if rumor.kind not in _KINDS:
        return False
    return any(map(is_hex64, rumor.values("p" if rumor.kind in _ROOMED else "e")))


_ROOMED: Final = frozenset({kinds.CHAT_MESSAGE, kinds.FILE_MESSAGE})
