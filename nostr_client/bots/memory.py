"""What a bot has done, on disk: a small file that is written all or nothing."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.paths import translated, write_private

MOST_DONE: Final = 20_000
"""Requests that are remembered; of more the oldest half goes, and nothing as old is answered."""
LATE: Final = 900
"""Seconds by which clocks may differ."""
DAY: Final = 86_400

_log = logging.getLogger(__name__)


class _Remembered(msgspec.Struct, omit_defaults=True):
    """`since`: nothing that was written before is answered. `done`: ids of requests, and when each
    was written. `spent`: answers in a thread, or to a person in private, on a day. `last`: when
    what has its times was last done. All times in seconds since 1970."""

    since: int
    done: dict[str, int] = {}
    spent: dict[str, tuple[int, int]] = {}
    last: dict[str, float] = {}


class BotMemory:
    """Opened by `open`; `max_age` is for how many seconds a request may wait for its answer."""

    def __init__(self, file: Path, kept: _Remembered, max_age: float) -> None:
        self._file = file
        self._kept = kept
        self._max_age = max_age

    @classmethod
    async def open(cls, file: Path, now: float, max_age: float) -> BotMemory:
        """That in `file`; where there is none, or none that can be read, all begins at `now`.
        Raises StoreError."""

        def read() -> bytes | None:
            with translated("the bot's memory cannot be read"):
                file.parent.mkdir(parents=True, exist_ok=True)
                return file.read_bytes() if file.exists() else None

        data = await asyncio.to_thread(read)
        try:
            kept = (
                _Remembered(int(now))
                if data is None
                else msgspec.json.decode(data, type=_Remembered)
            )
        except (msgspec.MsgspecError, ValueError):
            _log.warning("the bot's memory %s is damaged: all begins anew", file)
            kept = _Remembered(int(now))
        memory = cls(file, kept, max_age)
        if data is None:
            await memory.save()
        return memory

    async def save(self) -> None:
        """Raises StoreError."""
        data = msgspec.json.encode(self._kept)
        await asyncio.to_thread(write_private, self._file, data)

    # Requests

    def since(self, now: float) -> int:
        """What was written from then on is to be answered."""
        return max(self._kept.since, int(now - self._max_age))

    def is_open(self, id: str, written_at: int, now: float) -> bool:
        """Is this request still to be answered?"""
        return id not in self._kept.done and written_at >= self.since(now)

    async def close(self, id: str, written_at: int, now: float) -> None:
        """It needs no answer any more. Raises StoreError."""
        done = self._kept.done
        done[id] = written_at
        oldest = self.since(now) - LATE
        if len(done) > MOST_DONE:
            oldest = sorted(done.values())[len(done) // 2]
            self._kept.since = max(self._kept.since, oldest + 1)
        if len(done) % 100 == 0 or len(done) > MOST_DONE:
            self._kept.done = {one: at for one, at in done.items() if at > oldest}
            today = int(now) // DAY
            self._kept.spent = {
                key: spent for key, spent in self._kept.spent.items() if spent[0] == today
            }
        await self.save()

    def spend(self, key: str, most: int, now: float) -> bool:
        """May there be one more answer today in the thread, or to the person, called `key`? It
        counts then."""
        today = int(now) // DAY
        day, count = self._kept.spent.get(key, (today, 0))
        count = count if day == today else 0
        if count >= most:
            return False
        self._kept.spent[key] = (today, count + 1)
        return True

    # Times

    def last(self, name: str) -> float | None:
        """When what is called so was last done."""
        return self._kept.last.get(name)

    async def did(self, name: str, at: float) -> None:
        """Raises StoreError."""
        self._kept.last[name] = at
        await self.save()
