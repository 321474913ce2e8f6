"""When the account last looked at whom; kept on this machine, and told to nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import patient_lock, write_private

MOST_KEPT: Final = 1_000
"""People; who was looked at longest ago is forgotten."""
LOCK_LIMIT: Final = 3.0
_DIGITS: Final = 16
"""Of a pubkey, which stand for it."""


class Visits:
    """The file at `path`; one that is damaged is an empty one."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock

    async def visit(self, pubkey: str) -> int | None:
        """Somebody is looked at now: when that was the last time (seconds since 1970), None if it
        is not known. Raises StoreError."""
        async with patient_lock(self._path.with_suffix(".lock"), LOCK_LIMIT):
            return await asyncio.to_thread(self._visit, pubkey[:_DIGITS], int(self._clock()))

    def _visit(self, key: str, now: int) -> int | None:
        visits = self._read()
        last = visits.pop(key, None)
        visits[key] = now  # at the end: the order is that of the visits
        kept = dict(list(visits.items())[-MOST_KEPT:])
        write_private(self._path, msgspec.json.encode(kept))
        return last

    def _read(self) -> dict[str, int]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except (msgspec.MsgspecError, UnicodeDecodeError, FileNotFoundError):
            return {}
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error.strerror}") from error
