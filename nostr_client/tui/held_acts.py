"""Public acts of one key that wait a moment, unsigned, and can be taken back.

What is held lies on disk meanwhile: after a crash it is there still, and nothing was signed. One
file an act, readable by its owner only.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import Paths, private_folder, store_error, write_private
from nostr_client.protocol.event import MALFORMED

HOLD: Final = 5.0
"""Seconds in which an act can be taken back."""
MOST_HELD: Final = 50
"""Acts that are held at a time; a person makes fewer in five seconds."""
MOST_LEFT: Final = 200
"""Files of an earlier run that are looked at."""


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
        """What an earlier run held and did not do, by the name of its file. Raises StoreError."""
        return await asyncio.to_thread(self._read)

    async def do_left_over(self, name: str) -> None:
        """Do one of `left_over` now, once; it stays where that fails. Raises StoreError."""
        act = (await self.left_over()).get(name)
        if act is None or name in self._under_way:
            return
        self._idle.clear()
        self._under_way.add(name)
        try:
            if await self._finish(act):
                await asyncio.to_thread(self._drop, name)
        finally:
            self._settled(name)

    async def drop(self, name: str) -> None:
        """Throw one of `left_over` away. Raises StoreError."""
        await asyncio.to_thread(self._drop, name)

    def _settled(self, name: str) -> None:
        self._under_way.discard(name)
        if not self._under_way:
            self._idle.set()

    # Files

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _write(self, name: str, act: HeldAct) -> None:
        private_folder(self._folder)
        write_private(self._path(name), msgspec.json.encode(act))

    def _drop(self, name: str) -> None:
        try:
            self._path(name).unlink(missing_ok=True)
        except OSError as error:
            raise store_error("what was held cannot go", error) from error

    def _read(self) -> dict[str, HeldAct]:
        found: dict[str, HeldAct] = {}
        try:
            files = sorted(self._folder.glob("*.json"))[:MOST_LEFT]
        except OSError as error:
            raise store_error("what was held cannot be read", error) from error
        for file in files:
            if file.stem in self._under_way:
                continue
            try:
                found[file.stem] = msgspec.json.decode(file.read_bytes(), type=HeldAct)
            except FileNotFoundError:
                continue
            except MALFORMED:  # it holds nothing that could be done: its text stays where it is
                continue
            except OSError as error:
                raise store_error("what was held cannot be read", error) from error
        return found
