"""Is this relay well? For supervisors, containers and load balancers."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError
from relays.web.http_types import HttpRequest, HttpResponse

LEAST_FREE: Final = 256 * 2**20
"""Bytes that must be free on the disk: what is written next may need them at once."""
REMEMBERED: Final = 5.0
"""Seconds for which an answer holds: whoever asks often must not make the disk work."""
PATIENCE: Final = 10.0
"""Seconds that the store has to show that it can write."""

Probe = Callable[[], Awaitable[None]]
"""Writes something of no weight, durably. Raises StoreError."""


class Health:
    """Looks at the store and at the disk of `folder`, at most every `REMEMBERED` seconds."""

    def __init__(
        self, folder: Path, probe: Probe, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._probe = probe
        self._clock = clock
        self._looking = asyncio.Lock()
        self._looked = -REMEMBERED
        self._complaint = ""
        self.whole: Callable[[], Awaitable[tuple[str, str]]] | None = None
        """What is wrong with other processes of this relay; and what to say where nothing is."""

    async def complaint(self) -> str:
        """What is wrong, in words for anybody; empty if nothing is."""
        async with self._looking:
            if self._clock() - self._looked >= REMEMBERED:
                self._complaint = await self._look()
                self._looked = self._clock()
            return self._complaint

    async def answer(self, _request: HttpRequest) -> HttpResponse:
        """200 and `ok` (and perhaps more), or 503 and what is wrong."""
        complaint, words = await self.complaint(), ""
        if not complaint and self.whole is not None:
            complaint, words = await self.whole()
        status = HTTPStatus.SERVICE_UNAVAILABLE if complaint else HTTPStatus.OK
        body = f"{complaint or (f'ok: {words}' if words else 'ok')}\n".encode()
        return HttpResponse(
            status=status, media_type="text/plain", body=body, headers={"Cache-Control": "no-store"}
        )

    async def _look(self) -> str:
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError:
            return "the relay's folder cannot be reached"
        if free < LEAST_FREE:
            return f"the disk is nearly full: {free // 2**20} MiB are free"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._probe()
        except (StoreError, TimeoutError):  # why stands in the log, and names files
            return "the store cannot write"
        return ""
