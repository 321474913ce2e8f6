"""`nostr-client drill --simulate`: the drill in memory, with very many relays and people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
    for line in notes_on(report):
        context.out.note(line)
