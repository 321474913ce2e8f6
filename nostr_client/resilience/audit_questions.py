"""How readers ask for what an audit looks for. Pure.

A relay can tell an audit by its question: only those who know what is there ask by ids. Readers ask
for what somebody wrote, of some kinds, from some time on. A question of that form brings more than
is looked for, so it names the hours from which that is, and is asked only where those are few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter

GAP: Final = 3 * 3_600
"""Seconds without any event that is looked for, from which they are two stretches of time."""
MOST_STRETCHES: Final = 5
"""Filters in one question, of which relays take few."""
MOST_SHOWN: Final = 100
"""Events that all relays show in one page."""


def as_readers_ask(events: Iterable[Event]) -> list[Filter]:
    """The filters by which a reader who knows no ids finds all of `events`; none where they are
    strewn over too many stretches of time."""
    stretches: list[list[Event]] = []
    for event in sorted(events, key=lambda event: (event.pubkey, event.created_at)):
        last = stretches[-1][-1] if stretches else None
        near = last is not None and event.created_at - last.created_at <= GAP
        if last is not None and near and last.pubkey == event.pubkey:
            stretches[-1].append(event)
        else:
            stretches.append([event])
    return [_stretch(each) for each in stretches] if len(stretches) <= MOST_STRETCHES else []


def _stretch(events: Sequence[Event]) -> Filter:
    return Filter(
        authors=frozenset({events[0].pubkey}),
        kinds=frozenset(event.kind for event in events),
        since=events[0].created_at,
        until=events[-1].created_at,
    )
