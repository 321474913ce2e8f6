"""`nostr-client evacuate` and `nostr-client relays retire`: away from relays that are lost, or will
be."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.resilience.evacuation import EvacuationProgress, EvacuationReport
    from nostr_client.resilience.evacuation_plan import EvacuationPlan
    from nostr_client.signing.signer import Signer

SAID_EVERY: Final = 2.0
"""Seconds between two lines about how far it is."""

DryRun = Annotated[bool, Option("--dry-run", help="Say what would be done; write nothing.")]
To = Annotated[
    list[str] | None,
    Option("--to", metavar="URL", help="Try this relay first."),
]
Url = Annotated[str, Argument(metavar="URL", help="wss://relay.example")]


def evacuate(context: ClientContext, *, dry_run: DryRun = False, to: To = None) -> None:
    """Replace relays of yours that are dead or refuse you, and refill the new ones from here.

    It may be stopped at any point: the next time it goes on from there.
    """
    _move(context, {}, to or [], dry_run=dry_run)


def retire(context: ClientContext, url: Url, *, dry_run: DryRun = False, to: To = None) -> None:
    """Leave a relay that closes: fetch what only it has, and put another into your lists."""
    from nostr_client.protocol.urls import normalize_relay_url
    from nostr_client.routing.starter_relays import starter_relays

    address = normalize_relay_url(url)
    why = starter_relays().end_of(address) or "you retire it"
    _move(context, {address: why}, to or [], dry_run=dry_run)


def _move(
    context: ClientContext, leaving: Mapping[str, str], to: list[str], *, dry_run: bool
) -> None:
    from nostr_client.protocol.urls import normalize_relay_url

    named = [normalize_relay_url(url) for url in to]
    context.leaves_relays = True

    async def look() -> None:
        async with context.reading(context.must_act()) as client:
            client.book.policy.allow(named)
            plan = await client.evacuation_survey.plan(retire=leaving, to=named, write=False)
            _say_plan(context, plan, leaving)

    async def act(signer: Signer) -> None:
        async with context.writing(signer, earlier=0) as client:
            client.book.policy.allow(named)
            await _carry_out(context, client, leaving, named)

    wait_for(look() if dry_run else act(context.signer()))


async def _carry_out(
    context: ClientContext, client: NostrClient, leaving: Mapping[str, str], to: list[str]
) -> None:
    from nostr_client.resilience.evacuation_words import report_lines

    evacuation = client.evacuation
    begun = await evacuation.journal.unfinished()
    same = begun is not None and set(to) <= {*begun.plan.joining, *begun.plan.staying}
    if begun is not None and same and leaving.keys() <= begun.plan.leaving.keys():
        context.out.note("going on where the last evacuation was stopped")
    else:
        plan = await client.evacuation_survey.plan(retire=leaving, to=to)
        _say_plan(context, plan, leaving)
        if not plan.is_needed:
            return
        begun = await evacuation.begin(plan)
    report = await evacuation.run(begun, _Telling(context))
    context.out.emit(report_record(report), "\n".join(report_lines(report)))
    if not report.is_complete:
        context.exit_code = Exit.INCOMPLETE


class _Telling:
    """Says how far it is: each step, and every `SAID_EVERY` seconds."""

    def __init__(self, context: ClientContext) -> None:
        from nostr_client.resilience.evacuation_words import progress_line

        self._context = context
        self._line = progress_line
        self._said: EvacuationProgress | None = None
        self._at = float("-inf")

    def __call__(self, progress: EvacuationProgress) -> None:
        now = time.monotonic()
        same_step = self._said is not None and self._said.step is progress.step
        if progress == self._said or (same_step and now - self._at < SAID_EVERY):
            return
        self._said, self._at = progress, now
        record = {
            "step": progress.step.value,
            "events": progress.events,
            "there": progress.there,
        }
        self._context.out.emit(record, self._line(progress))


def _say_plan(context: ClientContext, plan: EvacuationPlan, leaving: Mapping[str, str]) -> None:
    """Raises CommandError for one that cannot be carried out, or lacks one of `leaving`."""
    from nostr_client.resilience.evacuation_words import plan_lines

    if plan.problem:
        code = Exit.ERROR if plan.staying else Exit.NO_ANSWER
        raise CommandError(plan.problem, code, plan_record(plan))
    for url in leaving.keys() - plan.leaving.keys():
        raise CommandError(f"{url} is on none of your lists", Exit.USAGE)
    context.out.emit(plan_record(plan), "\n".join(plan_lines(plan)))


def plan_record(plan: EvacuationPlan) -> dict[str, Any]:
    """The plan, for programs."""
    return {
        "needed": plan.is_needed,
        "leaving": dict(plan.leaving),
        "staying": list(plan.staying),
        "joining": list(plan.joining),
        "lacking": plan.lacking,
        "message_relays_leaving": list(plan.inbox_leaving),
        "message_relays_joining": list(plan.inbox_joining),
        "private_relays_leaving": list(plan.private_leaving),
        "private_relays_joining": list(plan.private_joining),
        "private_relays_closed": plan.is_closed,
    }


def report_record(report: EvacuationReport) -> dict[str, Any]:
    """The receipt, for programs; it lies at `path`, too."""
    return {
        "done": report.is_complete,
        "events": report.events,
        "seconds": report.ended - report.begun,
        "lists": list(report.lists),
        "told": report.told,
        "there": report.there,
        "waiting": report.waiting,
        "checked": report.checked,
        "read_back": report.read_back,
        "rescued": report.rescued,
        "receipt": report.path,
    }


def add_to(root: Group) -> None:
    """It stands at the top."""
    add_command(root, "evacuate", evacuate, CLIENT)
