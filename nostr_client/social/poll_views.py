"""Polls and their results, as values (NIP-88). Pure.

Of each person the newest vote within the poll's time counts, and no other, whatever it says. Where
one choice is asked for, its first `response` is it; else each option that it names, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.event import MAX_TIMESTAMP, Event

MOST_OPTIONS: Final = 50
MOST_RELAYS: Final = 8
"""Relays of a poll that are asked and written to."""


@dataclass(frozen=True, slots=True)
class PollOption:
    """What can be chosen. The label is raw."""

    id: str
    label: str
    votes: int = 0
    mine: bool = False


@dataclass(frozen=True, slots=True)
class PollView:
    """A poll as far as its votes are known. The question is raw.

    `ends_at` is in seconds, None for a poll without an end; `relays` are the poll's own words.
    `voters` counts people whose vote names an option; of several options each counts.
    """

    event: Event
    options: tuple[PollOption, ...]
    multiple: bool = False
    ends_at: int | None = None
    relays: tuple[str, ...] = ()
    voters: int = 0
    ended: bool = False

    @property
    def question(self) -> str:
        return self.event.content

    @property
    def mine(self) -> tuple[str, ...]:
        """The ids of what the account chose."""
        return tuple(option.id for option in self.options if option.mine)

    def share(self, option: PollOption) -> float:
        """Of those who voted, from 0 to 1."""
        return option.votes / self.voters if self.voters else 0.0


def poll_view(
    poll: Event, votes: Iterable[Event] = (), *, now: float = 0.0, me: str = ""
) -> PollView | None:
    """`poll` with the `votes` that are known, at `now` (seconds), for the account `me`; None for
    what is no poll, or offers no choice."""
    labels = _labels(poll) if poll.kind == kinds.POLL else {}
    if not labels:
        return None
    multiple, ends_at = poll.value("polltype") == "multiplechoice", _time(poll.value("endsAt"))
    counted: Counter[str] = Counter()
    voters, mine = 0, frozenset[str]()
    for pubkey, vote in _newest(poll, votes, ends_at).items():
        chosen = _chosen(vote, labels, multiple=multiple)
        counted.update(chosen)
        voters += bool(chosen)
        mine = chosen if pubkey == me else mine
    options = (PollOption(id, label, counted[id], id in mine) for id, label in labels.items())
    relays = tuple(dict.fromkeys(poll.values("relay")))[:MOST_RELAYS]
    ended = ends_at is not None and now > ends_at
    return PollView(poll, tuple(options), multiple, ends_at, relays, voters, ended)


def _labels(poll: Event) -> dict[str, str]:
    """Option id -> label; the first of those that share an id."""
    found: dict[str, str] = {}
    for tag in poll.tags:
        if tag[0] == "option" and len(tag) > 1 and tag[1]:
            found.setdefault(tag[1], tag[2] if len(tag) > 2 else tag[1])
    return dict(list(found.items())[:MOST_OPTIONS])


def _newest(poll: Event, votes: Iterable[Event], ends_at: int | None) -> dict[str, Event]:
    """Of each person the last vote between the poll's beginning and its end."""
    last = MAX_TIMESTAMP if ends_at is None else ends_at
    newest: dict[str, Event] = {}
    for vote in votes:
        if vote.kind != kinds.VOTE or vote.value("e") != poll.id:
            continue
        held = newest.get(vote.pubkey)
        in_time = poll.created_at <= vote.created_at <= last
        if in_time and (held is None or vote.order < held.order):
            newest[vote.pubkey] = vote
    return newest


def _chosen(vote: Event, labels: dict[str, str], *, multiple: bool) -> frozenset[str]:
    named = list(vote.values("response"))
    return frozenset(id for id in (named if multiple else named[:1]) if id in labels)


def _time(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    return min(int(text), MAX_TIMESTAMP)
