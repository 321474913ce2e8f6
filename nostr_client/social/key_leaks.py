"""The alarm: somebody's secret key stands in the open.

No NIP marks a key as dead, and nothing takes it back: whoever read it is that person from then on.
What can be done is to know at once. Everything that is stored, by this process or another, is
looked at; where a secret key fits an account of this folder or somebody followed, that is told and
written down, with the event's id and whose key it is, and never the key.

What was stored while nobody looked (before there was an alarm, or in a flood that it could not
follow) is scanned once, newest first, with at most a twentieth of the time; how far that came is
kept, so that the next start goes on there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import translated, write_private
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.leaks import leaked_by
from nostr_client.signing.secret_search import Sought, SoughtKeys
from nostr_client.social.follows import Follows
from nostr_client.store.contract import EventStore, Stored
from nostr_client.tasks import OwnedTasks

log = logging.getLogger(__name__)

FILE: Final = "leaked-keys.json"
SCAN_FILE: Final = "leaked-keys-scan.json"
MOST_WAITING: Final = 10_000
"""Events to be looked at; of a flood that is faster the oldest are left to a scan."""
AT_ONCE: Final = 200
"""Events that are looked at between two breaths."""
SHARE: Final = 0.05
"""Of the time, that a scan takes at most."""
LONGEST_PAUSE: Final = 5.0
LAST_LOOK: Final = 1.0
"""Seconds at the end, for what was stored just before."""
MOST_KEPT: Final = 1_000


class KeyLeak(msgspec.Struct, frozen=True):
    """The secret key of `pubkey` stood in the event `event_id`; seen at `seen_at` (seconds)."""

    pubkey: str
    event_id: str
    seen_at: int


class Scan(msgspec.Struct, frozen=True):
    """Of what was stored while nobody looked all is seen that is newer than `until` (seconds), or
    with `done` all of it."""

    until: int | None = None
    done: bool = False


class KeyLeaks:
    """What the alarm has found, now and earlier, for whichever account of this folder. `own` gives
    the keys of all of them.

    `on_leak` is called once for each key that was not known to be out. `problem` says why what is
    found cannot be kept.
    """

    def __init__(
        self,
        store: EventStore,
        follows: Follows,
        *,
        owner: str,
        folder: Path,
        own: OwnKeys = tuple,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.on_leak: Callable[[KeyLeak], None] = lambda _: None
        self.problem = ""
        self._store = store
        self._follows = follows
        self._owner = owner
        self._own = own
        self._path = folder / FILE
        self._scan_path = folder / SCAN_FILE
        self._clock = clock
        self._found: list[KeyLeak] = []
        self._waiting: deque[Event] = deque(maxlen=MOST_WAITING)
        self._there = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._listening = asyncio.Event()
        self._missed = False
        self._sought = SoughtKeys()
        self._sought_for: tuple[set[str], Sought] = (set(), ())
        self._writing = asyncio.Lock()
        self._tasks = OwnedTasks()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        try:
            self._found = await asyncio.to_thread(_read, self._path)
        except StoreError as error:
            self.problem = str(error)
            log.warning("%s", error)
        self._tasks.start(self._run())
        self._tasks.start(self._scan())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            async with asyncio.timeout(LAST_LOOK if kind is None else 0):
                await self.settled()
        except TimeoutError:
            self._missed = True
        await self._tasks.__aexit__(kind, error, trace)
        if self._missed:
            try:
                await self._note_scan(Scan())
            except StoreError as failure:
                log.warning("what was not searched for secret keys was not noted: %s", failure)

    @property
    def found(self) -> tuple[KeyLeak, ...]:
        """All leaks that are known, the oldest first."""
        return tuple(self._found)

    def of(self, pubkey: str) -> KeyLeak | None:
        """The first leak of one key (hex), if its secret is known to be out."""
        return next((leak for leak in self._found if leak.pubkey == pubkey), None)

    async def settled(self) -> None:
        """Until all that is stored by now was looked at."""
        await self._idle.wait()

    async def _run(self) -> None:
        async with self._store.listen(self._hear):
            self._listening.set()
            while True:
                await self._there.wait()
                self._there.clear()
                while self._waiting:
                    count = min(len(self._waiting), AT_ONCE)
                    await self._look_at([self._waiting.popleft() for _ in range(count)])
                self._idle.set()

    def _hear(self, stored: Stored) -> None:
        if stored.events:
            self._missed |= len(self._waiting) + len(stored.events) > MOST_WAITING
            self._waiting.extend(event for _, event in stored.events)
            self._idle.clear()
            self._there.set()

    async def _scan(self) -> None:
        """Look at what was stored while nobody did, from where the last scan stopped."""
        await self._listening.wait()
        try:
            scan = await asyncio.to_thread(_read_scan, self._scan_path)
            if scan.done:
                return
            async for events in self._store.stream([Filter(until=scan.until)], size=AT_ONCE):
                spent = await self._look_at(events)
                await self._note_scan(Scan(until=events[-1].created_at))
                await asyncio.sleep(min(spent * (1 / SHARE - 1), LONGEST_PAUSE))
            await self._note_scan(Scan(done=True))
        except StoreError as error:
            log.warning("what was stored earlier was not searched for secret keys: %s", error)

    async def _note_scan(self, scan: Scan) -> None:
        await asyncio.to_thread(write_private, self._scan_path, msgspec.json.encode(scan))

    async def _look_at(self, events: list[Event]) -> float:
        """Tell of each key that is out; gives the seconds of computing that it took."""
        people = {self._owner, *await self._follows.pubkeys()} - {""}
        leaks, spent = await asyncio.to_thread(self._search, events, people)
        for leak in leaks:
            await self._tell(leak)
        return spent

    def _search(self, events: list[Event], people: set[str]) -> tuple[list[KeyLeak], float]:
        begun, now = time.thread_time(), int(self._clock())
        own = self._own()
        if self._sought_for != (people, own):
            self._sought_for, self._sought = (people, own), SoughtKeys(people, own)
        leaks = [
            KeyLeak(pubkey, event.id, now)
            for event in events
            for pubkey in leaked_by(event, self._sought)
        ]
        return leaks, time.thread_time() - begun

    async def _tell(self, leak: KeyLeak) -> None:
        if self.of(leak.pubkey) is not None:
            return
        self._found.append(leak)
        log.warning("the secret key of %s stands in event %s", leak.pubkey, leak.event_id)
        self.on_leak(leak)
        if self.problem:
            return  # what could not be read is not written over
        try:
            async with self._writing:
                await asyncio.to_thread(_add, self._path, leak)
        except StoreError as error:
            self.problem = str(error)


def leak_words(leak: KeyLeak, own: str, name: str) -> str:
    """The alarm in words: `own` is the account's key, `name` whose it is."""
    if leak.pubkey == own:
        return (
            "ALARM: your secret key stands in the open, in event "
            f"{leak.event_id}. Whoever read it can write as you, and nothing takes that back. "
            "Make a new account, and tell the people you know by another way."
        )
    return (
        f"ALARM: the secret key of {name} stands in the open, in event {leak.event_id}. "
        "Anybody may write as them from now on."
    )


def _read(path: Path) -> list[KeyLeak]:
    """What was written down. Raises StoreError for what is not understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[KeyLeak])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        raise StoreError(f"{path} cannot be understood; it was left alone") from None


def _read_scan(path: Path) -> Scan:
    """How far the scan came. Begins anew where that is not understood. Raises StoreError."""
    with translated(f"cannot read {path}"):
        try:
            return msgspec.json.decode(path.read_bytes(), type=Scan)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return Scan()


def _add(path: Path, leak: KeyLeak) -> None:
    """Write `leak` down beside what another process may have found. Raises StoreError."""
    held = [each for each in _read(path) if each.pubkey != leak.pubkey]
    write_private(path, msgspec.json.format(msgspec.json.encode([*held, leak][-MOST_KEPT:])))
