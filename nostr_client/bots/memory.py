"""What a bot has done, on disk: a small file. Its first line is written all or nothing; what was
done since is a line each, until there are so many that all is written anew."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.paths import translated, write_private

MOST_DONE: Final = 20_000
"""Requests that are remembered; of more the oldest half goes, and nothing as old is answered."""
LATE: Final = 900
"""Seconds by which clocks may differ."""
MOST_LINES: Final = 1_000
"""Lines that are added to the file before it is written anew."""
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


class _Closed(msgspec.Struct, array_like=True):
    """One more of `done`, and what was spent since the line before."""

    id: str
    written_at: int
    spent: dict[str, tuple[int, int]]


class BotMemory:
    """Opened by `open`; `max_age` is for how many seconds a request may wait for its answer."""

    def __init__(self, file: Path, kept: _Remembered, max_age: float) -> None:
        self._file = file
        self._kept = kept
        self._max_age = max_age
        self._lines = 0
        self._writing = asyncio.Lock()
        self._just_spent: dict[str, tuple[int, int]] = {}

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
            kept = _Remembered(int(now)) if data is None else _read(data)
        except (msgspec.MsgspecError, ValueError):
            _log.warning("the bot's memory %s is damaged: all begins anew", file)
            kept = _Remembered(int(now))
        # What is to come, by an old file or a clock that was set back, would silence the bot.
        kept.since = min(kept.since, int(now))
        kept.done = {id: min(at, int(now)) for id, at in kept.done.items()}
        memory = cls(file, kept, max_age)
        await memory.save()
        return memory

    async def save(self) -> None:
        """Write all of it anew. Raises StoreError."""
        async with self._writing:
            data = msgspec.json.encode(self._kept)
            self._lines = 0
            self._just_spent = {}
            await asyncio.to_thread(write_private, self._file, data)

    async def _add(self, id: str, written_at: int, *, durably: bool) -> None:
        """Write one line more. The break comes first: a line that a crash cut short spoils no
        other."""

        def write(data: bytes) -> None:
            with translated("the bot's memory cannot be written"), self._file.open("ab") as file:
                file.write(data)
                file.flush()
                if durably:
                    os.fsync(file.fileno())

        async with self._writing:
            line = _Closed(id, written_at, self._just_spent)
            self._lines += 1
            self._just_spent = {}
            await asyncio.to_thread(write, b"\n" + msgspec.json.encode(line))

    # Requests

    def since(self, now: float) -> int:
        """What was written from then on is to be answered."""
        return max(self._kept.since, int(now - self._max_age))

    def is_open(self, id: str, written_at: int, now: float) -> bool:
        """Is this request still to be answered?"""
        return id not in self._kept.done and self.since(now) <= written_at <= now + LATE

    async def close(self, id: str, written_at: int, now: float, *, durably: bool = True) -> None:
        """It needs no answer any more: that outlasts this process, however it ends, and `durably`
        the system too. When it was written its writer says, and is not believed if that is to come.
        Raises StoreError."""
        written_at = min(written_at, int(now))
        self._kept.done[id] = written_at
        if self._lines < MOST_LINES and len(self._kept.done) <= MOST_DONE:
            await self._add(id, written_at, durably=durably)
            return
        self._forget(now)
        await self.save()

    def _forget(self, now: float) -> None:
        """What is too old to be asked again; the oldest half, where there is too much."""
        done = self._kept.done
        oldest = self.since(now) - LATE
        if len(done) > MOST_DONE:
            oldest = max(oldest, sorted(done.values())[len(done) // 2] + 1)
            self._kept.since = max(self._kept.since, oldest)
        self._kept.done = {id: at for id, at in done.items() if at >= oldest}
        today = int(now) // DAY
        self._kept.spent = {
            key: spent for key, spent in self._kept.spent.items() if spent[0] == today
        }

    def spend(self, key: str, most: int, now: float) -> bool:
        """May there be one more answer today in the thread, or to the person, called `key`? It
        counts then."""
        today = int(now) // DAY
        day, count = self._kept.spent.get(key, (today, 0))
        count = count if day == today else 0
        if count >= most:
            return False
        self._kept.spent[key] = self._just_spent[key] = (today, count + 1)
        return True

    # Times

    def last(self, name: str) -> float | None:
        """When what is called so was last done."""
        return self._kept.last.get(name)

    async def did(self, name: str, at: float) -> None:
        """Raises StoreError."""
        self._kept.last[name] = at
        await self.save()


def _read(data: bytes) -> _Remembered:
    """Raises MsgspecError or ValueError where the first line is damaged."""
    first, *lines = data.split(b"\n")
    kept = msgspec.json.decode(first, type=_Remembered)
    for line in lines:
        try:
            closed = msgspec.json.decode(line, type=_Closed)
        except (msgspec.MsgspecError, ValueError):
            _log.warning("a line of the bot's memory is damaged: it is passed over")
            continue
        kept.done[closed.id] = closed.written_at
        kept.spent.update(closed.spent)
    return kept
