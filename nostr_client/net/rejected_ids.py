"""Events that came from a peer and were not kept: they are not fetched a second time.

A peer goes on having what was evicted, deleted or refused here, and a comparison tells its ids each
time. So they are remembered, across runs if there is a file for them; the oldest are forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from nostr_client.errors import StoreError
from nostr_client.paths import write_private

MOST: Final = 200_000
"""Ids that are remembered: 32 bytes each in the file, some 130 in memory."""
_ID: Final = 32

_log = logging.getLogger(__name__)


class RejectedIds:
    """A set of raw ids. `path` is its file, read at once; None: for this run only."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._ids = OrderedDict.fromkeys(_read(path))
        self._changed = False

    def __contains__(self, id: bytes) -> bool:
        return id in self._ids

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, ids: Iterable[bytes]) -> None:
        """These came, and were not kept."""
        for id in ids:
            self._ids[id] = None
            self._changed = True
        while len(self._ids) > MOST:
            self._ids.popitem(last=False)

    async def save(self) -> None:
        """Write it down; where that is not possible, it is only remembered in this run."""
        if self._path is None or not self._changed:
            return
        self._changed = False
        try:
            await asyncio.to_thread(write_private, self._path, b"".join(self._ids))
        except StoreError as error:
            _log.warning("what is not to be fetched again: %s", error)


def _read(path: Path | None) -> list[bytes]:
    if path is None:
        return []
    try:
        whole = path.read_bytes()
    except OSError:
        return []  # none yet; and without one only more is fetched
    end = min(len(whole) // _ID, MOST) * _ID
    return [whole[start : start + _ID] for start in range(0, end, _ID)]
