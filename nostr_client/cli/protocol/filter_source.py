"""Where the filters of a command come from: its options, and lines of standard input."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.protocol.json_lines import InputLines
from nostr_client.command_line.tree import Option
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.cli.protocol.filter_options import FilterOptions
    from nostr_client.client import NostrClient
    from nostr_client.protocol.filters import Filter

MOST_LIVE: Final = 200
"""Filters of one stream."""
GROUP: Final = 10
"""Filters from standard input that are asked for together."""

Stdin = Annotated[
    bool,
    Option(
        "--stdin",
        help="Read filters from standard input, one a line; the options hold for each of them."
        " Without any option they are read where standard input is no terminal.",
    ),
]


class FilterSource:
    """The filters of one run of a command; `lines` is None where the options alone are one."""

    def __init__(
        self,
        context: ClientContext,
        options: FilterOptions,
        *,
        stdin: bool = False,
        may_read: bool = True,
        may_be_bare: bool = False,
    ) -> None:
        """`may_read`: standard input may have filters; `may_be_bare`: on a terminal, no condition
        at all is a filter, too. Raises CommandError where there is none."""
        self._options = options
        if may_read and not options.given and not stdin:
            if sys.stdin.isatty() and not may_be_bare:
                words = "no filter: name what you want, as in -k 1, or give filters on stdin"
                raise CommandError(words, Exit.USAGE)
            stdin = not sys.stdin.isatty()
        self.lines = InputLines(context) if stdin else None

    @property
    def limit(self) -> int | None:
        """That of the only filter there is."""
        return self._options.limit if self.lines is None else None

    async def each(self, client: NostrClient) -> AsyncIterator[Filter]:
        """One by one."""
        async for group in self.groups(client):
            for found in group:
                yield found

    async def all(self, client: NostrClient) -> list[Filter]:
        """Every filter, as far as one stream takes them. Raises CommandError."""
        found: list[Filter] = []
        async for group in self.groups(client):
            found += group
            if len(found) > MOST_LIVE:
                words = f"a stream takes at most {MOST_LIVE} filters"
                raise CommandError(words, Exit.USAGE)
        return found

    async def groups(self, client: NostrClient) -> AsyncIterator[list[Filter]]:
        """The filters, several together, as they come. Raises CommandError where standard input has
        none, NostrError where a name at a domain leads nowhere."""
        people = {name: await client.profiles.resolve(name) for name in self._options.names()}
        conditions = self._options.conditions(time.time(), people)
        if self.lines is None:
            yield [_filter(conditions)]
            return
        some = False
        async for batch in self.lines.coming():
            parsed = (
                self.lines.parsed(line, lambda data: _merged(data, conditions)) for line in batch
            )
            found = [each for each in parsed if each is not None]
            for start in range(0, len(found), GROUP):
                some = True
                yield found[start : start + GROUP]
        if not some and not self.lines.refused:
            raise CommandError("no filter: standard input is empty", Exit.USAGE)

    def show(self, context: ClientContext) -> None:
        """Print each request, as NIP-01 has it, and ask nobody."""
        import msgspec

        conditions = self._options.conditions(time.time())

        def out(found: Filter) -> None:
            context.out.emit_json([msgspec.json.encode(["REQ", "1", found.to_dict()])])

        for line in self.lines or ():
            found = self.lines and self.lines.parsed(line, lambda data: _merged(data, conditions))
            if found:
                out(found)
        if self.lines is None:
            out(_filter(conditions))

    def conclude(self) -> None:
        """Say which lines were no filters."""
        if self.lines is not None:
            self.lines.conclude()


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
