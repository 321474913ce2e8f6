"""The account's own history, its lists in all versions, and what names it: brought here while a
client runs, until all that its relays show is in the store.

- A live subscription brings what is new; this brings the rest, relay by relay, one at a time, those
  of the relay list first, then those of its earlier versions. It begins when the first screen is
  complete, and gives a relay as much rest as its last answer took.
- Where a relay compares sets (NIP-77), all is compared each time: that costs next to nothing, and
  finds what was left out in the middle, or came late. Elsewhere it is read page by page, the newest
  first, from where it was broken off; then what is newer than the last time, with an overlap, and
  now and then all of it anew.
- Mentions are anybody's to write, a million of them too: so many new ones a round, the newest, and
  nothing older from then on. That is said.
- A round ends early, to be gone on with: when so many bytes or requests were spent, or where the
  disk is nearly full. A relay that fails, refuses or limits is asked again after growing waits.
- One process at a time does it; how far it is stands in a file, which all may read.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from nostr_client.errors import FolderInUse, StoreError
from nostr_client.net.outcome import How
from nostr_client.paths import FolderLock
from nostr_client.protocol import kinds
from nostr_client.protocol.event import event_address
from nostr_client.resilience.comparison import Comparison, Parts
from nostr_client.resilience.history import History
from nostr_client.resilience.history_progress import (
    HistoryProgress,
    OwnHistoryStatus,
    OwnSet,
    RelayHistory,
)
from nostr_client.routing.relay_book import RelayBook, parse_relay_list
from nostr_client.store.contract import EventStore
from nostr_client.tasks import OwnedTasks

PARTS: Final = Parts(differences=5_000, paged=1_000, probes=0)
AGAIN: Final = 6 * 3600
"""Seconds until a relay is looked at again."""
WHOLE: Final = 30 * 86_400
"""The same, to its beginning, where that means to read all of it."""
OVERLAP: Final = 86_400
"""Seconds before the last time that are read again: events come late, and with wrong clocks."""
REST: Final = 900
"""Seconds after a round that has spent enough, or a failure; twice as many after each further."""
LONGEST_REST: Final = 86_400
MOST_BYTES: Final = 128 * 2**20
"""Received in one round from one relay."""
MOST_REQUESTS: Final = 2_000
MOST_MENTIONS: Final = 20_000
"""New ones in one round."""
LEAST_FREE: Final = 512 * 2**20
"""Bytes on the disk that are left to others."""
MOST_EARLIER: Final = 10
"""Relays of earlier relay lists."""
MOST_PAUSE: Final = 2.0
SCREEN_LIMIT: Final = 60.0
"""Seconds in which the first screen is waited for, and those that it has for itself then."""
SCREEN_REST: Final = 5.0
LOOK: Final = 300.0
"""Seconds between two looks at whether something is due: the relays may have changed."""
_POLL: Final = 0.5

ENOUGH: Final = "there is more: it goes on in a while"
TOO_MANY: Final = f"only the newest: it brought {MOST_MENTIONS} at once"
NO_ROOM: Final = "the disk is nearly full: what relays hold is not brought here"


class OwnHistory:
    """The history of the account `owner` (hex), in a store beside which `folder` lies.

    `async with OwnHistory(...) as own`, then `own.start()`: it begins when `ready` says so.
    """

    def __init__(
        self,
        history: History,
        store: EventStore,
        book: RelayBook,
        *,
        owner: str,
        folder: Path,
        ready: Callable[[], bool],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._history = history
        self._store = store
        self._book = book
        self._owner = owner
        self._folder = folder
        self._ready = ready
        self._clock = clock
        name = f"own-history-{owner[:16] or 'nobody'}"
        self._progress = HistoryProgress(folder / f"{name}.json")
        self._lock_path = folder / f"{name}.lock"
        self._tasks = OwnedTasks()
        self._run: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._hurried = False
        self._problem = ""

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._tasks.__aexit__(kind, error, trace)

    def start(self) -> None:
        """Begin, if it has not begun."""
        if self._run is None and self._owner:
            self._run = self._tasks.start(self._work())

    def hurry(self) -> None:
        """Those that did not answer may do so now: somebody was told who we are, or is back."""
        self._hurried = True
        self._wake.set()

    async def status(self) -> OwnHistoryStatus:
        """How far it is, in whatever process it runs. Raises StoreError."""
        seen = HistoryProgress(self._progress.path)
        await seen.load()
        places = await self._places()
        sets = {which: {url: seen.of(which, url) for url in urls} for which, urls in places.items()}
        return OwnHistoryStatus(sets, NO_ROOM if await self._is_full() else self._problem)

    async def learn(self, done: Sequence[Comparison], begun: int) -> None:
        """These comparisons, of all there is, were made by hand since `begun`: what they came to
        need not be found out again. Raises StoreError."""
        with contextlib.suppress(FolderInUse), FolderLock(self._lock_path):
            await self._progress.load()
            for compared in done:
                which = OwnSet.MENTIONS if compared.mentions else OwnSet.WRITTEN
                state = self._progress.of(which, compared.url)
                state.begun, state.since, state.floor = begun, 0, None
                self._judge(state, compared, "")
            await self._progress.save()

    # The work

    async def _work(self) -> None:
        for _ in range(int(SCREEN_LIMIT / _POLL)):
            if self._ready():
                break
            await asyncio.sleep(_POLL)
        await asyncio.sleep(SCREEN_REST)
        while True:
            self._wake.clear()
            try:
                await self._rounds()
            except FolderInUse:
                pass  # another process is at it
            except StoreError as error:
                self._problem = str(error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._wake.wait()

    async def _rounds(self) -> None:
        """Whatever is due. Raises StoreError, FolderInUse."""
        with FolderLock(self._lock_path):
            await self._progress.load()
            places = await self._places()
            hurried, self._hurried = self._hurried, False
            now = self._clock()
            for which, urls in places.items():
                for url in urls:
                    state = self._progress.of(which, url)
                    if state.due <= now or (hurried and not state.is_answering):
                        if await self._is_full():
                            return
                        await self._round(which, url)
                        await self._progress.save(places)
            self._problem = ""

    async def _places(self) -> dict[OwnSet, list[str]]:
        """Where the account's events are, and what names it."""
        mine = await self._book.relays_of(self._owner)
        stand_in: Sequence[str] = ()
        if mine.source != "list":
            stand_in = (await self._book.client_relays()).fallback
        policy, earlier = self._book.policy, dict[str, None]()
        for event in await self._store.history(event_address(kinds.RELAY_LIST, self._owner)):
            for text in parse_relay_list(event)[0]:
                if url := policy.from_list(text):
                    earlier[url] = None
        written = dict.fromkeys((*mine.write, *stand_in, *list(earlier)[:MOST_EARLIER]))
        heard = dict.fromkeys((*mine.read, *stand_in))
        return {
            OwnSet.WRITTEN: [url for url in written if policy(url)],
            OwnSet.MENTIONS: [url for url in heard if policy(url)],
        }

    async def _round(self, which: OwnSet, url: str) -> None:
        """Bring what one set of one relay has; its progress says how far that came."""
        state, now = self._progress.of(which, url), int(self._clock())
        of_mentions = which is OwnSet.MENTIONS
        by_pages = not await self._history.may_compare(url) or (
            of_mentions and not state.complete_at
        )
        if state.floor is None or not by_pages:
            state.begun, state.came, state.floor = now, 0, None
            is_whole = not by_pages or not 0 <= now - state.whole_at < WHOLE
            state.since = max(state.cut_at, 0 if is_whole else state.complete_at - OVERLAP)
        shown = self._history.mentions.changed(kinds=kinds.MENTIONING)
        filter = shown if of_mentions else self._history.written
        bounds = _Bounds(state, MOST_MENTIONS if of_mentions else None)
        compared = await self._history.compare(
            url,
            filter.changed(since=state.since or None, until=state.floor),
            keep=True,
            by_pages=by_pages,
            parts=PARTS,
            step=partial(self._step, bounds),
        )
        self._judge(state, compared, bounds.stop)

    async def _step(self, bounds: _Bounds, found: Comparison, floor: int | None) -> bool:
        """A part is here: note it down, and rest a little, as long as it took."""
        bounds.take(found, floor)
        await self._progress.save()
        if not bounds.stop and await self._is_full():
            bounds.stop = NO_ROOM
        if bounds.stop:
            return False
        await asyncio.sleep(bounds.pause())
        return True

    def _judge(self, state: RelayHistory, compared: Comparison, stop: str) -> None:
        """What the relay came to, and when it is looked at again."""
        now, end = int(self._clock()), compared.end
        state.how, state.words = end.how.value, ""
        if not end.answered:
            state.words, state.tries = end.words, state.tries + 1
            state.due = now + min(LONGEST_REST, REST << min(state.tries - 1, 16))
            return
        state.tries = 0
        if stop in (ENOUGH, NO_ROOM):
            state.words, state.due = stop, now + REST
        elif stop or compared.complete:
            state.how, state.complete_at, state.due = How.ANSWERED.value, state.begun, now + AGAIN
            if state.since <= state.cut_at:
                state.whole_at = state.begun
            if stop:
                state.cut_at = max(state.cut_at, state.floor or 0)
            if state.cut_at:
                state.words = TOO_MANY
            state.floor = None
        else:
            state.how, state.floor, state.due = How.INCOMPLETE.value, None, now + LONGEST_REST
            lacks = f"{compared.unsent} that it names and does not send"
            state.words = lacks if compared.unsent else "of some second it does not show all"

    async def _is_full(self) -> bool:
        usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
        return usage.free < LEAST_FREE


class _Bounds:
    """What one round may take: `most` new events, if that is bounded, bytes and requests."""

    def __init__(self, state: RelayHistory, most: int | None) -> None:
        self.stop = ""
        self._state = state
        self._most = most
        self._before = state.came
        self._rested = time.monotonic()

    def take(self, found: Comparison, floor: int | None) -> None:
        """So far it has come."""
        state = self._state
        state.came = self._before + found.new
        if floor is not None:
            state.floor = floor
        if self._most is not None and state.came >= self._most:
            self.stop = TOO_MANY
        elif found.received >= MOST_BYTES or found.requests >= MOST_REQUESTS:
            self.stop = ENOUGH

    def pause(self) -> float:
        """Seconds to rest after a part: as long as it took, within bounds."""
        now = time.monotonic()
        took, self._rested = now - self._rested, now
        return min(MOST_PAUSE, took)
