"""When no relay that is known answers: where else somebody may be reached, one rung after another.

1. The own relays, at the addresses where they answered last (`net.addresses`): where only names are
   not resolved any more, nothing else is needed.
2. What was given just now: relay URLs, or a code that names some (nprofile, nevent, naddr), pasted,
   or from a file.
3. Relays where events of others were found.
4. Relays where those whom the account follows write.
5. The dated list in this package.
6. Relays that monitors have seen (NIP-66): chosen ones, and those whom the account follows.
7. Relays on the local network, where the person wants that: whoever is on it can announce anything.

A rung is climbed only if the one below reached fewer than `ENOUGH` relays. What answers stands in
for the own relays, in every process of this folder, for `STANDS_IN` seconds (on the local network,
which one leaves, for `NEARBY_STANDS_IN`): notes go there, and others are read there. The relay list
stays as it is; to change it is `evacuate`'s affair. Nothing that is written waits for any of this:
the store has it, and the own relay.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import ConfigError, ConnectFailed, StoreError
from nostr_client.net.health import DOWN
from nostr_client.net.local_network import relays_nearby
from nostr_client.net.pool import RelayPool
from nostr_client.nips import nip19
from nostr_client.paths import write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.routing.address_policy import relay_url
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.relay_monitors import RelayMonitors
from nostr_client.store.contract import ClientStore

log = logging.getLogger(__name__)

ENOUGH: Final = 3
AT_ONCE: Final = 12
"""Relays of one rung that are tried."""
LIMIT: Final = 10.0
"""Seconds that a rung may take."""
STANDS_IN: Final = 7 * 86_400
NEARBY_STANDS_IN: Final = 3_600
LOOK: Final = 30.0
"""Seconds between two looks whether all is dead."""
PAUSE: Final = 600.0
"""Seconds from one climb in vain to the next, doubled each time up to `LONGEST`."""
LONGEST: Final = 3_600.0
_WORD: Final = re.compile(r"[^\s\"'<>,;]+")
_MOST_TEXT: Final = 1 << 20


class Rung(StrEnum):
    """Where relays are looked for."""

    OWN = "your own relays"
    GIVEN = "what was given"
    FOUND = "relays where events were found"
    FOLLOWED = "relays of those whom you follow"
    LIST = "the list in this package"
    MONITORS = "relays that monitors name"
    NEARBY = "relays on the local network"


class Climbed(msgspec.Struct, frozen=True):
    """One rung: which relays were tried there, and which answered; or what kept it from that."""

    rung: Rung
    tried: tuple[str, ...] = ()
    reached: tuple[str, ...] = ()
    problem: str = ""


class _StandIns(msgspec.Struct, frozen=True):
    """What the file holds: relays that answered, each with its end, in seconds since 1970."""

    until: dict[str, int] = {}

    def at(self, now: float) -> dict[str, int]:
        """Those that stand in then."""
        return {url: end for url, end in self.until.items() if now < end <= now + STANDS_IN}


def relays_named(text: str) -> tuple[str, ...]:
    """The relays that a text names, by URL or inside codes of NIP-19, each once. Pure."""
    found: dict[str, None] = {}
    for word in _WORD.findall(text[:_MOST_TEXT]):
        if word.startswith(("wss://", "ws://")):
            if url := relay_url(word):
                found[url] = None
            continue
        for url in nip19.relays_in(word.removeprefix("nostr:")):
            if normal := relay_url(url):
                found[normal] = None
    return tuple(found)


class Ladder:
    """The ladder of one account. `listed` are the relays of the package, empty where the person
    wants none of them; `folder` remembers what stands in; `on_found` is called when something was
    reached that was not in use. `nearby` finds relays on the local network, and is asked where the
    person wants that: always (`looks_nearby`), or as a climb says. Used on one event loop."""

    def __init__(
        self,
        store: ClientStore,
        pool: RelayPool,
        book: RelayBook,
        *,
        monitors: RelayMonitors,
        listed: Sequence[str] = (),
        folder: Path,
        nearby: Callable[[], Awaitable[Sequence[str]]] = relays_nearby,
        looks_nearby: bool = False,
        on_found: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._pool = pool
        self._book = book
        self._monitors = monitors
        self._listed = tuple(listed)
        self._path = folder / f"stand-ins-{book.owner[:16]}.json"
        self._nearby = nearby
        self._looks_nearby = looks_nearby
        self._on_found = on_found
        self._clock = clock

    async def recall(self) -> bool:
        """Let what another process, or an earlier one, reached stand in here, too; True where that
        is something new."""
        found = (await asyncio.to_thread(_read, self._path)).at(self._clock())
        before = self._book.fallback
        # The person wanted them when they were tried: strangers' words reach no private address.
        self._book.policy.allow(url for url in found if is_private_host(host_of(url)))
        self._book.add_stand_ins(found)
        return self._book.fallback != before

    async def climb(
        self, given: Iterable[str] = (), *, by_hand: bool = True, nearby: bool = False
    ) -> AsyncIterator[Climbed]:
        """Try rung after rung until enough relays answer; each as it was climbed.

        `given` are relay URLs. Unless it is done `by_hand`, the package's relays are left to those
        who use them anyway. `nearby`: look on the local network, too. Raises StoreError.
        """
        tried: set[str] = set()
        reached: list[str] = []
        for rung in Rung:
            if rung is Rung.LIST and not (by_hand or self._book.uses_starters):
                continue
            if rung is Rung.NEARBY and not (nearby or self._looks_nearby):
                continue
            try:
                found = await self._on(rung, given)
            except (ConfigError, ConnectFailed) as error:  # of the local network
                yield Climbed(rung, problem=str(error))
                continue
            urls = [url for url in found if url and url not in tried][:AT_ONCE]
            if not urls:
                continue
            tried |= set(urls)
            answered = await self._try(urls)
            reached += answered
            if rung is not Rung.OWN and answered:
                await self._stand_in(answered, rung)
            yield Climbed(rung, tuple(urls), answered)
            if len(reached) >= ENOUGH or (rung in (Rung.OWN, Rung.GIVEN) and answered):
                return

    async def keep(self) -> None:
        """Climb by itself when all relays in use are dead, and hear of what another process
        reached; until cancelled."""
        pause = PAUSE
        while True:
            await asyncio.sleep(LOOK)
            if await self.recall():
                self._on_found()
            if not await self.is_needed():
                pause = PAUSE
                continue
            try:
                found = [climbed async for climbed in self.climb(by_hand=False) if climbed.reached]
            except StoreError as error:
                log.warning("no other relays were looked for: %s", error)
                found = []
            if not found:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST)

    async def is_needed(self) -> bool:
        """Is every relay in use dead, as far as this process has tried them?"""
        used = await self._in_use()
        return bool(used) and all(self._pool.health(url).state == DOWN for url in used)

    # Inside

    async def _in_use(self) -> set[str]:
        own = await self._book.relays_of(self._book.owner) if self._book.owner else None
        listed = (*own.write, *own.read) if own else ()
        return {*listed, *self._book.fallback} - {self._book.policy.own_relay}

    async def _on(self, rung: Rung, given: Iterable[str]) -> Sequence[str]:
        policy = self._book.policy
        match rung:
            case Rung.OWN:
                return sorted(await self._in_use())
            case Rung.GIVEN:
                urls = [relay_url(url) for url in given]
                policy.allow(urls)
                return urls
            case Rung.FOUND:
                holders = await self._store.ledger.holders(10 * AT_ONCE)
                return [policy.from_list(url) for url in holders]
            case Rung.FOLLOWED:
                return await self._book.reserve_candidates()
            case Rung.LIST:
                return self._listed
            case Rung.MONITORS:
                return [policy.from_list(url) for url in await self._monitors.seen(20 * AT_ONCE)]
            case Rung.NEARBY:
                near = await self._nearby()
                policy.allow(near)
                return [url for url in near if policy(url)]

    async def _try(self, urls: Sequence[str]) -> tuple[str, ...]:
        self._pool.retry_now(urls)
        self._book.policy.use(urls)
        asked = Filter(kinds=frozenset({kinds.NOTE}), limit=1)
        fetched = await self._pool.fetch([asked], urls, timeout=LIMIT)
        return tuple(url for url in urls if url in fetched.answered)

    async def _stand_in(self, urls: Collection[str], rung: Rung) -> None:
        known = await asyncio.to_thread(_read, self._path)
        now = int(self._clock())
        end = now + (NEARBY_STANDS_IN if rung is Rung.NEARBY else STANDS_IN)
        each = {**dict.fromkeys(urls, end), **known.at(now)} | dict.fromkeys(urls, end)
        self._book.add_stand_ins(urls)
        try:
            data = msgspec.json.encode(_StandIns(dict(list(each.items())[:AT_ONCE])))
            await asyncio.to_thread(write_private, self._path, data)
        except StoreError as error:
            log.warning("which relays stand in was not saved: %s", error)
        self._on_found()


def _read(path: Path) -> _StandIns:
    """Blocks. What is damaged is looked for anew."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=_StandIns)
    except FileNotFoundError:
        return _StandIns()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("which relays stand in was not read: %s", error)
        return _StandIns()
    return _StandIns({url: end for url, end in found.until.items() if relay_url(url) == url})
