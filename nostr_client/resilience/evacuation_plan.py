"""What an evacuation does, before it is done. Pure: what is known goes in, a plan comes out.

- A relay of the lists leaves when it does not answer, refuses what the account writes, is known to
  have ended, or is retired by the person. Whoever stays, stays: however many they are.
- As many join as write relays left, so that there are `LEAST` to `MOST` of them; no two with one
  operator, and none with an operator of those that stay. Which ones, was tried live.
- Message relays (kind 10050) and private relays (kind 10013) that leave are replaced out of the
  relay list, as it will be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from nostr_client.routing.operators import RelayFacts, operators

LEAST: Final = 2
MOST: Final = 4
"""Write relays (NIP-65 recommends two to four)."""
MOST_INBOXES: Final = 3
"""Message relays (NIP-17)."""


class ListedRelays(msgspec.Struct, frozen=True):
    """The relays of the account's lists: kind 10002, `inbox` of kind 10050, `private` of 10013."""

    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.write, *self.read, *self.inbox, *self.private)))


class EvacuationPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which relays leave, and why; which of the relay list leave it, stay, and join it.

    `lacking`: how many more write relays should join, and were not found. `is_closed`: the private
    relay list cannot be decrypted, and stays as it is.
    `unread`: where the lists may be, too, and nobody answers; `tell`: relays beyond the lists that
    hear of the new ones; `rescue`: those that leave and may still show what only they have.
    `problem`: why it cannot be done.
    """

    leaving: dict[str, str] = {}
    listed_leaving: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()
    joining: tuple[str, ...] = ()
    lacking: int = 0
    inbox_leaving: tuple[str, ...] = ()
    inbox_joining: tuple[str, ...] = ()
    private_leaving: tuple[str, ...] = ()
    private_joining: tuple[str, ...] = ()
    is_closed: bool = False
    unread: tuple[str, ...] = ()
    tell: tuple[str, ...] = ()
    rescue: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_needed(self) -> bool:
        """Does anything leave, or join?"""
        return bool(self.leaving or self.joining)

    @property
    def changes_relay_list(self) -> bool:
        return bool(self.joining or self.listed_leaving)


def missing(listed: ListedRelays, leaving: Collection[str]) -> int:
    """How many write relays are to join."""
    staying = sum(url not in leaving for url in listed.write)
    wanted = min(MOST, max(LEAST, len(listed.write)))
    return max(0, wanted - staying)


def independent(
    held: Collection[str],
    candidates: Sequence[str],
    facts: Mapping[str, RelayFacts],
    count: int,
) -> list[str]:
    """The first `count` of `candidates` without walls, no two with one operator, and none with an
    operator of those `held`."""
    names = operators({*held, *candidates}, facts)
    taken = {names[url] for url in held}
    chosen: list[str] = []
    for url in candidates:
        if len(chosen) == count:
            break
        known = facts.get(url)
        if names[url] not in taken and not (known is not None and known.walls):
            taken.add(names[url])
            chosen.append(url)
    return chosen


def plan_evacuation(
    listed: ListedRelays,
    leaving: Mapping[str, str],
    joining: Sequence[str],
    *,
    unread: Sequence[str] = (),
    tell: Sequence[str] = (),
    rescue: Sequence[str] = (),
    is_closed: bool = False,
) -> EvacuationPlan:
    """The plan, once it is known what is `leaving` and what of the candidates works (`joining`)."""
    named = {*listed.write, *listed.read}
    staying = tuple(u for u in dict.fromkeys((*listed.write, *listed.read)) if u not in leaving)
    written = [*joining, *(url for url in listed.write if url not in leaving)]
    inbox_leaving, inbox_joining = _exchanged(listed.inbox, leaving, written, MOST_INBOXES)
    private_leaving, private_joining = _exchanged(listed.private, leaving, written)
    return EvacuationPlan(
        leaving=dict(leaving),
        listed_leaving=tuple(url for url in leaving if url in named),
        staying=staying,
        joining=tuple(joining),
        lacking=max(0, missing(listed, leaving) - len(joining)),
        inbox_leaving=inbox_leaving,
        inbox_joining=inbox_joining,
        private_leaving=private_leaving,
        private_joining=private_joining,
        is_closed=is_closed,
        unread=tuple(unread),
        tell=tuple(tell),
        rescue=tuple(rescue),
        problem=_problem(listed, leaving, staying, joining, named),
    )


def _exchanged(
    listed: Sequence[str],
    leaving: Collection[str],
    written: Sequence[str],
    most: int | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What leaves a list, and what of `written` joins it: as many, and `most` in all."""
    gone = tuple(url for url in listed if url in leaving)
    kept = [url for url in listed if url not in leaving]
    room = len(gone) if most is None else max(0, min(most - len(kept), len(gone)))
    return gone, tuple([url for url in written if url not in kept][:room])


def _problem(
    listed: ListedRelays,
    leaving: Mapping[str, str],
    staying: Sequence[str],
    joining: Sequence[str],
    named: Collection[str],
) -> str:
    if not leaving or joining or any(url in staying for url in listed.write):
        return ""
    if not named:
        return "there is no relay list to move: `nostr-client relays add URL` begins one"
    return (
        "no relay was found that takes what you write and shows it to others; "
        "`nostr-client evacuate --to URL` names one"
    )
