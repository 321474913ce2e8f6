"""Where negentropy (NIP-77) really works: tried, and remembered in a file for a while.

That a relay lists 77 in its document (NIP-11) only says how long an answer is worth waiting for.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import write_private
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.safe_text import safe_line

log = logging.getLogger(__name__)

AGAIN: Final = 7 * 86_400
"""Seconds until a relay that did not compare is asked to once more."""
MOST: Final = 500
_WORDS: Final = 120


class Trial(msgspec.Struct, frozen=True):
    """How it went the last time, at `at` (seconds since 1970); `why_not` is empty if it worked."""

    at: int
    why_not: str = ""


class NegentropyTrials:
    """What came of comparing, by relay URL (normal spelling). Used on one event loop."""

    def __init__(
        self, path: Path, facts: RelayFactBook, clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._facts = facts
        self._clock = clock
        self._trials: dict[str, Trial] | None = None

    async def facts(self, url: str) -> RelayFacts:
        """What the relay says of itself; it is asked if nobody did lately."""
        return (await self._facts.look_up([url])).get(url) or RelayFacts(url)

    async def why_not(self, url: str) -> str:
        """Why it is not to be tried there now; empty where it is."""
        trial = (await self._load()).get(url)
        if trial is None or not trial.why_not:
            return ""
        return trial.why_not if 0 <= self._clock() - trial.at < AGAIN else ""

    async def worked(self, url: str) -> None:
        """The relay compared a set to the end."""
        trial = (await self._load()).get(url)
        if trial is None or trial.why_not:
            await self._keep(url, "")

    async def failed(self, url: str, why: str) -> None:
        """The relay did not compare, for reasons that will hold for a while."""
        await self._keep(url, safe_line(why, _WORDS) or "it does not compare")

    async def _keep(self, url: str, why_not: str) -> None:
        trials = await self._load()
        trials.pop(url, None)
        trials[url] = Trial(int(self._clock()), why_not)
        while len(trials) > MOST:
            del trials[next(iter(trials))]
        try:
            await asyncio.to_thread(write_private, self._path, msgspec.json.encode(trials))
        except StoreError as error:
            log.warning("where negentropy works was not saved: %s", error)

    async def _load(self) -> dict[str, Trial]:
        if self._trials is None:
            self._trials = await asyncio.to_thread(_read, self._path)
        return self._trials


def _read(path: Path) -> dict[str, Trial]:
    """Blocks. What is damaged is tried anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Trial])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("where negentropy works was not read: %s", error)
        return {}
