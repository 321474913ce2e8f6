"""Who began to follow the account, and when: found in follow lists (kind 3) as they come.

The lists of strangers are long and change often, so they are not kept: only who it was, and when
the first list came that named the account. Who followed already when this machine first looked is
no news, and neither is who leaves and comes back. One file for all processes of the folder.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import FileStamp, file_stamp, patient_lock, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.social.stranger_allowance import StrangerAllowance

MOST_KEPT: Final = 20_000
"""Followers that are remembered; of strangers the longest ago are forgotten first."""
MOST_AN_HOUR: Final = 60
"""Strangers who begin to follow in an hour and are told of: others are heard when they say so
again."""
MOST_ASKED: Final = 200
"""Lists that a relay is asked for at once."""
OVERLAP: Final = 2 * 86_400
"""Seconds that are read again before what was read."""
LOCK_LIMIT: Final = 3.0
SAVE_READ: Final = 600
"""Seconds by which what was read must have moved on to be worth a write by itself."""


class Follower(NamedTuple):
    """`at`: when they began to, in seconds; 0 for those who did when this machine first looked."""

    pubkey: str
    at: int


class _Kept(msgspec.Struct):
    begun: int = 0
    """When this machine first looked."""
    read: int = 0
    """Until when the lists were read."""
    since: dict[str, int] = msgspec.field(default_factory=dict)


class Followers:
    """Those of the account `owner`, in the file at `path`. `clock` counts seconds since 1970."""

    def __init__(self, path: Path, owner: str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._owner = owner
        self._clock = clock
        self._kept = _Kept()
        self._stamp: FileStamp | None = None
        self._allowance = StrangerAllowance(1, MOST_AN_HOUR, clock)
        self._ordered: list[Follower] | None = None

    def wanted(self) -> Filter:
        """What relays are asked for."""
        self._look()
        since = max(self._kept.read - OVERLAP, 0) or None
        return Filter(
            kinds=frozenset({kinds.FOLLOWS}),
            tags={"p": frozenset({self._owner})},
            since=since,
            limit=MOST_ASKED,
        )

    async def take(self, lists: Iterable[Event], friends: Collection[str]) -> int:
        """These follow lists came; how many of those who wrote them are new. `friends` are told of
        however many there are. Raises StoreError."""
        self._look()
        now = int(self._clock())
        begun = self._kept.begun or now
        new: dict[str, int] = {}
        for event in lists:
            by = event.pubkey
            if by == self._owner or by in self._kept.since or self._owner not in event.values("p"):
                continue
            known_before = event.created_at <= begun
            if known_before or by in friends or self._allowance.takes(by, by):
                new[by] = 0 if known_before else min(event.created_at, now)
        if new or now - self._kept.read >= SAVE_READ:
            async with patient_lock(self._path.with_suffix(".lock"), LOCK_LIMIT):
                await asyncio.to_thread(self._write, begun, now, new, frozenset(friends))
        return sum(1 for at in new.values() if at)

    def before(self, at: int, pubkey: str = "", *, since: int = 0, limit: int) -> list[Follower]:
        """Those who began to follow before `at` (and at it, those whose key comes after `pubkey`),
        at `since` or later; the newest first, `limit` at most."""
        self._look()
        if self._ordered is None:
            dated = [Follower(p, when) for p, when in self._kept.since.items() if when]
            self._ordered = sorted(dated, key=lambda f: (-f.at, f.pubkey))
        place = (-at, pubkey)
        found = [f for f in self._ordered if (-f.at, f.pubkey) > place and f.at >= since]
        return found[:limit]

    # The file

    def _look(self) -> None:
        """Take over what another process wrote. What is damaged is as if it were not there: who
        follows is found again, and is no news."""
        stamp = file_stamp(self._path)
        if stamp is not None and stamp != self._stamp:
            self._kept, self._ordered, self._stamp = self._read(), None, stamp

    def _read(self) -> _Kept:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError, FileNotFoundError):
            return _Kept()
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error.strerror}") from error

    def _write(self, begun: int, read: int, new: dict[str, int], friends: frozenset[str]) -> None:
        kept = self._read()
        since = new | kept.since
        if len(since) > MOST_KEPT:
            ordered = sorted(since.items(), key=lambda one: (one[0] in friends, one[1]))
            since = dict(ordered[-MOST_KEPT:])
        kept = _Kept(kept.begun or begun, max(kept.read, read), since)
        write_private(self._path, msgspec.json.encode(kept))
        self._kept, self._ordered, self._stamp = kept, None, file_stamp(self._path)
