"""The drill on the owner's own graph: what would be lost, and what to mend first. Pure, and exact:
every relay and every operator falls once, half of all by the mean of all halves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Iterator
from shlex import quote
from typing import Final

import msgspec

from nostr_client.protocol.urls import host_of
from nostr_client.rehearsal.own_graph import OwnGraph
from nostr_client.rehearsal.strategies import doomed
from nostr_client.routing.operators import count_operators, operators
from nostr_client.routing.starter_relays import starter_relays

WORST: Final = 3
"""Of the relays that fall alone, and of the operators, so many are told."""
OLD_KIT: Final = 30 * 86_400
_NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six")


class OwnFall(msgspec.Struct, frozen=True):
    """What it would come to if `relays` fell: events that no relay holds any more (`unheld`; this
    machine still does), events that no reader finds where the relay list points (`unreadable`),
    and people followed of whose relays none is left (`unreachable`). Means, where half fall."""

    strategy: str
    relays: tuple[str, ...]
    unheld: float
    unreadable: float
    unreachable: float

    @property
    def _weight(self) -> tuple[float, float, float]:
        return self.unheld, self.unreadable, self.unreachable


class Advice(msgspec.Struct, frozen=True):
    """Something to mend: what is wrong, and the command."""

    words: str
    command: str


class OwnDrill(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; `advice` in the order in which it is to be followed."""

    events: int
    wanted: int
    listed: tuple[str, ...]
    reserve: tuple[str, ...]
    relays: int
    operators: int
    followed: int
    unknown: int
    """People followed of whom nobody says where they write."""
    falls: tuple[OwnFall, ...]
    advice: tuple[Advice, ...]


def rehearse(graph: OwnGraph, spell: Callable[[str], str]) -> OwnDrill:
    """Play it. `spell` turns somebody's public key in hex into what a command takes."""
    return OwnDrill(
        events=graph.count,
        wanted=graph.wanted,
        listed=tuple(graph.listed),
        reserve=tuple(graph.reserve),
        relays=len(graph.relays),
        operators=len(graph.operators),
        followed=len(graph.people),
        unknown=sum(not urls for urls in graph.people.values()),
        falls=tuple(falls_of(graph)),
        advice=tuple(advice_on(graph, spell)),
    )


def falls_of(graph: OwnGraph) -> Iterator[OwnFall]:
    """Each strategy, the mildest first: of relays and operators those whose fall costs most."""
    yield struck("none", graph, ())
    if not graph.relays:
        return
    singles = (struck("relay", graph, [url]) for url in graph.relays)
    yield from _worst(singles)
    groups = (g for g in graph.operators.values() if len(g) > 1)
    yield from _worst(struck("operator", graph, group) for group in groups)
    relays = graph.relays
    number = {url: n for n, url in enumerate(relays)}
    lists = [[number[url] for url in urls] for urls in (graph.listed, *graph.people.values())]
    chance = random.Random(0)  # noqa: S311 - nothing of what is played here is left to it
    for strategy in ("adaptive", "top-k"):
        blows = doomed(strategy, [""] * len(relays), lists, chance)
        yield struck(strategy, graph, [relays[n] for blow in blows for n in blow])
    yield half(graph)
    yield struck("all", graph, relays)


def _worst(falls: Iterator[OwnFall]) -> list[OwnFall]:
    ranked = sorted(falls, key=lambda fall: fall._weight, reverse=True)
    return [fall for fall in ranked[:WORST] if any(fall._weight)]


def struck(strategy: str, graph: OwnGraph, gone: Collection[str]) -> OwnFall:
    """What is left when `gone` fall, on top of what is missing already."""
    dead, listed = frozenset(gone), frozenset(graph.listed)
    unheld = sum(count for held, count in graph.events.items() if held <= dead)
    unread = sum(count for held, count in graph.events.items() if held & listed <= dead)
    away = sum(bool(urls) and dead.issuperset(urls) for urls in graph.people.values())
    return OwnFall(strategy, tuple(gone), unheld, unread, away)


def half(graph: OwnGraph) -> OwnFall:
    """The mean of all halves of the relays that may fall."""
    count, listed = len(graph.relays), frozenset(graph.listed)
    fall = count // 2

    def gone(urls: Collection[str]) -> float:
        """How likely all of them are in the half that falls."""
        stay = len(urls) <= fall
        return (
            math.comb(count - len(urls), fall - len(urls)) / math.comb(count, fall) if stay else 0.0
        )

    return OwnFall(
        "random",
        (),
        round(math.fsum(n * gone(held) for held, n in graph.events.items()), 2),
        round(math.fsum(n * gone(held & listed) for held, n in graph.events.items()), 2),
        round(math.fsum(gone(set(urls)) for urls in graph.people.values() if urls), 2),
    )


# What to mend first


def advice_on(graph: OwnGraph, spell: Callable[[str], str]) -> Iterator[Advice]:
    """In order: that readers find the account at all; what one fall would take; what only this
    machine has; then other people's."""
    yield from _on_the_list(graph)
    yield from _on_one_operator(graph)
    yield from _on_backups(graph)
    yield from _on_copies(graph)
    yield from _on_people(graph, spell)


def _on_the_list(graph: OwnGraph) -> Iterator[Advice]:
    if not graph.has_list:
        yield Advice(
            "you have no relay list: nobody can know where you are found",
            "nostr-client relays add URL",
        )
    for url in graph.listed:
        if end := starter_relays().end_of(url):
            yield Advice(
                f"{url} is in your list: {end}", f"nostr-client relays retire {quote(url)}"
            )
    dead = [url for url in graph.listed if url in graph.down]
    if dead:
        yield Advice(
            f"{_number(len(dead))} of your {len(graph.listed)} write relays cannot be reached: "
            + ", ".join(map(host_of, dead)),
            "nostr-client evacuate",
        )


def _on_one_operator(graph: OwnGraph) -> Iterator[Advice]:
    names = operators(graph.listed, graph.facts)
    groups = [
        [url for url in names if names[url] == name] for name in dict.fromkeys(names.values())
    ]
    for group in groups:
        if len(group) > 1:
            yield Advice(
                f"{_number(len(group))} of your {len(graph.listed)} write relays share one "
                f"operator: {', '.join(map(host_of, group))}",
                f"nostr-client relays retire {quote(group[-1])}",
            )
    if len(groups) == 1:
        yield Advice(
            "readers look for you at one operator's only: name a relay of another",
            "nostr-client relays add URL",
        )


def _on_backups(graph: OwnGraph) -> Iterator[Advice]:
    if graph.kit_age is None:
        yield Advice(
            "no backup is known of: key, lists and messages are on this machine alone",
            "nostr-client backup FILE",
        )
    elif graph.kit_age > OLD_KIT:
        days = int(graph.kit_age // 86_400)
        yield Advice(f"the last backup is {days} days old", "nostr-client backup FILE")


def _on_copies(graph: OwnGraph) -> Iterator[Advice]:
    listed = frozenset(graph.listed)
    unread = sum(n for held, n in graph.events.items() if not held & listed)
    if unread and listed:
        yield Advice(
            f"{unread} of {graph.count} events are on no relay of your list, where readers look",
            "nostr-client copies",
        )
    if graph.short:
        keepers = count_operators([*graph.listed, *graph.reserve], graph.facts)
        few = (
            f"; list and reserve have {keepers} operators: reserves are found where people you "
            "follow write"
            if keepers < graph.wanted
            else "; they are placed while nostr-client runs"
        )
        yield Advice(
            f"{graph.short} of {graph.count} events have fewer than {graph.wanted} copies{few}",
            "nostr-client copies",
        )


def _on_people(graph: OwnGraph, spell: Callable[[str], str]) -> Iterator[Advice]:
    alone = [
        pubkey
        for pubkey, urls in graph.people.items()
        if urls and pubkey not in graph.kept and count_operators(urls, graph.facts) == 1
    ]
    if alone:
        yield Advice(
            f"{len(alone)} of {len(graph.people)} people you follow write to one operator's "
            "relays only: keep a copy of those who matter to you",
            f"nostr-client keep add {spell(next(iter(alone)))}",
        )


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def lines_of(drill: OwnDrill) -> Iterator[str]:
    """For people."""
    yield (
        f"{drill.events} events, {drill.operators} operators of {drill.relays} relays, "
        f"{drill.followed} people followed; by what is known here, nobody was asked."
    )
    yield f"{'falls':<40}{'held by no relay':>18}{'found by nobody':>17}{'out of reach':>14}"
    for fall in drill.falls:
        figures = (fall.unheld, fall.unreadable, fall.unreachable)
        widths = (18, 17, 14)
        cells = "".join(f"{one:>{w}g}" for one, w in zip(figures, widths, strict=True))
        yield f"{_fall_words(fall)[:39]:<40}{cells}"
    if drill.unknown:
        yield f"Of {drill.unknown} people followed nobody says where they write."
    yield "To mend, the first first:" if drill.advice else "There is nothing to mend."
    for place, one in enumerate(drill.advice, 1):
        yield f"{place}. {one.words}: `{one.command}`"


def _fall_words(fall: OwnFall) -> str:
    match fall.strategy:
        case "none":
            return "nothing, as it is now"
        case "relay":
            return host_of(fall.relays[0])
        case "operator":
            return f"one operator: {len(fall.relays)} relays, {host_of(fall.relays[0])}"
        case "adaptive":
            return "your write relays"
        case "top-k":
            return f"the most used third: {len(fall.relays)} relays"
        case "random":
            return "half of all, in the mean"
        case _:
            return f"all {len(fall.relays)} relays"
