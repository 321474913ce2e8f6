"""Which relays are asked for whom (NIP-65): facts in, plan out (pure).

People are asked for at their write relays: at two each where they name two, so that one dead relay
hides nobody, and at `Caps.read_total` relays in all. A `Rank` says how much of what an author wrote
a relay is thought to have (`scores`), and those relays are taken that bring most of what all wrote.
Without one, each is as good as another, and few serve all. An author's last relay is never ranked,
nor are the client's own.

**Who streams.** What two relays hold, both would send. So one of an author's relays streams them,
and the others are audited: compared with what came, by ids, for what they have beside that
(`stream_and_audit`).

For people without a relay list the client's own relays stand in, with the relays where the person
was seen or that others named (hints).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import prod
from typing import Final, NamedTuple

from nostr_client.protocol.filters import Filter
from nostr_client.routing.planner import CAPS, Caps, ClientRelays, PersonRelays, alive

Rank = Callable[[str, str], float]
"""How much of what an author wrote a relay is thought to have, 0 to 1: `(pubkey, url)`."""
SURE: Final = 0.75
"""What the best relay counts: it may be down at any time, so a second one is worth having."""
WORTH: Final = 0.1
"""A relay that adds less than this share of what one author wrote is worth no connection, where all
who write there are asked for at two others."""

AS_GOOD: Final = 0.05
"""A relay of which so much less is expected than of another is as good as that one."""


def any_relay(pubkey: str, url: str) -> float:
    """The `Rank` where nothing is known: each is as good as another."""
    return 0.5


def plan_read(
    people: Iterable[PersonRelays],
    ours: ClientRelays,
    *,
    avoid: Collection[str] = (),
    caps: Caps = CAPS,
    rank: Rank = any_relay,
) -> dict[str, frozenset[str]]:
    """Which authors to ask for at which relay: `{url: pubkeys}`, at most `caps.read_total` relays.

    `avoid` and `ours.down` get no place while anything else is there to be asked. Whoever has no
    relay list, no relay that is alive, or none within the cap, is asked for at the client's own
    relays as well.
    """
    avoid = {*avoid, *ours.down}
    up = alive(ours.common, avoid)
    choices: dict[str, Sequence[str]] = {}
    unlisted: set[str] = set()
    for person in people:
        choice = alive(person.write, avoid)[: caps.read_choice]
        choices[person.pubkey] = choice or (() if up else person.write[: caps.read_each])
        if person.source != "list" or not choices[person.pubkey]:
            unlisted.add(person.pubkey)
    fallback = (up or ours.common)[: caps.read_total]
    worth = _worth(choices, rank, {*ours.common, ours.own_relay})
    plan = {url: set(unlisted) for url in fallback if unlisted}
    _choose(worth, plan, set(fallback), caps)
    lost = {p for p, choice in choices.items() if choice}.difference(*plan.values())
    if lost and not unlisted:
        plan = {url: set(lost) for url in fallback}
        _choose(worth, plan, set(fallback), caps)
        lost = choices.keys() - set().union(*plan.values())
    for url in fallback if lost else ():
        plan[url] |= lost
    return {url: frozenset(authors) for url, authors in plan.items() if authors}


def _worth(
    choices: Mapping[str, Sequence[str]], rank: Rank, own: Collection[str]
) -> dict[str, dict[str, float]]:
    """How good each relay is for each author: `{url: {pubkey: 0 to SURE}}`."""
    worth: dict[str, dict[str, float]] = {}
    for pubkey, choice in choices.items():
        for url in choice:
            lowered = len(choice) > 1 and url not in own
            chance = min(1.0, max(0.0, rank(pubkey, url))) if lowered else 1.0
            worth.setdefault(url, {})[pubkey] = SURE * chance
    return worth


def _choose(
    worth: Mapping[str, Mapping[str, float]],
    plan: dict[str, set[str]],
    preferred: Collection[str],
    caps: Caps,
) -> None:
    """Fill `plan` with the relays that bring most of what the authors wrote, each at those of them
    that are best for it; of equals one that is `preferred`.

    An author is thought to be read but for the chance that all of the relays fail: `1 - (1 - a) *
    (1 - b)` for the best two. What one more relay adds to that only falls as others are taken, so
    what was computed earlier is a bound (lazy greedy), and few relays are computed again.
    """
    best: dict[str, list[tuple[float, str]]] = {}
    open_ends: dict[str, tuple[float, float]] = {}
    """By author: the chance that all but the last of the best fail, and what the last counts."""

    def gain(url: str) -> float:
        total = 0.0
        for pubkey, chance in worth[url].items():
            missed, last = open_ends.get(pubkey, (1.0, 0.0))
            if chance > last:
                total += missed * (chance - last)
        return total

    def take(url: str) -> None:
        for pubkey, chance in worth[url].items():
            taken = sorted([*best.get(pubkey, ()), (chance, url)], reverse=True)[: caps.read_each]
            best[pubkey] = taken
            last = taken[-1][0] if len(taken) == caps.read_each else 0.0
            missed = prod(1 - value for value, _ in taken[: caps.read_each - 1])
            open_ends[pubkey] = missed, last

    def entry(url: str, value: float) -> tuple[float, bool, str]:
        return -value, url not in preferred, url

    for url in plan.keys() & worth.keys():
        take(url)
    queue = [entry(url, gain(url)) for url in worth if url not in plan]
    heapq.heapify(queue)
    chosen = set(plan)
    while queue and len(chosen) < caps.read_total:
        url = heapq.heappop(queue)[-1]
        found = entry(url, gain(url))
        if queue and found > queue[0]:
            heapq.heappush(queue, found)
        elif -found[0] >= WORTH or any(len(best.get(p, ())) < caps.read_each for p in worth[url]):
            take(url)
            chosen.add(url)
    for pubkey, taken in best.items():
        for _, url in taken:
            plan.setdefault(url, set()).add(pubkey)


class ReadRoles(NamedTuple):
    """`streams`: who is read live at which relay, `{url: pubkeys}`, each author at one. `audits`:
    at which relay they are looked for besides, `{url: {stream: pubkeys}}`."""

    streams: dict[str, frozenset[str]]
    audits: dict[str, dict[str, frozenset[str]]]


def stream_and_audit(
    plan: Mapping[str, Collection[str]],
    *,
    standing: Rank = any_relay,
    before: Mapping[str, str] | None = None,
) -> ReadRoles:
    """Which of each author's relays in `plan` streams, and which are audited.

    The one with the best `standing` streams. Those that are worse by less than `AS_GOOD` are as
    good: of them the one that streams the author by now (`before`), or that serves most, so that
    few relays have to be compared with each other.
    """
    at: dict[str, list[str]] = {}
    for url, authors in plan.items():
        for pubkey in authors:
            at.setdefault(pubkey, []).append(url)
    streams: dict[str, set[str]] = {}
    audits: dict[str, dict[str, set[str]]] = {}
    for pubkey, urls in at.items():
        worth = {url: standing(pubkey, url) for url in urls}
        good = [url for url in urls if worth[url] >= max(worth.values()) - AS_GOOD]
        stream = (before or {}).get(pubkey, "")
        if stream not in good:
            stream = min(good, key=lambda url: (-len(plan[url]), url))
        streams.setdefault(stream, set()).add(pubkey)
        for url in urls:
            if url != stream:
                audits.setdefault(url, {}).setdefault(stream, set()).add(pubkey)
    return ReadRoles(
        {url: frozenset(authors) for url, authors in streams.items()},
        {
            url: {stream: frozenset(authors) for stream, authors in groups.items()}
            for url, groups in audits.items()
        },
    )


def firm_relays(people: Iterable[PersonRelays], ours: ClientRelays) -> frozenset[str]:
    """The relays on which an answer about `people` depends: the own read relays, and those where
    their lists say that they write. Others are asked in passing."""
    listed = (person.write for person in people if person.source == "list")
    return frozenset(ours.read).union(*listed)


def author_filters(
    authors: Iterable[str],
    kinds: Iterable[int],
    *,
    since: int | None = None,
    limit: int | None = None,
    caps: Caps = CAPS,
) -> tuple[Filter, ...]:
    """Filters for many authors, cut so that no relay finds one too long; `limit` is each one's."""
    ordered = sorted(authors)
    wanted = frozenset(kinds)
    size = caps.authors_per_filter
    return tuple(
        Filter(authors=frozenset(ordered[i : i + size]), kinds=wanted, since=since, limit=limit)
        for i in range(0, len(ordered), size)
    )
