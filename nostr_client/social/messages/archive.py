"""What was opened once, on disk and in memory: the mailbox and the sealed log behind it.

All that changes the mailbox goes through `keep`: it is on disk first. What other processes keep is
taken in by `refresh`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.signing.signer import Signer
from nostr_client.social.messages import records
from nostr_client.social.messages.mailbox import Mailbox, Touched
from nostr_client.social.messages.records import KeptRumor, NotKept, Reason, Record
from nostr_client.social.messages.sealed_log import SealedLog
from nostr_client.tasks import Turns

MOST_UNWRITTEN: Final = 1_000
"""Records of what is under way already that wait for room on the disk."""


class MessageArchive:
    """The messages of the account `me` (hex), kept at `path`.

    `on_touched` hears what changed in the mailbox, `on_reload` that it is another one.
    """

    def __init__(self, path: Path, me: str, *, clock: Callable[[], float] = time.time) -> None:
        self.mailbox = Mailbox(me)
        self.on_touched: Callable[[Touched], None] = lambda touched: None
        self.on_reload: Callable[[], None] = lambda: None
        self.problem = ""
        """Why what is under way is not written down here yet."""
        self._me = me
        self._log = SealedLog(path, me)
        self._clock = clock
        self._known: Collection[str] = frozenset()
        self._unwritten: list[Record] = []
        self._unlocking = asyncio.Lock()
        self._taking = asyncio.Lock()

    @property
    def is_unlocked(self) -> bool:
        return self._log.is_unlocked

    @property
    def damaged(self) -> int:
        """Places in the file that cannot be read."""
        return self._log.damaged

    def check_room(self) -> None:
        """Raises StoreError where too much waits to be written down for more to be begun."""
        if len(self._unwritten) >= MOST_UNWRITTEN:
            raise StoreError(f"nothing is sent before this is mended: {self.problem}")

    async def unlock(self, signer: Signer) -> None:
        """Read what is kept, once. Raises SignerUnavailable, SigningRefused, StoreError."""
        async with self._unlocking:
            if self._log.is_unlocked:
                return
            await self._log.unlock(signer)
            await self.refresh()
            if not self.mailbox.begun:
                await self.keep([records.Begun(int(self._clock()))])

    def lock(self) -> None:
        """Forget what was opened, until `unlock` reads it again."""
        self._log.lock()
        self.mailbox = Mailbox(self._me)
        self._unwritten = []

    def set_known(self, known: Collection[str]) -> None:
        """The account follows these."""
        self._known = frozenset(known)
        self.mailbox.set_known(self._known)

    async def refresh(self) -> None:
        """Take in what other processes have kept. Raises StoreError."""
        async with self._taking:
            if self._log.has_new():
                await self._take_new()

    async def keep(self, new: Sequence[Record]) -> None:
        """Write these down, durably, and take them in. Raises StoreError."""
        async with self._taking, self._log.turn():
            await self._take_new()
            fresh: list[Record] = []
            touched: Touched = []
            for record in map(self._room_for, new):
                if record is not None:
                    fresh.append(record)
                    touched += self.mailbox.apply(record)  # what comes next may depend on it
            if fresh := [*self._unwritten, *fresh]:
                try:
                    await self._log.append([records.encode(record) for record in fresh])
                except BaseException:
                    self._log.reread()
                    raise
                self._unwritten, self.problem = [], ""
            self.on_touched(touched)

    async def keep_anyway(self, new: Sequence[Record]) -> None:
        """The same for what is under way: what cannot be written down now is taken in, `problem`
        says why, and it is written with whatever comes next. What is lost of it, should this
        process end before, comes again out of the own wraps."""
        try:
            await self.keep(new)
        except StoreError as error:
            self.problem = str(error)
            self._unwritten += new
            self.on_touched([touched for each in new for touched in self.mailbox.apply(each)])

    async def write_rest(self) -> None:
        """Write down what could not be written before. Raises StoreError."""
        if self._unwritten:
            await self.keep([])

    async def purge(self, now: int) -> list[str]:
        """Take out what has expired or was deleted, from disk too; the ids of the events that held
        what has expired. Raises StoreError."""
        mailbox = self.mailbox
        expired = mailbox.expired(now)
        sources = [source for id in expired if (source := mailbox.source_of(id))]
        if expired or mailbox.stale:
            await self.rewrite(expired)
        return sources

    async def rewrite(self, gone: Collection[str] = ()) -> None:
        """Write the file anew, without what was deleted, dismissed or is `gone`."""
        async with self._taking, self._log.turn():
            await self._take_new()
            for message_id in gone:
                self.on_touched(self.mailbox.forget(message_id))
            kept = self.mailbox.snapshot()
            data = await asyncio.to_thread(lambda: [records.encode(record) for record in kept])
            await self._log.rewrite(data)
            self.mailbox.stale = False

    # Inside

    def _room_for(self, record: Record) -> Record | None:
        """What is kept of it: nothing of what is here, and of a stranger's not always all."""
        if not isinstance(record, KeptRumor):
            return record
        if record.source in self.mailbox.sources and record.id in self.mailbox:
            return None
        takes = self.mailbox.takes(record)
        return record if takes else NotKept(record.source, Reason.OVERFLOW)

    async def _take_new(self) -> None:
        anew, data = await self._log.read_new()
        read = await asyncio.to_thread(lambda: list(map(records.decode, data)))
        if anew:
            self.mailbox = Mailbox(self._me, self._known)
        turns = Turns()
        for record in read:
            if record is not None:
                touched = self.mailbox.apply(record)
                if not anew:
                    self.on_touched(touched)
            await turns.rest()
        if anew:
            for record in self._unwritten:
                self.mailbox.apply(record)
            self.on_reload()
