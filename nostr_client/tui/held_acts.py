"""Public acts of one key that wait a moment, unsigned, and can be taken back.

What is held lies on disk meanwhile: after a crash it is there still, and nothing was signed. One
file an act, readable by its owner only, and beside it a lock: whoever holds an act or does it has
that, until it ends, however it ends. So another process on the same folder knows what is held from
what was left over, and no two do one act.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import FolderInUse, StoreError
from nostr_client.paths import (
    FolderLock,
    Paths,
    patient_lock,
    private_folder,
    store_error,
    write_private,
)
from nostr_client.protocol.event import MALFORMED

HOLD: Final = 5.0
"""Seconds in which an act can be taken back."""
MOST_HELD: Final = 50
"""Acts that are held at a time; a person makes fewer in five seconds."""
MOST_LEFT: Final = 200
"""Files of an earlier run that are looked at."""
LOCK_LIMIT: Final = 1.0
"""Seconds for an act that another process looks at just now; one that it does is let alone."""


class HeldAct(msgspec.Struct, frozen=True):
    """The act `act` (its id) on the event `event`, with what it says, and the URL of the `picture`
    that this stands for; `words` name it for the person, as they are, and are made safe by whoever
    shows them."""

    act: str
    event: str
    content: str = ""
    words: str = ""
    picture: str = ""


Finish = Callable[[HeldAct], Awaitable[bool]]
"""Does what was held; is it done? Else it stays on disk."""


class HeldActs:
    """The held acts of one account, `pubkey` (hex). `finish` does one when its time has come."""

    def __init__(self, paths: Paths, pubkey: str, finish: Finish) -> None:
        self._folder = paths.data / "held" / pubkey
        self._finish = finish
        self._waiting: dict[str, tuple[HeldAct, asyncio.Event]] = {}
        self._under_way: set[str] = set()
        """Names of those that are not settled yet."""
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def waiting(self) -> tuple[HeldAct, ...]:
        """Those that can be taken back still, the newest last."""
        return tuple(act for act, _ in self._waiting.values())

    async def hold(self, act: HeldAct) -> None:
        """Hold an act for its time, then do it, unless it is taken back. Raises StoreError."""
        if len(self._waiting) >= MOST_HELD:
            raise StoreError("too much waits already: let it be done first")
        name, now = secrets.token_hex(8), asyncio.Event()
        self._idle.clear()
        self._under_way.add(name)
        self._waiting[name] = act, now
        try:
            await asyncio.to_thread(private_folder, self._folder)
            with FolderLock(self._lock(name)):
                await asyncio.to_thread(self._write, name, act)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HOLD):
                        await now.wait()
                taken_back = self._waiting.pop(name, None) is None
                if taken_back or await self._finish(act):
                    await asyncio.to_thread(self._drop, name)
        finally:
            self._waiting.pop(name, None)
            self._settled(name)

    def take_back(self) -> HeldAct | None:
        """Take the newest back: it is not done. None when nothing waits."""
        if not self._waiting:
            return None
        name = next(reversed(self._waiting))
        act, now = self._waiting.pop(name)
        now.set()
        return act

    async def finish_all(self, limit: float) -> None:
        """Do at once all that waits, in at most `limit` seconds; what is not done stays on disk."""
        for _, now in list(self._waiting.values()):
            now.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._idle.wait()

    async def left_over(self) -> dict[str, HeldAct]:
        """What an earlier run held and did not do, by the name of its file; what another process
        holds now is its own affair. Raises StoreError."""
        return await asyncio.to_thread(self._read)

    async def do_left_over(self, name: str) -> None:
        """Do one of `left_over` now, once; it stays where that fails. Raises StoreError, and
        FolderInUse where another process does it."""
        if name in self._under_way:
            return
        self._idle.clear()
        self._under_way.add(name)
        try:
            async with patient_lock(self._lock(name), LOCK_LIMIT):
                act = await asyncio.to_thread(self._act, name)
                if act is not None and await self._finish(act):
                    await asyncio.to_thread(self._drop, name)
        finally:
            self._settled(name)

    async def drop(self, name: str) -> None:
        """Throw one of `left_over` away. Raises StoreError, and FolderInUse where another process
        does it."""
        async with patient_lock(self._lock(name), LOCK_LIMIT):
            await asyncio.to_thread(self._drop, name)

    def _settled(self, name: str) -> None:
        self._under_way.discard(name)
        if not self._under_way:
            self._idle.set()

    # Files

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _lock(self, name: str) -> Path:
        return self._path(name).with_suffix(".lock")

    def _write(self, name: str, act: HeldAct) -> None:
        write_private(self._path(name), msgspec.json.encode(act))

    def _drop(self, name: str) -> None:
        """The lock goes last: no act has that name again, so whoever opened it finds nothing."""
        try:
            self._path(name).unlink(missing_ok=True)
            if os.name != "nt":  # where what is open cannot go, it stays: empty, and nobody's
                self._lock(name).unlink(missing_ok=True)
        except OSError as error:
            raise store_error("what was held cannot go", error) from error

    def _read(self) -> dict[str, HeldAct]:
        found: dict[str, HeldAct] = {}
        try:
            files = sorted(self._folder.glob("*.json"))[:MOST_LEFT]
        except OSError as error:
            raise store_error("what was held cannot be read", error) from error
        for file in files:
            with contextlib.suppress(FolderInUse), FolderLock(self._lock(file.stem), shared=True):
                if (act := self._act(file.stem)) is not None:
                    found[file.stem] = act
        return found

    def _act(self, name: str) -> HeldAct | None:
        try:
            return msgspec.json.decode(self._path(name).read_bytes(), type=HeldAct)
        except FileNotFoundError:
            return None
        except MALFORMED:  # it holds nothing that could be done: its text stays where it is
            return None
        except OSError as error:
            raise store_error("what was held cannot be read", error) from error
