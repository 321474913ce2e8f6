"""Why a relay does not show what others show: told from the answers of several. Pure.

What is asked, of several relays, is the same: which of an author's notes they have, and which of a
few other authors' (the controls). An id counts as **witnessed** against a relay where two relays of
other operators showed the event, verified. It is **missing** where the relay, having answered for
its author to the end, was asked for it by its id and had nothing.

Rules, the mildest reading first
- No answer is an outage, and `auth-required` or a closed door a wall: neither says what is held.
- A relay's own words are a refusal, for all or for one author.
- Everything that it lacks and that is older than the oldest thing it shows of anybody: retention,
  where it holds for two authors at least.
- A time of which it shows nothing of anybody, while two authors wrote then: it was away.
- **Targeting** is said only where nothing milder explains it: the author's newest notes are all
  missing, `RUN` of them at least (`TAKEN_RUN` where the relay is known to have taken them), not
  older than `FRESH`, while it shows what at least two controls wrote in the very same time. The
  author must be known to write there, and, where not everybody may, to have been let in.
- What is left is merely missing: a program that did not send it there, a limit, chance.

A relay that shows something may always have it from elsewhere, and the newest moments (`SETTLED`)
accuse nobody: events take their time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from nostr_client.net.outcome import How
from nostr_client.protocol.refusals import wants_auth

WITNESSES: Final = 2
"""Operators, besides the relay's own, that must show an event."""
RUN: Final = 5
TAKEN_RUN: Final = 2
FRESH: Final = 7 * 86_400
SETTLED: Final = 6 * 3_600
CONTROLS: Final = 2
CONTROL_NOTES: Final = 3
"""Witnessed notes that a control must have in the time in question."""
SHOWN_SHARE: Final = 0.8
"""How much of them the relay must show."""
BUCKET: Final = 86_400
"""Seconds of a time of which it is asked whether a relay shows anything at all."""


class FindingKind(StrEnum):
    """What it looks like. The values are for records and lines of ours."""

    RETENTION = "retention"
    OUTAGE = "outage"
    WALL = "wall"
    REFUSAL = "refusal"
    TARGETING = "targeting"
    MISSING = "missing"
    STALE = "stale"
    """It shows only an old version of a list."""
    FORGED = "forged"
    """It sent events whose signatures are not their authors'."""


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What `relay` answered about `author`'s notes of a time (seconds since 1970, both included).

    `held`: the ids that it showed, with their created_at, all verified; `absent`: those that it was
    asked for by name and did not have. `prefix` and `words` are its refusal. `writes_there`: the
    author is known to write there. `taken`: ids that the relay is known to have had. `walled`: not
    everybody may write there. `not_taken`: with which words it refused events of this author.
    `forged` counts events under false signatures. `lists`: the versions (created_at, id) of the
    author's lists that it showed, by address.
    """

    relay: str
    author: str
    since: int
    until: int
    how: How = How.ANSWERED
    held: Mapping[str, int] = msgspec.field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    prefix: str = ""
    words: str = ""
    writes_there: bool = False
    taken: frozenset[str] = frozenset()
    walled: bool = False
    not_taken: str = ""
    forged: int = 0
    lists: Mapping[str, tuple[int, str]] = msgspec.field(default_factory=dict)


class RelayFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What one relay's answers look like. `author` is empty where it is about everybody. `bucket`
    is the time (seconds since 1970) of the events `ids`, which the relays `witnesses` hold."""

    kind: FindingKind
    relay: str
    author: str = ""
    bucket: tuple[int, int] = (0, 0)
    ids: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    words: str = ""

    @property
    def accuses(self) -> bool:
        """Does it say that the relay treats somebody worse, or lies?"""
        refused = self.kind is FindingKind.REFUSAL and bool(self.author)
        return refused or self.kind in (FindingKind.TARGETING, FindingKind.FORGED)


def findings(
    observations: Iterable[Observation], now: float, operators: Mapping[str, str] | None = None
) -> list[RelayFinding]:
    """What the answers come to, relay by relay. `now` is in seconds since 1970; `operators` names
    who keeps each relay (`routing.operators`), itself where it is missing there."""
    every = list(observations)
    seen = _Witnesses(every, operators or {})
    newest = _newest_versions(every, now)
    by_relay: dict[str, list[Observation]] = {}
    for one in every:
        by_relay.setdefault(one.relay, []).append(one)
    found: list[RelayFinding] = []
    for relay, about in by_relay.items():
        found += _said(relay, about)
        answered = [one for one in about if one.how is How.ANSWERED]
        if answered:
            found += _RelayJudgement(relay, answered, seen, now).findings()
        found += _lies(relay, about, newest)
    return found


# What it said


def _said(relay: str, about: Sequence[Observation]) -> list[RelayFinding]:
    """No answers, and refusals: what it said, or that it said nothing."""
    unasked = (How.ANSWERED, How.NOT_ASKED, How.NOT_AWAITED)
    silent = [one for one in about if one.how not in unasked]
    found: list[RelayFinding] = []
    for kind in (FindingKind.OUTAGE, FindingKind.WALL, FindingKind.REFUSAL):
        said = [one for one in silent if _kind_of(one) is kind]
        if not said:
            continue
        whole = len(silent) == len(about) or kind is FindingKind.OUTAGE
        for one in said[:1] if whole else said:
            words = f"{one.prefix}: {one.words}" if one.prefix else one.words
            author = "" if whole else one.author
            found.append(RelayFinding(kind=kind, relay=relay, author=author, words=words))
    for one in about:
        if one.not_taken:
            kind = FindingKind.WALL if _is_door(one.not_taken) else FindingKind.REFUSAL
            found.append(
                RelayFinding(kind=kind, relay=relay, author=one.author, words=one.not_taken)
            )
    return found


def _kind_of(one: Observation) -> FindingKind:
    if one.how is How.NOT_ALLOWED:
        closed = wants_auth(one.prefix) or not one.prefix or _is_door(f"{one.prefix}: {one.words}")
        return FindingKind.WALL if closed else FindingKind.REFUSAL
    return FindingKind.REFUSAL if one.how is How.REFUSED else FindingKind.OUTAGE


def _is_door(words: str) -> bool:
    """Is it a wall for everybody who has not paid, joined or said who they are?"""
    text = words.lower()
    paid = any(word in text for word in ("pay", "paid", "member", "invite", "subscri", "whitelist"))
    return paid or wants_auth(text.partition(":")[0])


# What it shows


class _Witnesses:
    """Who showed which event."""

    def __init__(self, every: Sequence[Observation], operators: Mapping[str, str]) -> None:
        self.operators = operators
        self.at: dict[str, int] = {}
        self.by: dict[str, dict[str, None]] = {}
        self.ids_of: dict[str, set[str]] = {}
        for one in every:
            for id, at in one.held.items():
                self.at[id] = at
                self.by.setdefault(id, {})[one.relay] = None
                self.ids_of.setdefault(one.author, set()).add(id)

    def order(self, id: str) -> tuple[int, str]:
        """Newest first."""
        return -self.at[id], id

    def besides(self, relay: str, relays: Iterable[str]) -> list[str]:
        """Those of `relays` that are not kept by whoever keeps `relay`."""
        own = self.operators.get(relay, relay)
        return [url for url in relays if self.operators.get(url, url) != own]

    def enough(self, relays: Sequence[str]) -> bool:
        return len({self.operators.get(url, url) for url in relays}) >= WITNESSES

    def against(self, relay: str, author: str) -> set[str]:
        """The author's events that enough others showed."""
        ids = self.ids_of.get(author, set())
        return {id for id in ids if self.enough(self.besides(relay, self.by[id]))}

    def of_all(self, relay: str, ids: Iterable[str]) -> tuple[str, ...]:
        """The other relays that showed any of these, most of them first."""
        counts: dict[str, int] = {}
        for id in ids:
            for url in self.besides(relay, self.by[id]):
                counts[url] = counts.get(url, 0) + 1
        return tuple(sorted(counts, key=lambda url: (-counts[url], url)))


class _RelayJudgement:
    """One relay that answered, about the authors of `about`."""

    def __init__(
        self, relay: str, about: Sequence[Observation], seen: _Witnesses, now: float
    ) -> None:
        self._relay = relay
        self._about = {one.author: one for one in about}
        self._seen = seen
        self._now = now
        self._witnessed: dict[str, set[str]] = {}
        self._missing: dict[str, set[str]] = {}
        for one in about:
            due = {i for i in seen.against(relay, one.author) if self._is_due(one, i)}
            self._witnessed[one.author] = due
            self._missing[one.author] = (due & one.absent) - one.held.keys()

    def _is_due(self, one: Observation, id: str) -> bool:
        """Was it asked for, and had it time to arrive?"""
        at = self._seen.at[id]
        return one.since <= at <= one.until and (id in one.taken or at <= self._now - SETTLED)

    def findings(self) -> list[RelayFinding]:
        explained, found = self._retention()
        for kind, ids in self._away(explained):
            explained |= ids
            found.append(self._finding(kind, "", ids, "it shows nothing of anybody of that time"))
        for author in self._about:
            left = self._missing[author] - explained
            run = self._targeted(author, left)
            if run:
                words = "the newest are all missing, while others' of the same time are shown"
                found.append(self._finding(FindingKind.TARGETING, author, run, words))
            if left - run:
                found.append(self._finding(FindingKind.MISSING, author, left - run))
        return found

    def _finding(
        self, kind: FindingKind, author: str, ids: set[str], words: str = ""
    ) -> RelayFinding:
        times = [self._seen.at[id] for id in ids]
        return RelayFinding(
            kind=kind,
            relay=self._relay,
            author=author,
            bucket=(min(times), max(times)),
            ids=tuple(sorted(ids, key=self._seen.order)),
            witnesses=self._seen.of_all(self._relay, ids),
            words=words,
        )

    def _retention(self) -> tuple[set[str], list[RelayFinding]]:
        """What is older than anything that it shows of anybody."""
        times = [at for one in self._about.values() for at in one.held.values()]
        horizon = min(times, default=None)
        older = {
            author: {i for i in ids if horizon is None or self._seen.at[i] < horizon}
            for author, ids in self._missing.items()
        }
        ids = set[str]().union(*older.values())
        if sum(map(bool, older.values())) < CONTROLS:
            return set(), []
        words = "it shows nothing older" if times else "it shows nothing of anybody"
        return ids, [self._finding(FindingKind.RETENTION, "", ids, words)]

    def _away(self, explained: set[str]) -> list[tuple[FindingKind, set[str]]]:
        """Times of which it shows nothing of anybody, though two authors wrote then."""
        shown = {at // BUCKET for one in self._about.values() for at in one.held.values()}
        gaps: dict[int, dict[str, set[str]]] = {}
        for author, ids in self._missing.items():
            for id in ids - explained:
                if (bucket := self._seen.at[id] // BUCKET) not in shown:
                    gaps.setdefault(bucket, {}).setdefault(author, set()).add(id)
        authors = [of for of in gaps.values() if len(of) >= CONTROLS]
        lost = [ids for of in authors for ids in of.values()]
        return [(FindingKind.OUTAGE, set[str]().union(*lost))] if lost else []

    # Targeting

    def _targeted(self, author: str, missing: set[str]) -> set[str]:
        """The author's newest notes, where all are missing and nothing milder explains it."""
        one = self._about[author]
        newest = sorted(self._witnessed[author], key=self._seen.order)
        newest_shown = max(one.held.values(), default=-1)
        run: list[str] = []
        for id in newest:
            if id not in missing or self._seen.at[id] <= newest_shown:
                break
            if self._seen.at[id] >= self._now - FRESH:
                run.append(id)
        taken = len([id for id in run if id in one.taken])
        if not run or (len(run) < RUN and taken < TAKEN_RUN):
            return set()
        if not taken and (one.walled or not one.writes_there):
            return set()
        first, last = self._seen.at[run[-1]], self._seen.at[run[0]]
        controls = [a for a in self._about if a != author and self._is_shown(a, first, last)]
        return set(run) if len(controls) >= CONTROLS else set()

    def _is_shown(self, control: str, first: int, last: int) -> bool:
        """Does it show what this control wrote in that time?"""
        due = {id for id in self._witnessed[control] if first <= self._seen.at[id] <= last}
        held = due & self._about[control].held.keys()
        return len(due) >= CONTROL_NOTES and len(held) >= SHOWN_SHARE * len(due)


# Forgeries and old versions


def _lies(
    relay: str, about: Sequence[Observation], newest: Mapping[str, _Version]
) -> list[RelayFinding]:
    found: list[RelayFinding] = []
    if forged := max((one.forged for one in about), default=0):
        words = f"{forged} events under signatures that are not their authors'"
        found.append(RelayFinding(kind=FindingKind.FORGED, relay=relay, words=words))
    for one in about:
        for address, version in one.lists.items():
            best = newest.get(address)
            if best is not None and version < best.version:
                found.append(
                    RelayFinding(
                        kind=FindingKind.STALE,
                        relay=relay,
                        author=one.author,
                        bucket=(best.version[0], best.version[0]),
                        ids=(best.version[1],),
                        witnesses=tuple(best.relays),
                        words=f"an old version of {address}",
                    )
                )
    return found


class _Version(msgspec.Struct):
    """The newest version of a list, and who showed it."""

    version: tuple[int, str]
    relays: list[str]


def _newest_versions(every: Sequence[Observation], now: float) -> dict[str, _Version]:
    """By address, of what had time to arrive everywhere."""
    newest: dict[str, _Version] = {}
    for one in every:
        for address, version in one.lists.items():
            if version[0] > now - SETTLED:
                continue
            best = newest.get(address)
            if best is None or version > best.version:
                newest[address] = _Version(version, [one.relay])
            elif version == best.version and one.relay not in best.relays:
                best.relays.append(one.relay)
    return newest
