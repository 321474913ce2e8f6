"""What becomes of the events of a batch, from what the store holds: the rules of `rules`, applied
in the order given. Pure; shared by the engines that keep tables.

A batch is judged in *runs*: what the tables say about a run is asked once (`Facts`), then each of
its events is judged, as if those before it were written already. A deletion or a request to vanish
ends its run, since it changes what the next ones meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from nostr_client.protocol.event import Event
from nostr_client.protocol.kinds import DELETION, VANISH, is_ephemeral, is_replaceable
from nostr_client.store import rules
from nostr_client.store.contract import SaveResult, SaveStatus
from nostr_client.store.index_keys import IndexKeys, id_key
from nostr_client.store.rules import Version


class CurrentVersion(NamedTuple):
    """The version at an address; `event` while it is not written yet."""

    version: Version
    seq: int
    expired: bool = False
    event: Event | None = None


class Saved(NamedTuple):
    """The outcome of one batch: results, and the commit sequence before and after."""

    results: list[SaveResult]
    before: int
    after: int


class Facts(msgspec.Struct):
    """What the tables say about the events of one run.

    `held`: ids; `current`: by the key of an address; `tombstones`: (key of an id or address, of an
    author) -> until when; `vanished`: pubkey -> until when. Judging changes `held` and `current`.
    """

    held: set[str]
    current: dict[int, CurrentVersion]
    tombstones: Mapping[tuple[int, int], int]
    vanished: Mapping[str, int]


class Judged(msgspec.Struct, frozen=True):
    """What is to be done: `stored`, by their seqs; seqs that give way (`gone`), or have `expired`;
    versions that are or come too old, for those who keep a history."""

    results: list[SaveResult]
    stored: dict[int, Event]
    gone: list[int]
    expired: list[int]
    superseded: list[Event]


def runs(events: Sequence[Event]) -> Iterable[Sequence[Event]]:
    """A batch, cut behind each deletion and each request to vanish."""
    start = 0
    for index, event in enumerate(events):
        if event.kind in (DELETION, VANISH):
            yield events[start : index + 1]
            start = index + 1
    if start < len(events):
        yield events[start:]


def judge(run: Sequence[Event], facts: Facts, keys: IndexKeys, now: int, seq: int) -> Judged:
    """What becomes of a run; the first that is stored stands behind `seq`."""
    judged = Judged([], {}, [], [], [])
    for event in run:
        status = _status(event, facts, keys, now)
        if status not in (SaveStatus.STORED, SaveStatus.REPLACED):
            if status is SaveStatus.OUTDATED:
                judged.superseded.append(event)
            judged.results.append(SaveResult(status))
            continue
        seq += 1
        judged.stored[seq] = event
        facts.held.add(event.id)
        if is_replaceable(event.kind):
            _supersede(event, seq, facts, keys, judged)
        judged.results.append(SaveResult(status, seq))
    return judged


def _supersede(event: Event, seq: int, facts: Facts, keys: IndexKeys, judged: Judged) -> None:
    address = keys.address(event.address or "")
    old = facts.current.get(address)
    if old is not None:
        facts.held.discard(old.version.id)
    if old is not None and old.event is not None:
        judged.superseded.append(old.event)
        del judged.stored[old.seq]
    elif old is not None:
        (judged.expired if old.expired else judged.gone).append(old.seq)
    version = Version(event.created_at, event.id)
    facts.current[address] = CurrentVersion(version, seq, event=event)


def _status(event: Event, facts: Facts, keys: IndexKeys, now: int) -> SaveStatus:
    if is_ephemeral(event.kind):
        return SaveStatus.EPHEMERAL
    if rules.is_expired(event.expiration, now):
        return SaveStatus.EXPIRED
    if facts.vanished and rules.is_vanished(event, facts.vanished):
        return SaveStatus.VANISHED
    if event.id in facts.held:
        return SaveStatus.DUPLICATE
    if facts.tombstones and _is_deleted(event, facts, keys):
        return SaveStatus.DELETED
    if not is_replaceable(event.kind):
        return SaveStatus.STORED
    old = facts.current.get(keys.address(event.address or ""))
    if old is None or old.expired:
        return SaveStatus.STORED
    if Version(event.created_at, event.id).supersedes(old.version):
        return SaveStatus.REPLACED
    return SaveStatus.OUTDATED


def _is_deleted(event: Event, facts: Facts, keys: IndexKeys) -> bool:
    for pubkey in rules.deleters(event):
        if (id_key(event.id), keys.author(pubkey)) in facts.tombstones:
            return True
    if event.address is None:
        return False
    spot = keys.address(event.address), keys.author(event.pubkey)
    return facts.tombstones.get(spot, -1) >= event.created_at
