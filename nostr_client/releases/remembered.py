"""What of all that was ever seen an installation remembers: what whoever offers it a release later
might leave out.

- It is what the keys that are trusted say, and those that follow them. Nobody else's event is among
  it, so that nobody else can push any of it out.
- Where it is too much, the changes of keys come first, and then what the release key said last. A
  date ahead of the clock counts as now.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.releases.evidence import MOST_BYTES, MOST_EVENTS, said_of_releases
from nostr_client.releases.key_change import agreed_before, said_of_keys
from nostr_client.releases.origin import ReleaseKeys

MOST_REMEMBERED: Final = MOST_EVENTS // 2
"""Events: whoever offers a release can give all of them away beside it."""


def remembered(
    keys: ReleaseKeys, known: Iterable[Event], events: Iterable[Event], now: int
) -> list[Event]:
    """What is to be remembered, at the second `now`, by whoever trusts `keys`, of what is `known`
    and of other `events`, whose signatures were checked; the most important first.

    Changes of keys that led to `keys` remain as they were known: others have yet to follow them.
    """
    known = list(known)
    every = list({event.id: event for event in (*known, *events)}.values())
    said = said_of_keys(keys, every)
    releases = sorted(
        said_of_releases(said.keys, every),
        key=lambda event: (-min(event.created_at, now), event.id),
    )
    before = agreed_before(keys.app, known)
    ranked = (*said.agreed, *releases, *before, *said.alone)
    kept: list[Event] = []
    room = MOST_BYTES
    for event in {event.id: event for event in ranked}.values():
        room -= len(event.json) + 1
        if room < 0 or len(kept) == MOST_REMEMBERED:
            break
        kept.append(event)
    return kept
