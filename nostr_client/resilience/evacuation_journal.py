"""How far an evacuation is: on disk before anything is done, so that it can be gone on with."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.paths import write_private
from nostr_client.resilience.evacuation_plan import EvacuationPlan
from nostr_client.routing.starter_relays import starter_relays

log = logging.getLogger(__name__)

STALE: Final = 86_400
"""Seconds after which a plan that was not carried out is made anew."""
TOLD_FOR: Final = 30 * 86_400
"""Seconds in which old relays are still told of the new lists, should they come back."""


class EvacuationStep(StrEnum):
    """How far it is."""

    LISTS = "lists"
    REFILL = "refill"
    CHECK = "check"
    DONE = "done"


class BegunEvacuation(msgspec.Struct, frozen=True):
    """The plan, when it was begun (seconds since 1970), and how far it is."""

    plan: EvacuationPlan
    begun: int
    step: EvacuationStep = EvacuationStep.LISTS


class EvacuationJournal:
    """The last evacuation of the account `owner` (hex), in a file of `folder`."""

    def __init__(self, folder: Path, owner: str, clock: Callable[[], float] = time.time) -> None:
        self._path = folder / f"evacuation-{owner[:16]}.json"
        self._clock = clock
        self._last: BegunEvacuation | None = None
        self._is_read = False

    async def last(self) -> BegunEvacuation | None:
        """The last one, finished or not."""
        if not self._is_read:
            self._last = await asyncio.to_thread(self._read)
            self._is_read = True
        return self._last

    async def unfinished(self) -> BegunEvacuation | None:
        """The one that is to be gone on with."""
        last = await self.last()
        if last is None or last.step is EvacuationStep.DONE:
            return None
        return last if 0 <= self._clock() - last.begun < STALE else None

    async def told(self) -> tuple[str, ...]:
        """The relays that are to hold the lists since the last evacuation, besides the usual."""
        last = await self.last()
        if last is None or not 0 <= self._clock() - last.begun < TOLD_FOR:
            return ()
        end_of = starter_relays().end_of
        old = [url for url in last.plan.leaving if not end_of(url)]
        return (*last.plan.tell, *old)

    async def write(self, begun: BegunEvacuation) -> None:
        """Raises StoreError."""
        await asyncio.to_thread(write_private, self._path, msgspec.json.encode(begun))
        self._last, self._is_read = begun, True

    async def advance(self, begun: BegunEvacuation, step: EvacuationStep) -> BegunEvacuation:
        """It is at `step` now. Raises StoreError."""
        begun = msgspec.structs.replace(begun, step=step)
        await self.write(begun)
        return begun

    def _read(self) -> BegunEvacuation | None:
        """Blocks. What is damaged is planned anew."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=BegunEvacuation)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("how far the evacuation is was not read: %s", error)
            return None
