"""What an evacuation does, before it is done. Pure: what is known goes in, a plan comes out.

- A relay of the lists leaves when it does not answer, refuses what the account writes, is known to
  have ended, or is retired by the person. Whoever stays, stays: however many they are.
- As many join as write relays left, so that there are `LEAST` to `MOST` of them; no two with one
  operator, and none with an operator of those that stay. Which ones, was tried live.
- Message relays (kind 10050) that leave are replaced out of the relay list, as it will be.
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
    """The relays of the account's lists: kind 10002, and `inbox` of kind 10050."""

    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    inbox: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.write, *self.read, *self.inbox)))


class EvacuationPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which relays leave, and why; which of the relay list stay, and which join it.

    `unread`: where the lists may be, too, and nobody answers; `tell`: relays beyond the lists that
    hear of the new ones; `rescue`: those that leave and may still show what only they have.
    `problem`: why it cannot be done.
    """

    leaving: dict[str, str] = {}
    staying: tuple[str, ...] = ()
    joining: tuple[str, ...] = ()
    inbox_leaving: tuple[str, ...] = ()
    inbox_joining: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    tell: tuple[str, ...] = ()
    rescue: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_needed(self) -> bool:
        """Does anything leave?"""
        return bool(self.leaving)

    @property
    def changes_relay_list(self) -> bool:
        return bool(self.joining or set(self.leaving) - set(self.inbox_leaving))


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
) -> EvacuationPlan:
    """The plan, once it is known what is `leaving` and what of the candidates works (`joining`)."""
    named = {*listed.write, *listed.read}
    staying = tuple(u for u in dict.fromkeys((*listed.write, *listed.read)) if u not in leaving)
    inbox_leaving = tuple(url for url in listed.inbox if url in leaving)
    inboxes = [url for url in listed.inbox if url not in leaving]
    spare = [u for u in (*joining, *listed.write) if u not in leaving and u not in inboxes]
    room = min(MOST_INBOXES - len(inboxes), len(inbox_leaving))
    return EvacuationPlan(
        leaving=dict(leaving),
        staying=staying,
        joining=tuple(joining),
        inbox_leaving=inbox_leaving,
        inbox_joining=tuple(spare[: max(0, room)]),
        unread=tuple(unread),
        tell=tuple(tell),
        rescue=tuple(rescue),
        problem=_problem(listed, leaving, staying, joining, named),
    )


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
