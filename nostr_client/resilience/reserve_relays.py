"""Relays in reserve, as they are kept on disk, and how they are chosen (pure, but for `read`)."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec

from nostr_client.protocol.urls import host_of, is_private_host
from nostr_client.routing.operators import RelayFacts, count_operators, operators

log = logging.getLogger(__name__)


class ReserveRelay(msgspec.Struct, frozen=True, omit_defaults=True):
    """One relay of the reserve: since when, and whether strangers read there what it was tried
    with."""

    url: str
    since: int
    proven: bool = False


class KeptReserves(msgspec.Struct, frozen=True):
    """What the file holds. `banned` by URL, until when (seconds since 1970)."""

    chosen: tuple[ReserveRelay, ...] = ()
    banned: dict[str, int] = {}


def choose(
    held: Collection[str],
    candidates: Sequence[str],
    facts: Mapping[str, RelayFacts],
    count: int,
) -> tuple[str, ...]:
    """`count` relays of `candidates` (the most used first) whose operators keep none of `held` nor
    another of those chosen: from both ends in turn, a niche first. Pure."""
    names = operators({*held, *candidates}, facts)
    taken = {names[url] for url in held}
    fit = [url for url in candidates if url not in held and is_open(facts.get(url))]
    chosen: list[str] = []
    while fit and len(chosen) < count:
        url = fit.pop(-1 if len(chosen) % 2 == 0 else 0)
        if names[url] not in taken:
            taken.add(names[url])
            chosen.append(url)
    return tuple(chosen)


def lacking(alive: Collection[str], facts: Mapping[str, RelayFacts], wanted: int) -> int:
    """How many copies in reserve there are to be beside the relays `alive` of the list, so that
    `wanted` operators have one. Pure."""
    return max(0, wanted - count_operators(alive, facts))


def in_private_network(url: str) -> bool:
    return is_private_host(host_of(url))


def is_open(facts: RelayFacts | None) -> bool:
    return facts is not None and facts.answered and not facts.walls


class ReserveRoom(msgspec.Struct, frozen=True):
    """What is to be found in reserve for events of one sort: so many relays (`missing`), and
    those that will do (`fit`)."""

    missing: int
    fit: tuple[ReserveRelay, ...]


def read_reserves(path: Path) -> KeptReserves:
    """Blocks. What is damaged is chosen anew."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=KeptReserves)
    except FileNotFoundError:
        return KeptReserves()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        log.warning("which relays are in reserve was not read: %s", error)
        return KeptReserves()
