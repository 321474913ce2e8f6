"""`nostr-client req` and `await`: events that match filters, from relays, as JSON lines."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.filter_options import FilterOptions
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
MOST_LIVE: Final = 200
"""Filters of one stream."""
GROUP: Final = 10
"""Filters from standard input that are asked for together."""
AT_ONCE: Final = 4
"""Such groups under way."""
AWAITED: Final = 60.0
"""Seconds that `await` waits, unless `--timeout` says otherwise."""

Stdin = Annotated[
    bool,
    Option(
        "--stdin",
        help="Read filters from standard input, one a line; the options hold for each of them."
        " Without any option they are read where standard input is no terminal.",
    ),
]


def req(
    context: ClientContext,
    relays: Relays = None,
    *,
    options: FilterOptions,
    stdin: Stdin = False,
    stream: Annotated[
        bool, Option("--stream", help="Go on with what comes, until you end it.")
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
    """Print the events that match a filter (REQ), one a line."""
    if offline and (stream or relays):
        raise CommandError("--offline asks nobody: neither relays nor a stream", Exit.USAGE)
    asked = _FilterQuestion(context, options, stdin=stdin, relays=relays_given(relays))
    if show:
        asked.show()
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
        from nostr_client.cli.protocol.json_lines import InputLines

        self.relays = relays
        self._context = context
        self._options = options
        if lines and not options.given and not stdin:
            if sys.stdin.isatty() and not relays:
                words = "no filter: name what you want, as in -k 1, or give filters on stdin"
                raise CommandError(words, Exit.USAGE)
            stdin = not sys.stdin.isatty()
        self._lines = InputLines(context) if stdin else None

    def show(self) -> None:
        """Print each request, as NIP-01 has it."""
        import msgspec

        def out(found: Filter) -> None:
            request = ["REQ", "1", found.to_dict()]
            self._context.out.emit_json([msgspec.json.encode(request)])

        conditions = self._options.conditions(time.time())
        if self._lines is None:
            out(_filter(conditions))
            return
        for line in self._lines:
            if (
                found := self._lines.parsed(line, lambda data: _merged(data, conditions))
            ) is not None:
                out(found)
        self._lines.conclude()

    async def stored(self, client: NostrClient) -> None:
        """What the store has."""
        from nostr_client.cli.protocol.asking import EventPrinter

        printer = EventPrinter(self._context)
        async for group in self._groups(client):
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
        from nostr_client.net.session.paging import Paging

        limit, given = self._options.limit, self._context.timeout
        printer = EventPrinter(self._context)
        newest = None
        if limit is not None and limit <= MOST_SORTED and self._lines is None:
            newest = NewestEvents(limit)
        elif limit is not None and self._lines is None:
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
        if self._lines is not None:
            self._lines.conclude()

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
            async for filters in self._groups(client):
                await room.acquire()
                group.create_task(ask(filters))
        return ends

    async def stream(self, client: NostrClient) -> None:
        """What relays have stored, and what comes."""
        from nostr_client.cli.outcomes import conclude
        from nostr_client.cli.protocol.asking import EventPrinter, Patience, gather, routes_of
        from nostr_client.net.outcome import WORDS_SHOWN
        from nostr_client.safe_text import safe_line

        printer = EventPrinter(self._context)
        routes, _ = await routes_of(client, await self._all(client), self.relays)
        patience = Patience(self._context.timeout)

        def tell(ended: Ended) -> None:
            words = safe_line(str(ended.cause), WORDS_SHOWN)
            record = {"relay": ended.url, "how": ended.cause.how.value, "problem": words}
            self._context.out.note(f"{ended.url}: {ended.cause.how.value} ({words})", record)

        ends = await gather(client, routes, printer, live=True, patience=patience, on_ended=tell)
        nothing = "no event came"
        await conclude(self._context, client, ends, shown=printer.shown > 0, nothing=nothing)

    async def wait(self, client: NostrClient, count: int, since: int | None) -> None:
        """Until `count` events came. Raises CommandError where they did not."""
        from nostr_client.cli.outcomes import not_found, outcome_record
        from nostr_client.cli.protocol.asking import EventPrinter, Patience, gather, routes_of

        limit = self._context.timeout or AWAITED
        printer = EventPrinter(self._context, count)
        filters = await self._all(client)
        if since is not None:
            filters = [each.changed(since=since) for each in filters]
        began = asyncio.get_running_loop().time()
        routes, _ = await routes_of(client, filters, self.relays)
        left = max(0.001, limit - (asyncio.get_running_loop().time() - began))
        ends = await gather(client, routes, printer, live=True, patience=Patience(left))
        if printer.shown >= count:
            return
        if asyncio.get_running_loop().time() - began < limit:
            raise not_found("nobody is left who could send it", ends)
        words = f"{printer.shown} of {count} came" if printer.shown else "nothing matched"
        record = outcome_record(ends.values(), found=printer.shown > 0)
        raise CommandError(f"{words} within {limit:g} s", Exit.TIMED_OUT, record)

    async def _all(self, client: NostrClient) -> list[Filter]:
        """Every filter, as far as one stream takes them. Raises CommandError."""
        found: list[Filter] = []
        async for group in self._groups(client):
            found += group
            if len(found) > MOST_LIVE:
                words = f"a stream takes at most {MOST_LIVE} filters"
                raise CommandError(words, Exit.USAGE)
        return found

    async def _groups(self, client: NostrClient) -> AsyncIterator[list[Filter]]:
        """The filters, several together. Raises CommandError where standard input has none."""
        from nostr_client.cli.protocol.asking import people_of

        people = await people_of(client, self._options)
        conditions = self._options.conditions(time.time(), people)
        if self._lines is None:
            yield [_filter(conditions)]
            return
        some = False
        async for batch in self._lines.coming():
            parsed = (
                self._lines.parsed(line, lambda data: _merged(data, conditions)) for line in batch
            )
            found = [each for each in parsed if each is not None]
            for start in range(0, len(found), GROUP):
                some = True
                yield found[start : start + GROUP]
        if not some and not self._lines.refused:
            raise CommandError("no filter: standard input is empty", Exit.USAGE)


def _filter(conditions: Mapping[str, Any]) -> Filter:
    from nostr_client.protocol.filters import Filter

    return Filter.from_dict(conditions)


def _merged(data: bytes, conditions: Mapping[str, Any]) -> Filter:
    """The filter of a line, with the conditions of the options over it. Raises InvalidFilter."""
    from nostr_client.errors import InvalidFilter
    from nostr_client.protocol.filters import Filter

    found = Filter.parse(data)
    if found.unknown:
        raise InvalidFilter(f"not an element of a filter: {', '.join(found.unknown)}")
    return Filter.from_dict({**found.to_dict(), **conditions}) if conditions else found


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_command(root, "req", req, ASKING)
    add_command(root, "await", await_, ASKING)
