"""The drill: relays are taken down in nine ways, and what the promise is worth is measured.

`run_drill` plays every strategy with every seed, one after the other, each in a world of its own,
and reports the worst. What is not measured is said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from nostr_client.output import Output
from nostr_client.rehearsal.drill_record import DrillRun, pace_of
from nostr_client.rehearsal.drill_run import RECOVERY_LIMIT, run_once
from nostr_client.rehearsal.drill_world import DrillSize
from nostr_client.rehearsal.strategies import STRATEGIES, Strategy

SEEDS: Final = 5
_LOW_IS_BAD: Final = frozenset(
    {
        "readable_before",
        "readable_after",
        "readable_goal",
        "readable_by_lot",
        "held_before",
        "legacy_readable",
        "followers_reached",
        "followers_reached_all_dead",
        "settled",
        "events",
        "killed",
        "sdk_readers",
    }
)


class DrillOptions(msgspec.Struct, frozen=True):
    """What is to be played: `strategies` with `seeds` seeds from `first` on, each of `size`."""

    strategies: Sequence[Strategy] = STRATEGIES
    seeds: int = SEEDS
    first: int = 1
    size: DrillSize = DrillSize()


class DrillGoal(NamedTuple):
    """One thing that the project promises: `is_met` by a run's figures."""

    words: str
    is_met: Callable[[DrillRun], bool]


HELD: Final[Mapping[Strategy, float]] = {
    "top-k": 0.999,
    "one-cloud": 0.995,
    "three-clouds": 0.995,
}
"""The share that is to be held by a living relay before repair, where it is not 0.99."""


def _at_least(value: float | None, least: float | None) -> bool:
    return value is None or least is None or value >= least


GOALS: Final = (
    DrillGoal("no event is lost", lambda run: run.lost == 0),
    DrillGoal(
        "before anything is mended, a living relay holds 99 % of it, 99.9 % where the most used "
        "fall, 99.5 % where clouds do",
        lambda run: _at_least(run.held_before, HELD.get(run.strategy, 0.99)),
    ),
    DrillGoal(
        "before anything is mended, strangers find 1 - 2^-n of it, less a point, the mean of all "
        "lots",
        lambda run: _at_least(run.readable_by_lot, run.readable_goal),
    ),
    DrillGoal("mended, strangers find 99.5 %", lambda run: run.readable_after >= 0.995),
    DrillGoal(
        "copies are back in 30 s, 95 of 100, with nobody doing anything",
        lambda run: run.recovery_p95_s is None or run.recovery_p95_s <= 30,
    ),
    DrillGoal(
        "the next note reaches 99 % of followers in 60 s, while a relay of its author lives",
        lambda run: _at_least(run.followers_reached, 0.99),
    ),
    DrillGoal(
        "it reaches 95 % in 60 s from the one command of an author all of whose relays are dead",
        lambda run: _at_least(run.followers_reached_all_dead, 0.95),
    ),
    DrillGoal(
        "one command is over in 60 s",
        lambda run: not run.unmended and (run.move_s or 0) <= 60,
    ),
    DrillGoal("nothing forged is kept", lambda run: run.forged_stored == 0),
    DrillGoal("no list goes back to an older one", lambda run: run.rollbacks == 0),
    DrillGoal("no refuser is sent it again", lambda run: run.pushed_to_refusers == 0),
    DrillGoal(
        "silent drops are found in 60 s",
        lambda run: not run.drops_unfound and (run.drop_found_s or 0) <= 60,
    ),
    DrillGoal("1 % of accusations are false", lambda run: run.false_accusations <= 0.01),
)


async def run_drill(out: Output, options: DrillOptions) -> list[DrillRun]:
    """Play it all; one line a run, then the worst of each strategy and of all. Raises NostrError
    where a world cannot be set up."""
    runs: list[DrillRun] = []
    for strategy in options.strategies:
        for seed in range(options.first, options.first + options.seeds):
            run = await run_once(options.size, strategy, seed)
            runs.append(run)
            out.emit(run, f"{line_of(run)}  ({run.seconds:.0f} s)")
    worst = worst_of(runs)
    if not out.json:
        for line in ("", *table_of(runs), "", *missed_in(runs)):
            out.emit({}, line)
    else:
        out.emit({**msgspec.to_builtins(worst), "strategy": "worst", "seed": None}, "")
    return runs


def missed_in(runs: Sequence[DrillRun]) -> list[str]:
    """The goals that were not met, and in which runs; or that all were."""
    lines = []
    for goal in GOALS:
        missed = [f"{run.strategy}/{run.seed}" for run in runs if not goal.is_met(run)]
        if missed:
            lines.append(f"missed: {goal.words}: {', '.join(missed)}")
    if not any(run.followers_reached_all_dead is not None for run in runs):
        lines.append("unmeasured: the next note of an author all of whose relays are dead")
    return lines


def worst_of(runs: Sequence[DrillRun]) -> DrillRun:
    """Of each figure the worst that any of `runs` had; what none measured stays unmeasured."""
    fields: dict[str, Any] = {}
    for name in DrillRun.__struct_fields__:
        values = [value for run in runs if (value := getattr(run, name)) is not None]
        if name in ("strategy", "seed"):
            fields[name] = values[0]
        else:
            pick: Callable[..., Any] = min if name in _LOW_IS_BAD else max
            fields[name] = pick(values, default=None)
    return DrillRun(**fields)


COLUMNS: Final = (
    ("strategy", 12),
    ("lost", 5),
    ("only here", 10),
    ("held", 7),
    ("before", 7),
    ("by lot", 7),
    ("after", 7),
    ("back s", 7),
    ("reached", 8),
    ("all dead", 9),
    ("forged", 7),
    ("again", 6),
    ("accused", 8),
    ("conns", 6),
)


def table_of(runs: Sequence[DrillRun]) -> list[str]:
    """The worst of each strategy, a line each, and of all."""
    strategies = dict.fromkeys(run.strategy for run in runs)
    rows = [worst_of([run for run in runs if run.strategy == name]) for name in strategies]
    head = "".join(f"{name:>{width}}" for name, width in COLUMNS)
    lines = [f"The worst of {len({run.seed for run in runs})} seeds:", head]
    lines += [line_of(row, row.strategy) for row in rows]
    worst = worst_of(runs)
    return [*lines, line_of(worst, "all"), pace_of(runs)]


def line_of(run: DrillRun, name: str = "") -> str:
    """The figures under `COLUMNS`."""
    cells = (
        name or f"{run.strategy}/{run.seed}",
        str(run.lost),
        str(run.device_only),
        _percent(run.held_before),
        _percent(run.readable_before),
        _percent(run.readable_by_lot),
        _percent(run.readable_after),
        _seconds(run.recovery_p95_s),
        _percent(run.followers_reached),
        _percent(run.followers_reached_all_dead),
        str(run.forged_stored),
        str(run.pushed_to_refusers),
        _percent(run.false_accusations),
        str(run.connections),
    )
    return "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _seconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f">{RECOVERY_LIMIT:.0f}" if math.isinf(value) else f"{value:.1f}"
