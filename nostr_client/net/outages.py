"""Which relays are dead: kept in a file, and shared by every process on the folder.

Rules
- A relay that could not be reached is written down only when another one was reachable at about
  the same time: else it is we who are cut off. One in a private network says nothing of others.
- The n-th failure in a row gives it `FIRST * 2**(n-1)` seconds of rest, at most `LONGEST`, or
  `NEARBY` in a private network, which one leaves and comes back to. What fails within a rest (in
  another process, for an impatient reader) does not count.
- A relay that is reached is alive, whatever was known.
- `down` are those at rest, and of those whose rest is over all but `RETRIED`: a list of dead
  relays does not come back all at once, and one that is back is found.
- At most `MOST` are kept, none longer than `FORGOTTEN` after its last failure. A file that is
  damaged, or cannot be read, says nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import FileStamp, FolderLock, file_stamp, write_private
from nostr_client.protocol.urls import host_of, is_private_host

log = logging.getLogger(__name__)

FIRST: Final = 60
LONGEST: Final = 1_800
NEARBY: Final = 300
TOGETHER: Final = 60.0
"""Seconds between one relay's failure and another's life that still count as the same time."""
RETRIED: Final = 3
MOST: Final = 500
FORGOTTEN: Final = 30 * 86_400
SAVE_PAUSE: Final = 5.0
"""Seconds between two writings of the file."""
_LARGEST: Final = 1 << 20
"""Bytes of the file that anybody reads."""


class Outage(msgspec.Struct, frozen=True):
    """A relay that is dead: since when, until when it rests, and its failures. In seconds."""

    since: int
    at: int
    """The last failure that counted."""
    failures: int
    until: int


class Outages:
    """What is known of dead relays. Without a `path` it is known to this process only.

    URLs are normal ones; `clock` gives seconds since 1970. Used on one event loop.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._known: dict[str, Outage] = {}
        self._seen: FileStamp | None = None
        self._unsaved: dict[str, Outage | None] = {}
        self._saving: dict[str, Outage | None] = {}
        self._changed = asyncio.Event()
        self._suspects: dict[str, float] = {}
        self._open: set[str] = set()
        self._alive_at = {True: float("-inf"), False: float("-inf")}
        """When a relay in a private network was last reached, and when another one."""
        self._problem = ""

    # Told by connections

    def reached(self, url: str) -> None:
        """A connection to it is open, until `left`."""
        self._open.add(url)
        self._suspects.pop(url, None)
        self._refresh()
        if url in self._known:
            self._note(url, None)
        self._alive_at[_is_private(url)] = self._clock()
        for suspect, at in list(self._suspects.items()):
            if self._clock() - at > TOGETHER:
                del self._suspects[suspect]
            elif self._is_its_own_fault(suspect, at):
                self._count(suspect, at)

    def left(self, url: str) -> None:
        """The connection is gone, for whatever reason."""
        self._open.discard(url)
        self._alive_at[_is_private(url)] = self._clock()

    def failed(self, url: str) -> None:
        """It could not be reached."""
        now = self._clock()
        if self._is_its_own_fault(url, now):
            self._count(url, now)
            return
        self._suspects[url] = now
        if len(self._suspects) > MOST:
            del self._suspects[next(iter(self._suspects))]

    # Asked by whoever plans

    def of(self, url: str) -> Outage | None:
        """What is known of it, whether it rests or not; None: nothing bad."""
        self._refresh()
        return self._known.get(url)

    def down(self) -> frozenset[str]:
        """The relays that are not worth a place in a plan now."""
        self._refresh()
        now = self._clock()
        over = [url for url, outage in self._known.items() if outage.until <= now]
        over.sort(key=lambda url: (self._known[url].until, url))
        return frozenset(self._known) - frozenset(over[:RETRIED])

    def dead(self) -> frozenset[str]:
        """All relays that could not be reached when it was last tried, at rest or not."""
        self._refresh()
        return frozenset(self._known)

    # The file

    async def keep(self) -> None:
        """Write down what changes, until cancelled; at its end, the rest."""
        try:
            while True:
                await self._changed.wait()
                changes = self._taken()
                if await asyncio.to_thread(self._write, changes):
                    self._saving = {u: o for u, o in self._saving.items() if changes.get(u) != o}
                await asyncio.sleep(SAVE_PAUSE)
        finally:
            self._write(self._taken())

    def _taken(self) -> dict[str, Outage | None]:
        """What is to be written; until it is, it goes on to count."""
        self._changed.clear()
        self._saving |= self._unsaved
        self._unsaved = {}
        return dict(self._saving)

    def _write(self, changes: dict[str, Outage | None]) -> bool:
        """Bring `changes` into the file, beside those of other processes. Blocks."""
        if self._path is None or not changes:
            return True
        try:
            with FolderLock(self._path.with_suffix(".lock"), timeout=1.0):
                known = _merged(self._read(), changes)
                write_private(self._path, msgspec.json.encode(_fit(known, self._clock())))
        except StoreError as error:
            if not self._problem:
                log.warning("which relays are dead was not saved: %s", error)
            self._problem = str(error)
            return False
        self._problem = ""
        return True

    def _refresh(self) -> None:
        """Take in what another process wrote."""
        if self._path is None:
            return
        seen = file_stamp(self._path)
        if seen is not None and seen != self._seen:
            self._seen = seen
            known = _merged(_merged(self._read(), self._saving), self._unsaved)
            self._known = _fit(known, self._clock())

    def _read(self) -> dict[str, Outage]:
        if self._path is not None:
            with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                with self._path.open("rb") as file:
                    data = file.read(_LARGEST)
                return msgspec.json.decode(data, type=dict[str, Outage])
        return {}

    # Inside

    def _is_its_own_fault(self, url: str, at: float) -> bool:
        """Was another relay alive about the time `at`, so that we were not cut off?"""
        nearby = _is_private(url)
        alive = max(self._alive_at[False], self._alive_at[True] if nearby else float("-inf"))
        others = any(other != url and (nearby or not _is_private(other)) for other in self._open)
        return others or abs(at - alive) <= TOGETHER

    def _count(self, url: str, at: float) -> None:
        self._suspects.pop(url, None)
        self._refresh()
        last = self._known.get(url)
        if last is not None and at < last.until:
            return
        failures = last.failures + 1 if last else 1
        longest = NEARBY if _is_private(url) else LONGEST
        rest = min(longest, FIRST * 2 ** max(0, min(failures - 1, 16)))
        since = last.since if last else int(at)
        self._note(url, Outage(since, int(at), failures, int(at) + rest))

    def _note(self, url: str, outage: Outage | None) -> None:
        self._unsaved[url] = outage
        self._known = _fit(_merged(self._known, {url: outage}), self._clock())
        self._changed.set()


def _is_private(url: str) -> bool:
    return is_private_host(host_of(url))


def _merged(known: dict[str, Outage], changes: dict[str, Outage | None]) -> dict[str, Outage]:
    both = known | changes
    return {url: outage for url, outage in both.items() if outage is not None}


def _fit(known: dict[str, Outage], now: float) -> dict[str, Outage]:
    """Without what is old, what a wrong clock dated ahead, and the oldest past `MOST`."""
    fresh = {
        url: o
        for url, o in known.items()
        if now - FORGOTTEN < o.at <= now + TOGETHER and o.until <= o.at + LONGEST
    }
    newest = sorted(fresh, key=lambda url: fresh[url].at, reverse=True)[:MOST]
    return {url: fresh[url] for url in newest}
