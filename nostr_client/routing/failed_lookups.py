"""Whose relay list was looked for in vain, and when; kept beside the store, for every process.

"There is none" is what relays said at that time, so it is believed for `BELIEVED` seconds only;
what was not answered by all is not asked again for `PAUSE` seconds, by this process alone. A file
that is damaged, or cannot be written, is no trouble: people are looked for once more.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import write_private

log = logging.getLogger(__name__)

BELIEVED: Final = 900.0
"""Seconds before somebody is looked for again."""
PAUSE: Final = 30.0
"""Seconds after which somebody is looked for again when some relay, or all, did not answer."""
MOST: Final = 20_000
"""People that are remembered; the longest ago are forgotten first."""


class FailedLookups:
    """By kind of list and 16 digits of each key, when (seconds). `path` None: in memory only."""

    def __init__(self, path: Path | None, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._at = self._read()
        self._silent_at: dict[str, float] = {}

    def due(self, pubkeys: Collection[str], kind: int) -> frozenset[str]:
        """Those of `pubkeys` who were not looked for lately."""
        now = self._clock()

        def lately(pubkey: str) -> bool:
            key = _key(pubkey, kind)
            absent, silent = self._at.get(key, -BELIEVED), self._silent_at.get(key, -PAUSE)
            return 0 <= now - absent < BELIEVED or 0 <= now - silent < PAUSE

        return frozenset(pubkey for pubkey in pubkeys if not lately(pubkey))

    def record_unanswered(self, pubkeys: Collection[str], kind: int) -> None:
        """No list of theirs was found just now, but not every relay answered."""
        if len(self._silent_at) > MOST:
            self._silent_at.clear()
        self._silent_at |= dict.fromkeys((_key(p, kind) for p in pubkeys), self._clock())

    async def record_absent(self, pubkeys: Collection[str], kind: int) -> None:
        """No list of theirs was found just now."""
        if pubkeys:
            now = int(self._clock())
            self._at |= {_key(pubkey, kind): now for pubkey in pubkeys}
            written = await asyncio.to_thread(self._write, dict(self._at))
            self._at = _newest(written | self._at)

    def _read(self) -> dict[str, int]:
        if self._path is None:
            return {}
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}

    def _write(self, mine: dict[str, int]) -> dict[str, int]:
        """What is written: together with what other processes wrote meanwhile."""
        newest = _newest(self._read() | mine)
        if self._path is not None:
            try:
                write_private(self._path, msgspec.json.encode(newest))
            except StoreError as error:
                log.warning("whose relay lists were looked for was not saved: %s", error)
        return newest


def _newest(at: dict[str, int]) -> dict[str, int]:
    return dict(sorted(at.items(), key=lambda item: -item[1])[:MOST])


def _key(pubkey: str, kind: int) -> str:
    return f"{kind}:{pubkey[:16]}"
