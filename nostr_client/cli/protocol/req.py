"""`nostr-client req` and `await`: events that match filters, from relays, as JSON lines."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.filter_options import FilterOptions
from nostr_client.cli.protocol.filter_source import FilterSource, Stdin
from nostr_client.cli.protocol.relay_arguments import Auth, Relays, relays_given
from nostr_client.command_line.tree import Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.cli.protocol.asking import Patience, Take
    from nostr_client.client import NostrClient
    from nostr_client.net.outcome import End
    from nostr_client.net.session.paging import Paging
    from nostr_client.net.subscription import Ended
    from nostr_client.protocol.filters import Filter

MOST_SORTED: Final = 5_000
"""With a limit up to this, the newest of all relays are printed, and no more; beyond it events are
printed as they come."""
AT_ONCE: Final = 4
"""Groups of filters from standard input that are asked for at the same time."""
AWAITED: Final = 60.0
"""Seconds that `await` waits, unless `--timeout` says otherwise."""


def req(
    context: ClientContext,
    relays: Relays = None,
    *,
    options: FilterOptions,
    stdin: Stdin = False,
    stream: Annotated[
        bool,
        Option(
            "--stream", help="Go on with what comes, until you end it; --timeout does not end it."
        ),
    ] = False,
    paginate: Annotated[
        bool, Option("--paginate", help="Read on, page by page, until there is no more.")
    ] = False,
    auth: Auth = False,
    offline: Annotated[
        bool, Option("--offline", help="What is stored here, and ask nobody.")
    ] = False,
    show: Annotated[
        bool, Option("--print", help="Print the request that would be sent, and ask nobody.")
    ] = False,
) -> None:
    """Print the events that match a filter (REQ), one a line.

    With a limit the newest of all relays come, else all that each sends, once. Nothing is kept.
    """
    if offline and (stream or relays):
        raise CommandError("--offline asks nobody: neither relays nor a stream", Exit.USAGE)
    asked = _FilterQuestion(context, options, stdin=stdin, relays=relays_given(relays))
    if show:
        asked.source.show(context)
        asked.source.conclude()
        return
    login = context.signer() if auth else None

    async def work() -> None:
        from nostr_client.cli.protocol.asking import asking

        async with asking(context, asked.relays, login) as client:
            if offline:
                await asked.stored(client)
            elif stream:
                await asked.stream(client)
            else:
                await asked.once(client, paginate=paginate)

    wait_for(work())


def await_(
    context: ClientContext,
    relays: Relays = None,
    *,
    options: FilterOptions,
    count: Annotated[int, Option("--count", "N", "Wait for so many events.", 1, 100_000)] = 1,
    new: Annotated[
        bool, Option("--new", help="Only what is made from now on, not what is stored.")
    ] = False,
    auth: Auth = False,
) -> None:
    """Wait until an event matches a filter, and print it; the exit code is 124 if none came."""
    if new and options.since:
        raise CommandError("--new is a beginning of its own: without --since", Exit.USAGE)
    asked = _FilterQuestion(context, options, relays=relays_given(relays), lines=False)
    login = context.signer() if auth else None

    async def work() -> None:
        from nostr_client.cli.protocol.asking import asking

        async with asking(context, asked.relays, login) as client:
            await asked.wait(client, count, since=int(time.time()) if new else None)

    wait_for(work())


class _FilterQuestion:
    """Filters, from options and from standard input, and whom to ask."""

    def __init__(
        self,
        context: ClientContext,
        options: FilterOptions,
        *,
        relays: Sequence[str],
        stdin: bool = False,
        lines: bool = True,
    ) -> None:
        """Raises CommandError where there is no filter at all."""
        self.relays = relays
        self.source = FilterSource(
            context, options, stdin=stdin, may_read=lines, may_be_bare=bool(relays)
        )
        self._context = context

    async def stored(self, client: NostrClient) -> None:
        """What the store has."""
        from nostr_client.cli.protocol.asking import EventPrinter

        printer = EventPrinter(self._context)
        async for group in self.source.groups(client):
            await printer(await client.store.query(group))
        if not printer.shown:
            raise CommandError("nothing of it is stored here", Exit.NOT_FOUND)

    async def once(self, client: NostrClient, *, paginate: bool) -> None:
        """What relays have stored."""
        from nostr_client.cli.outcomes import conclude
        from nostr_client.cli.protocol.asking import (
            PAGE_LIMIT,
            EventPrinter,
            NewestEvents,
            Patience,
        )
        from nostr_client.net.outcome import How
        from nostr_client.net.session.paging import Paging

        limit, given = self.source.limit, self._context.timeout
        printer = EventPrinter(self._context)
        newest = None
        if limit is not None and limit <= MOST_SORTED:
            newest = NewestEvents(limit)
        elif limit is not None:
            printer = EventPrinter(self._context, limit)
        paging = Paging(exhaustive=True, most=limit or sys.maxsize) if paginate else None
        patience = Patience() if given is None else Patience(given)
        if paginate and given is None:
            patience = Patience(None, PAGE_LIMIT)
        ends = await self._ask_all(client, newest or printer, patience, paging)
        if newest is not None:
            await printer(newest.newest())
        nothing = "no event was found"
        await conclude(self._context, client, ends, shown=printer.shown > 0, nothing=nothing)
        if not paginate and any(end.how is How.INCOMPLETE for end in ends.values()):
            self._context.out.note("--paginate reads on, to the end")
        self.source.conclude()

    async def _ask_all(
        self, client: NostrClient, take: Take, patience: Patience, paging: Paging | None
    ) -> dict[str, End]:
        """A few groups of filters at once; the next lines are read when there is room."""
        from nostr_client.cli.protocol.asking import gather, routes_of
        from nostr_client.routing.fetch_results import joined
        from nostr_client.tasks import together

        room = asyncio.Semaphore(AT_ONCE)
        ends: dict[str, End] = {}

        async def ask(filters: Sequence[Filter]) -> None:
            nonlocal ends
            try:
                routes, firm = await routes_of(client, filters, self.relays)
                found = await gather(
                    client, routes, take, paging=paging, patience=patience, firm=firm
                )
                ends = joined(ends, found)
            finally:
                room.release()

        async with together() as group:
            async for filters in self.source.groups(client):
                await room.acquire()
                group.create_task(ask(filters))
        return ends

    async def stream(self, client: NostrClient) -> None:
        """What relays have stored, and what comes."""
        from nostr_client.cli.outcomes import conclude
        from nostr_client.cli.protocol.asking import EventPrinter, Patience, gather, routes_of

        printer = EventPrinter(self._context)
        routes, _ = await routes_of(client, await self.source.all(client), self.relays)
        ends = await gather(
            client, routes, printer, live=True, patience=Patience(None), on_ended=self._tell
        )
        nothing = "no event came"
        await conclude(self._context, client, ends, shown=printer.shown > 0, nothing=nothing)

    def _tell(self, ended: Ended, alone: bool) -> None:
        """A relay is lost or refuses; with --quiet it is said where nobody is heard any more."""
        from nostr_client.net.outcome import WORDS_SHOWN
        from nostr_client.safe_text import safe_line

        words = safe_line(str(ended.cause), WORDS_SHOWN)
        record = {"relay": ended.url, "how": ended.cause.how.value, "problem": words}
        say = self._context.out.fault if alone else self._context.out.note
        say(f"{ended.url}: {ended.cause.how.value} ({words})", record)

    async def wait(self, client: NostrClient, count: int, since: int | None) -> None:
        """Until `count` events came. Raises CommandError where they did not."""
        from nostr_client.cli.outcomes import login_hint, not_found, outcome_record
        from nostr_client.cli.protocol.asking import EventPrinter, Patience, gather, routes_of
        from nostr_client.net.outcome import in_words, missed_of

        limit = self._context.timeout or AWAITED
        printer = EventPrinter(self._context, count)
        filters = await self.source.all(client)
        if since is not None:
            filters = [each.changed(since=since) for each in filters]
        began = asyncio.get_running_loop().time()
        routes, _ = await routes_of(client, filters, self.relays)
        left = max(0.001, limit - (asyncio.get_running_loop().time() - began))
        ends = await gather(
            client, routes, printer, live=True, patience=Patience(left), on_ended=self._tell
        )
        if printer.shown >= count:
            return
        if asyncio.get_running_loop().time() - began < limit:
            hint = await login_hint(self._context, client, ends.values())
            raise not_found("nobody is left who could send it", ends, hint)
        words = f"{printer.shown} of {count} came" if printer.shown else "nothing matched"
        words += f" within {limit:g} s"
        if missed_of(ends.values()):
            words += f": {in_words(ends.values(), found=printer.shown > 0)}"
        record = outcome_record(ends.values(), found=printer.shown > 0)
        raise CommandError(words, Exit.TIMED_OUT, record)


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_command(root, "req", req, ASKING)
    add_command(root, "await", await_, ASKING)
