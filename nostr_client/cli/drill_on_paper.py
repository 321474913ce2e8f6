"""`nostr-client drill --simulate` and `--mine`: the drill on paper, with very many relays and
people, or with the account's own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.rehearsal.strategies import Strategy


def simulated(
    context: ClientContext, strategies: Sequence[Strategy], *, relays: int, users: int, seed: int
) -> None:
    """Play those of `strategies` that the simulation knows; a line each."""
    import msgspec

    try:
        from nostr_client.rehearsal.simulation import (
            HEAD,
            SIMULATED,
            SimulatedTakedown,
            SimulationOptions,
            goals_missed,
            line_of,
            notes_on,
            simulate,
        )
    except ModuleNotFoundError as error:
        raise CommandError(
            "the simulation needs numpy: `pip install 'nostr-client[simulation]'`", Exit.ERROR
        ) from error
    from nostr_client.rehearsal.simulated_people import PeopleOptions

    chosen = [each for each in SIMULATED if each in strategies]
    if not chosen:
        raise CommandError(f"simulated are: {', '.join(SIMULATED)}", Exit.USAGE)

    def say(one: SimulatedTakedown) -> None:
        context.out.emit(msgspec.to_builtins(one, str_keys=True), line_of(one))

    context.out.note(HEAD)
    options = SimulationOptions(relays=relays, people=PeopleOptions(users=users), seed=seed)
    report = simulate(options, chosen, say)
    missed = goals_missed(report)
    for line in (*missed, *notes_on(report)):
        context.out.note(line)
    context.exit_code = Exit.ERROR if missed else Exit.DONE


def rehearse_mine(context: ClientContext) -> None:
    """What the account would lose, and what to mend first; no relay is asked."""
    import msgspec

    from nostr_client.nips.nip19 import encode_npub
    from nostr_client.rehearsal.own_drill import lines_of, rehearse
    from nostr_client.rehearsal.own_graph import read_own_graph

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=True) as client:
            graph = await read_own_graph(client, time.time())
        drill = rehearse(graph, encode_npub)
        context.out.emit(msgspec.to_builtins(drill), "\n".join(lines_of(drill)))

    wait_for(work())
