"""All that is known of one relay, in one place: what it says of itself, how it fares and why, what
it delivered, what is asked of it and for whom, and which others fall with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from nostr_client.net.health import DOWN, REFUSING, SLOW_STATE, UP
from nostr_client.routing.auth_policy import purpose_words
from nostr_client.routing.courier import Courier
from nostr_client.routing.operators import RelayFacts, operators
from nostr_client.routing.relay_facts import RelayFactBook

MOST_ASKED: Final = 8


class RelayPortrait(msgspec.Struct, frozen=True, kw_only=True):
    """One relay, as known here. Times are in seconds since 1970, 0 unknown; `latency` in seconds.

    `health` says in our words how it is and why; `words` are its own last ones, raw, the newest
    last. `taken` and `refused` count events that were sent to it, `heard` those that it sent and
    that held, `forged` those that did not, all since this program began. `came` and `lacked` are
    how much of what is known of `people` authors it delivered when it was asked, and did not; older
    questions count less. `asked` is what is asked of it now, and for whom, in words, and
    `neighbours` are relays in use that fall with it.
    """

    url: str
    facts: RelayFacts
    state: str
    since: int
    health: str
    latency: float | None
    words: tuple[str, ...]
    taken: int
    refused: int
    heard: int
    forged: int
    came: float
    lacked: float
    people: int
    asked: tuple[str, ...]
    neighbours: tuple[str, ...]
    blocked: bool
    reserve: bool

    @property
    def share(self) -> float | None:
        """How much it delivered of what is known, from 0 to 1."""
        known = self.came + self.lacked
        return self.came / known if known else None


class RelayPortraits:
    """Draws them for the account `owner`. `reserve` yields the relays that hold copies beside the
    relay list."""

    def __init__(
        self,
        courier: Courier,
        facts: RelayFactBook,
        reserve: Callable[[], Awaitable[Sequence[str]]],
        owner: str,
    ) -> None:
        self._courier = courier
        self._facts = facts
        self._reserve = reserve
        self._owner = owner

    async def ask(self, url: str) -> None:
        """Ask the relay for its document, if it may be asked, and was not lately."""
        if not self._courier.book.policy.refusal(url):
            await self._facts.look_up([url])

    async def of(self, url: str, among: Sequence[str], name: Callable[[str], str]) -> RelayPortrait:
        """That of the relay at `url` (normal spelling); nobody is asked. `among` are the relays in
        use, and `name` gives that of a pubkey, safe to show. Raises StoreError."""
        courier, known, reserve = self._courier, await self._facts.known(), await self._reserve()
        health, counters = courier.pool.health(url), courier.pool.health(url).counters
        outage = courier.pool.outages.of(url)
        blocked = url in courier.book.policy.blocked
        score, people = courier.scores.everybody(url)
        total = score.recent.plus(score.past)
        groups = operators([url, *among, *reserve], known)
        asked = courier.pool.asked(url)
        purposes = [purpose_words(one.filters, self._owner, name) for one in asked]
        dead = outage is not None and health.state not in (UP, SLOW_STATE)
        state = DOWN if dead else health.state
        return RelayPortrait(
            url=url,
            facts=known.get(url, RelayFacts(url)),
            state=state,
            since=int(outage.since if outage is not None and state == DOWN else health.since),
            health=_health(state, health.problem, health.untold, blocked=blocked),
            latency=health.latency,
            words=tuple(health.words),
            taken=counters.accepted,
            refused=counters.refused,
            heard=counters.delivered,
            forged=counters.forged,
            came=total.came,
            lacked=total.lacked,
            people=people,
            asked=tuple(dict.fromkeys(purposes))[:MOST_ASKED],
            neighbours=tuple(u for u, one in groups.items() if one == groups[url] and u != url),
            blocked=blocked,
            reserve=url in reserve,
        )


def _health(state: str, problem: str, untold: str, *, blocked: bool) -> str:
    """How it is, and why."""
    if blocked:
        return "you blocked it: it is never dialled"
    words = {
        UP: "up",
        SLOW_STATE: "up, but slow",
        DOWN: "cannot be reached",
        REFUSING: "refuses you",
    }.get(state, "not asked so far" if state == "unknown" else state)
    return ": ".join(part for part in (words, problem or untold) if part)
