"""What goes on while a client runs: reading relays, opening what came, and what other processes on
the same folder keep.

One process a folder and account reads and opens, and holds the lock for it; in the others what it
keeps shows as soon as it is kept, and one of them takes over when it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from nostr_client.errors import FolderInUse, SignerError, StoreError
from nostr_client.net.outcome import End
from nostr_client.paths import FolderLock
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.messages.inbox import MessageInbox
from nostr_client.social.messages.opening import MessageOpener
from nostr_client.tasks import together

LOOK: Final = 0.25
"""Seconds between two looks at what other processes have kept."""
TIDY: Final = 5.0
"""Seconds between two looks for what has expired, and for what was delivered meanwhile."""
LEAD: Final = 1.0
"""Seconds between two tries to become the process that reads and opens."""
UNLOCK_AGAIN: Final = 2.0
"""Seconds until a signer that did not unlock is asked again; doubled up to `UNLOCK_LATEST`."""
UNLOCK_LATEST: Final = 60.0


class MessageWork:
    """The work of one account; `run` is its one task. `lock_path` names who reads and opens."""

    def __init__(
        self,
        archive: MessageArchive,
        inbox: MessageInbox,
        opener: MessageOpener,
        lock_path: Path,
        *,
        unlock: Callable[[], Awaitable[None]],
        tidy: Callable[[], Awaitable[None]],
        on_status: Callable[[], None],
    ) -> None:
        self.inbox = inbox
        self.opener = opener
        self.leads = False
        """Is it this process that reads and opens?"""
        self.unlock_problem = ""
        self.problem = ""
        self._archive = archive
        self._lock_path = lock_path
        self._unlock = unlock
        self._tidy = tidy
        self._on_status = on_status
        self._fetched: Mapping[str, End] = {}

    @property
    def ends(self) -> Mapping[str, End]:
        """How each relay answered, the last time."""
        return self.inbox.ends or self._fetched

    async def run(self) -> None:
        """Work until cancelled."""
        await self._unlock_patiently()
        async with together() as group:
            group.create_task(self._steadily(self._archive.refresh, LOOK))
            group.create_task(self._steadily(self._tidy, TIDY))
            while True:
                with contextlib.suppress(FolderInUse), FolderLock(self._lock_path):
                    await self._lead()
                await asyncio.sleep(LEAD)

    async def sync(self, limit: float) -> None:
        """Ask the relays once, and open what came, at most `limit` seconds. Raises StoreError."""
        deadline = time.monotonic() + limit
        self._fetched = await self.inbox.fetch(limit)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(1.0, deadline - time.monotonic())):
                await self.opener.scan()
                while not self.opener.is_idle:
                    if self.opener.signer_problem and self.leads:
                        return
                    if not self.leads and await self._open_alone():
                        return
                    await asyncio.sleep(LOOK / 5)
                    await self._archive.refresh()
                    self.opener.drop_opened()

    # Inside

    async def _open_alone(self) -> bool:
        """Open what the signer opens now, unless another process is at it."""
        with contextlib.suppress(FolderInUse), FolderLock(self._lock_path):
            await self.opener.open_all(wait=False)
            return True
        return False

    async def _lead(self) -> None:
        self.leads = True
        try:
            async with together() as group:
                group.create_task(self.inbox.run())
                group.create_task(self.opener.run())
        finally:
            self.leads = False

    async def _unlock_patiently(self) -> None:
        pause = UNLOCK_AGAIN
        while True:
            try:
                await self._unlock()
            except (SignerError, StoreError) as error:
                self.unlock_problem = str(error)
                self._on_status()
                await self.opener.wait_for_retry(pause)
                pause = min(2 * pause, UNLOCK_LATEST)
            else:
                self.unlock_problem = ""
                self._on_status()
                return

    async def _steadily(self, work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            try:
                await work()
                self.problem = ""
            except StoreError as error:
                self.problem = str(error)
            await asyncio.sleep(pause)
