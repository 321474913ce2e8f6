"""What notifications are made of: which events concern the account and how, and how they are put
together. Pure, but for the time zone in which a day begins.

What is said to somebody (replies, mentions, quotes, public messages) stands by itself. What is only
counted (reactions, reposts, zaps, votes, follows) is put together: by day, sort, and what it is
about. What comes from strangers is folded, one row a day.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from nostr_client.nips import nip10, nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.mutes import muted_thread
from nostr_client.social.note_views import target_of
from nostr_client.social.views import NO_ZAPS, Cursor, ZapSum, crowd_of

MOST_PEOPLE: Final = 100
"""People of one row that are named by their keys; beyond that they are counted."""
MOST_MARKS: Final = 3
"""Different reactions of one row that are shown."""
MOST_QUOTES: Final = 3


class NotificationSort(StrEnum):
    """How something concerns the account."""

    REPLY = "reply"
    MENTION = "mention"
    QUOTE = "quote"
    MESSAGE = "message"
    REACTION = "reaction"
    REPOST = "repost"
    ZAP = "zap"
    FOLLOW = "follow"
    VOTE = "vote"

    @property
    def is_said(self) -> bool:
        """Is it words of somebody's, and not only one more of many?"""
        return self in _SAID


_SAID: Final = frozenset(
    {
        *(NotificationSort.REPLY, NotificationSort.MENTION),
        *(NotificationSort.QUOTE, NotificationSort.MESSAGE),
    }
)


class NotificationTab(StrEnum):
    """Which of them are asked for."""

    ALL = "all"
    MENTIONS = "mentions"
    REACTIONS = "reactions"
    FOLLOWS = "follows"
    ZAPS = "zaps"

    @property
    def kinds(self) -> frozenset[int]:
        """The kinds of events that name the account (`p`) and may belong there."""
        return _KINDS[self]


_COUNTED: Final = frozenset({*kinds.REPOSTS, kinds.REACTION})
_KINDS: Final = {
    NotificationTab.ALL: kinds.MENTIONING,
    NotificationTab.MENTIONS: kinds.ADDRESSING,
    NotificationTab.REACTIONS: _COUNTED,
    NotificationTab.FOLLOWS: frozenset[int](),
    NotificationTab.ZAPS: frozenset({kinds.ZAP_RECEIPT}),
}


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that concerns the account: `person` did it; `event` is None for a new follower.

    `target` is the id, or the address, of what it is about; empty for the account itself.
    """

    sort: NotificationSort
    person: str
    at: int
    id: str
    target: str = ""
    event: Event | None = None

    @property
    def order(self) -> tuple[int, str]:
        return -self.at, self.id


@dataclass(frozen=True, slots=True)
class Notification:
    """One row: `people` (pubkeys, the newest first, `MOST_PEOPLE` at most) of `count`.

    `at` is the newest, in seconds; `event` the newest event, None for followers; `target` what it
    is about, None where it is not here or is the account itself (`target_id` is empty then).
    `marks` are reactions as they were written, raw. `key` names the row for good.
    """

    key: str
    sort: NotificationSort
    day: datetime.date
    at: int
    people: tuple[str, ...]
    count: int
    target_id: str = ""
    target: Event | None = None
    event: Event | None = None
    marks: tuple[str, ...] = ()
    crowd: int = 0
    """How many people the newest tags, where that is a crowd: then the row is of all that its
    thread has of the day, `said` notes."""
    said: int = 0
    zapped: ZapSum = NO_ZAPS
    receipts: tuple[Event, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class StrangersFold:
    """What `count` people did on one day whom nobody knows whom the account follows: `rows`."""

    key: str
    day: datetime.date
    at: int
    count: int
    rows: tuple[Notification, ...]


NotificationRow = Notification | StrangersFold


def unfolded(rows: Iterable[NotificationRow]) -> Iterator[tuple[Notification, bool]]:
    """Every row, strangers' too, and whether it is one of theirs."""
    for row in rows:
        if isinstance(row, StrangersFold):
            yield from ((one, True) for one in row.rows)
        else:
            yield row, False


@dataclass(frozen=True, slots=True)
class NotificationPage:
    """Rows of whole days, as far as that is bounded; `until` is where the next page goes on, None
    where there is none."""

    rows: tuple[NotificationRow, ...]
    until: Cursor | None


# Which sort


def concern_of(
    event: Event, me: str, targets: Mapping[str, Event], sender: Callable[[Event], str]
) -> Concern | None:
    """How `event`, which is not by `me`, concerns the account; None if it does not.

    `targets` are the events that are here of those it may be about, by id or address. `sender`
    says who sent a zap.
    """

    def is_mine(id: str, said: bool = False) -> bool:
        """`said`: the event itself says so, which counts where the target is not here."""
        target = targets.get(id)
        if target is not None:
            return target.pubkey == me
        return said or id.split(":", 2)[1:2] == [me]

    def concern(sort: NotificationSort, target: str = "", by: str = event.pubkey) -> Concern:
        return Concern(sort, by, event.created_at, event.id, target, event)

    people = nip10.people_of(event)
    addressed = bool(people) and people[-1] == me
    target = about(event)
    match event.kind:
        case kinds.REACTION | kinds.REPOST | kinds.GENERIC_REPOST:
            sort = (
                NotificationSort.REACTION
                if event.kind == kinds.REACTION
                else NotificationSort.REPOST
            )
            return concern(sort, target) if target and is_mine(target, addressed) else None
        case kinds.ZAP_RECEIPT:
            if event.value("p") != me:
                return None
            return concern(NotificationSort.ZAP, target, sender(event))
        case kinds.POLL_VOTE:
            return concern(NotificationSort.VOTE, target) if is_mine(target) else None
        case kinds.PUBLIC_MESSAGE:
            return concern(NotificationSort.MESSAGE) if me in people else None
    if target and is_mine(target, _answers(event, me)):
        return concern(NotificationSort.REPLY, target)
    for quoted in nip10.refs_of(event, "q")[:MOST_QUOTES]:
        if is_mine(quoted.id, quoted.pubkey == me):
            return concern(NotificationSort.QUOTE, quoted.id)
    return concern(NotificationSort.MENTION) if me in people else None


def about(event: Event) -> str:
    """The id, or the address, of what an event answers or is for; empty if it names none."""
    if event.kind in kinds.COMMENTS:
        parent = nip22.scopes(event).parent
        return (parent.address or parent.id) if parent else ""
    first = event.kind in _NAMES_ONE
    id = (event.value("e") or "") if first else target_of(event)
    if is_hex64(id):
        return id
    address = event.value("a") or ""
    return address if nip22.is_address(address) else ""


_NAMES_ONE: Final = frozenset({kinds.ZAP_RECEIPT, kinds.POLL_VOTE})
"""Kinds with one `e` tag, the first; where there are several, others mean the last one."""


def may_be_about(event: Event) -> list[str]:
    """The ids and addresses that decide how an event concerns somebody."""
    quoted = [ref.id for ref in nip10.refs_of(event, "q")[:MOST_QUOTES]]
    return [one for one in (about(event), *quoted) if one]


def _answers(event: Event, me: str) -> bool:
    """Does an answer say itself whose note it answers, and is it `me`? NIP-10, NIP-22."""
    if event.kind == kinds.NOTE:
        reply = nip10.thread_refs(event).reply
        if reply is None or reply.pubkey:
            return reply is not None and reply.pubkey == me
        return nip10.people_of(event) == [me]
    parent = nip22.scopes(event).parent
    return parent is not None and parent.pubkey == me


# Put together


def day_of(at: int) -> datetime.date:
    """The day, where the person is, of a moment in seconds."""
    return datetime.datetime.fromtimestamp(at).date()


def rows_of(
    concerns: Iterable[Concern],
    strangers: Collection[str],
    targets: Mapping[str, Event],
    zapped: Callable[[Iterable[Event]], ZapSum],
    part: str = "",
) -> list[NotificationRow]:
    """The rows of these, newest day first; a day's strangers stand at its end.

    `part` tells the rows of a day that goes on, on another page, from those before.
    """
    groups: dict[tuple[datetime.date, bool, str], list[Concern]] = {}
    for concern in sorted(concerns, key=lambda one: one.order):
        day = day_of(concern.at)
        single = concern.id if concern.sort.is_said else f"{concern.sort}:{concern.target}"
        if _crowd(concern):  # somebody tags everybody, and everybody answers
            single = f"crowd:{muted_thread(concern.event)[1]}" if concern.event else single
        groups.setdefault((day, concern.person in strangers, single), []).append(concern)
    known: dict[datetime.date, list[Notification]] = {}
    folded: dict[datetime.date, list[Notification]] = {}
    for (day, strange, single), group in groups.items():
        is_one = group[0].sort.is_said and not _crowd(group[0])
        key = single if is_one else f"{single}:{day}:{part}"
        row = _row(f"{key}{':s' if strange else ''}", day, group, targets, zapped)
        (folded if strange else known).setdefault(day, []).append(row)
    rows: list[NotificationRow] = []
    for day in sorted({*known, *folded}, reverse=True):
        rows += known.get(day, [])
        if some := folded.get(day):
            people = {p for row in some for p in row.people}
            count = max(len(people), *(row.count for row in some))
            rows.append(StrangersFold(f"fold:{day}:{part}", day, some[0].at, count, tuple(some)))
    return rows


def _crowd(concern: Concern) -> int:
    """How many people what was said tags, where that is a crowd."""
    if concern.event is None or not concern.sort.is_said:
        return 0
    return crowd_of(concern.event)


def _row(
    key: str,
    day: datetime.date,
    group: Sequence[Concern],
    targets: Mapping[str, Event],
    zapped: Callable[[Iterable[Event]], ZapSum],
) -> Notification:
    first = group[0]
    people = list(dict.fromkeys(concern.person for concern in group))
    events = [concern.event for concern in group if concern.event is not None]
    is_zap = first.sort is NotificationSort.ZAP
    marks: dict[str, None] = {}
    if first.sort is NotificationSort.REACTION:
        marks = dict.fromkeys(event.content for event in events)
    return Notification(
        key=key,
        sort=first.sort,
        day=day,
        at=first.at,
        people=tuple(people[:MOST_PEOPLE]),
        count=len(people),
        target_id=first.target,
        target=targets.get(first.target),
        event=first.event,
        marks=tuple(marks)[:MOST_MARKS],
        crowd=_crowd(first),
        said=len(group) if first.sort.is_said else 0,
        zapped=zapped(events) if is_zap else NO_ZAPS,
        receipts=tuple(events) if is_zap else (),
    )
