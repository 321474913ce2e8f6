"""Which relays are not to be counted on, so that a loss is mended before anybody misses anything.

Two levels, since they cost differently:

- *Doubtful*: it fails, and `doubt_after` seconds later it fails again when it is looked at, while
  another relay answers. That is enough for a copy elsewhere, which harms nobody: the doubtful one
  keeps its part, and when it is back nothing has to be undone. It is trusted again once it was up
  for `steady` seconds, so that one that comes and goes is one that is gone.
- *Dead*: it has failed, or refused, for `dead_after` seconds. Others take its place.

Looks: a loss seldom comes alone. So when any relay is lost, those where copies belong are looked at
at once, and else every `QUIET` seconds. A look is a question to which nothing is the answer;
whoever answers, with a refusal too, lives. Where nothing answers, it is we who are cut off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP, RelayHealth
from nostr_client.net.outcome import How
from nostr_client.net.pool import RelayPool
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.resilience.pace import Pace

QUIET: Final = 300.0
"""Seconds after which a relay is looked at without any reason."""
LOOK_LIMIT: Final = 5.0
CONTROLS: Final = 2
"""Relays that are looked at beside one that fails: is it we?"""
_ALIVE: Final = (How.ANSWERED, How.INCOMPLETE, How.NOT_ALLOWED, How.REFUSED)


@dataclass
class _Watched:
    """One relay where copies belong. Seconds since 1970."""

    looked: float
    is_due: bool = False
    failing: float | None = None
    """Since when; None while it answers."""
    back: float | None = None
    """Of one that is doubtful: since when it answers again."""


class RelayWatch:
    """Watches relays through `pool`. `own_urls` yields what is no host: every URL of the own relay;
    `clock` gives seconds since 1970."""

    def __init__(
        self,
        pool: RelayPool,
        *,
        own_urls: Callable[[], Sequence[str]] = tuple,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._pool = pool
        self._own_urls = own_urls
        self._pace = pace or Pace()
        self._clock = clock
        self._watched: dict[str, _Watched] = {}
        self._down: frozenset[str] = frozenset()
        self._dead: frozenset[str] = frozenset()
        self._doubtful: set[str] = set()

    def doubtful(self) -> frozenset[str]:
        """Those that are not counted on for now."""
        return frozenset(self._doubtful)

    def dead(self) -> frozenset[str]:
        """Down or refusing for long, while another relay lives: else it is we who are cut off."""
        known, now = self._known(), self._clock()
        if not known or any(health.state in (UP, SLOW_STATE) for health in known):
            failing = {h.url: h.since for h in known if h.state in (DOWN, REFUSING)}
            for url in self._doubtful:
                if (since := self._watched[url].failing) is not None:
                    failing[url] = since
            limit = self._pace.dead_after
            self._dead = frozenset(url for url, since in failing.items() if now - since >= limit)
        return self._dead

    async def look(self, urls: Collection[str]) -> bool:
        """Look at those of `urls`, where copies belong, that give reason to. True where `doubtful`
        is another then. Takes at most `LOOK_LIMIT` seconds."""
        before = self.doubtful()
        self._notice(urls)
        due = [url for url, each in self._watched.items() if self._is_due(url, each)]
        if due:
            calm = [u for u, each in self._watched.items() if each.failing is None and u not in due]
            await self._ask([*due, *calm[:CONTROLS]])
        now, steady = self._clock(), self._pace.steady
        for url in before:
            each = self._watched.get(url)
            if each is not None and each.back is not None and now - each.back >= steady:
                self._doubtful.discard(url)
        return self.doubtful() != before

    def _known(self) -> list[RelayHealth]:
        own = set(self._own_urls())
        return [health for health in self._pool.book if health.url not in own]

    def _notice(self, urls: Collection[str]) -> None:
        """What connections have found out since."""
        own, now = set(self._own_urls()), self._clock()
        kept = {url: self._watched.get(url) or _Watched(now) for url in urls if url not in own}
        self._watched = kept
        self._doubtful.intersection_update(kept)
        health = {each.url: each for each in self._known()}
        down = frozenset(url for url, each in health.items() if each.state == DOWN)
        is_loss, self._down = bool(down - self._down), down
        for url, each in kept.items():
            outage = self._pool.outages.of(url)
            if url in down or outage is not None:
                since = health[url].since if url in down else outage.since if outage else now
                each.failing = since if each.failing is None else each.failing
                each.back = None
            elif url in health and each.failing is not None and health[url].since > each.looked:
                each.is_due = True  # somebody reached it
            each.is_due |= is_loss and now - each.looked >= self._pace.doubt_after

    def _is_due(self, url: str, each: _Watched) -> bool:
        since = self._clock() - each.looked
        if url in self._doubtful:
            return each.is_due or since >= self._pace.steady
        if each.failing is not None:
            fails = self._clock() - each.failing
            return min(fails, since) >= self._pace.doubt_after
        return each.is_due or since >= QUIET

    async def _ask(self, urls: Sequence[str]) -> None:
        nothing = Filter(kinds=frozenset({kinds.RELAY_LIST}), since=int(self._clock()), limit=1)
        self._pool.retry_now(urls)
        fetched = await self._pool.fetch([nothing], urls, timeout=LOOK_LIMIT)
        now = self._clock()
        alive = {url for url, end in fetched.ends.items() if end.how in _ALIVE}
        for url in urls:
            each = self._watched[url]
            each.looked, each.is_due = now, False
            if url in alive:
                each.failing = None
                each.back = now if each.back is None else each.back
                continue
            each.back = None
            each.failing = now if each.failing is None else each.failing
            is_its_own = alive or self._pool.outages.of(url) is not None
            if is_its_own and now - each.failing >= self._pace.doubt_after:
                self._doubtful.add(url)
