"""What one run of the drill came to."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from nostr_client.rehearsal.strategies import Strategy


class DrillRun(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to. Shares are from 0 to 1, times in seconds; None: not measured.

    `events` were written by our authors, of which `lost` are on no living relay in the end,
    though one that their author knows takes them, or on no disk of his; `device_only` are on
    his alone, since no living relay that he knows takes what is as old. What was readable is
    the share of the notes of those whom the readers follow, people of the older network left
    out (`legacy_readable` is theirs). Times were measured with waits that are `speedup` times
    as short as usual, 1 is the usual pace; `recovery_p95_s` is infinite where it did not come
    to hold. `followers_reached` counts those of authors of whom a relay lives. `duplicates` are
    events that a relay was offered again, `bytes_per_new` is what went over authors' sockets
    for each that was new there.
    """

    strategy: Strategy
    seed: int
    relays: int
    authors: int
    events: int
    lost: int
    readable_before: float | None
    readable_after: float
    recovery_p95_s: float | None
    followers_reached: float | None
    duplicates: int
    bytes_per_new: int
    connections: int
    forged_stored: int
    pushed_to_refusers: int
    false_accusations: float
    speedup: float
    killed: int
    device_only: int
    held_before: float | None
    """Of all events the share that a living relay held, reserves counted, before any repair."""
    readable_by_lot: float | None
    """`readable_before`, had the lot fallen otherwise: the mean of many halves of the same world,
    reckoned from what relays showed just before."""
    readable_goal: float | None
    """1 - 2^-n of the relays that its author names and that keep what is as old, less a point."""
    readable_by_hint: float
    """Of what was read before repair the share that was shown by relays that no list names."""
    legacy_readable: float
    unrecovered: int
    all_dead_authors: int
    """Authors of whom no relay of their list lived."""
    followers_reached_all_dead: float | None
    """The same of their followers, in 60 s from their one command on."""
    move_s: float | None
    """How long the command took that took longest."""
    rollbacks: int
    """Relay lists that are older in the end than what their author published."""
    unmended: int
    """Authors whose command failed."""
    drop_found_s: float | None
    """Until the last silent drop was found, of those that were."""
    drops_unfound: int
    settled: bool
    """Had every event all of its copies before the blow?"""
    sdk_readers: int
    seconds: float


def pace_of(runs: Sequence[DrillRun]) -> str:
    """Which pace times were measured at."""
    paces = {run.strategy: run.speedup for run in runs}
    usual = ", ".join(name for name, speedup in paces.items() if speedup == 1)
    short = max(paces.values())
    if short == 1:
        return "Waits were as long as usual."
    told = f"Waits were {short:g} times as short as usual"
    return f"{told}, but for {usual}." if usual else f"{told}."
