"""`nostr-client drill`: relays are taken down on this machine, and what is left is measured."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.drill_on_paper import rehearse_mine, simulated
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit
from nostr_client.paths import translated

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

MOST_RELAYS: Final = 60
"""Real ones: each is a process."""


def drill(
    context: ClientContext,
    *,
    strategy: Annotated[
        list[str] | None,
        Option("--strategy", "NAME", "How they are taken down; all ways, without any."),
    ] = None,
    seeds: Annotated[int, Option("--seeds", "N", "Runs of each.", least=1, most=100)] = 5,
    seed: Annotated[int, Option("--seed", "N", "The first seed.", least=0, most=10**9)] = 1,
    relays: Annotated[
        int | None,
        Option("--relays", "N", "Relays: 14, at most 60; simulated 1,000.", least=6, most=10_000),
    ] = None,
    authors: Annotated[int, Option("--authors", "N", "Authors.", least=3, most=60)] = 6,
    plot: Annotated[
        Path | None, Option("--plot", "FILE", "Draw the runs into this SVG file, too.")
    ] = None,
    speedup: Annotated[
        float | None,
        Option(
            "--speedup",
            "N",
            "How many times as short all waits are (120, but as usual while some are measured).",
            least=1,
            most=600,
        ),
    ] = None,
    simulate: Annotated[
        bool, Option("--simulate", help="In memory, with very many relays and users; needs numpy.")
    ] = False,
    users: Annotated[
        int, Option("--users", "N", "Users of the simulation.", least=1000, most=10_000_000)
    ] = 1_000_000,
    mine: Annotated[
        bool,
        Option("--mine", help="On a copy of your own graph, on paper; says what to mend first."),
    ] = False,
) -> None:
    """Take relays down on this machine, with no network at all, and measure what is left."""
    if mine:
        rehearse_mine(context)
        return
    from nostr_client.rehearsal.drill import GOALS, DrillOptions, run_drill
    from nostr_client.rehearsal.drill_world import RELAYS, SPEEDUP, DrillSize
    from nostr_client.rehearsal.strategies import STRATEGIES

    chosen = [each for each in STRATEGIES if not strategy or each in strategy]
    if unknown := set(strategy or ()).difference(STRATEGIES):
        raise CommandError(
            f"no strategy {', '.join(sorted(unknown))}: {', '.join(STRATEGIES)}", Exit.USAGE
        )
    if simulate:
        simulated(context, chosen, relays=relays or 1000, users=users, seed=seed)
        return
    if relays is not None and relays > MOST_RELAYS:
        raise CommandError(f"--relays: at most {MOST_RELAYS} real ones", Exit.USAGE)
    size = DrillSize(
        relays=relays or RELAYS,
        authors=authors,
        speedup=speedup or SPEEDUP,
        measured=speedup is None,
    )
    runs = wait_for(run_drill(context.out, DrillOptions(chosen, seeds, seed, size)))
    if plot is not None:
        from nostr_client.rehearsal.drill_plot import plot as drawn

        with translated(f"{plot} cannot be written"):
            plot.write_text(drawn(runs), encoding="utf-8")
    met = all(goal.is_met(run) for goal in GOALS for run in runs)
    context.exit_code = Exit.DONE if met else Exit.ERROR


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "drill", drill, CLIENT)
