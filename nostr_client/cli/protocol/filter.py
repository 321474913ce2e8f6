"""`nostr-client filter`: JSON lines through a filter (NIP-01), as many as there are.

Of a line no more is decoded than the filter looks at, and what matches is passed on as it came. So
signatures and ids are not looked at, unless that is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from nostr_client.cli.command import add_pure_command
from nostr_client.cli.protocol.filter_options import FilterOptions
from nostr_client.cli.protocol.json_lines import InputLines, Line
from nostr_client.cli.protocol.verify import checked
from nostr_client.command_line.tree import Argument, FieldsLeftOut, Group, Option
from nostr_client.errors import InvalidFilter
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.event import MALFORMED, Tags, reason_of
from nostr_client.protocol.filters import Filter, Filterable, matches_any

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context

_CONTROLS: Final = bytes({*range(0x20), 0x7F} - {0x0A})
"""What JSON has in no text, and may have between the parts of a value."""


class Untagged(msgspec.Struct, frozen=True, gc=False):
    """What a filter without tags looks at, in a line that nobody has checked."""

    id: str
    pubkey: str
    created_at: int
    kind: int

    @property
    def tags(self) -> Tags:
        return ()


class Tagged(msgspec.Struct, frozen=True, gc=False):
    """What one with tags looks at."""

    id: str
    pubkey: str
    created_at: int
    kind: int
    tags: Tags


def filter_(
    context: Context,
    filters: Annotated[
        list[str], Argument("[JSON...]", "Filters, as a REQ has them: any of them may match.")
    ],
    *,
    options: Annotated[FilterOptions, FieldsLeftOut(("search",))],
    invert: Annotated[
        bool, Option("--invert", help="Print those that do not match.", short="-v")
    ] = False,
    verify: Annotated[
        bool, Option("--verify", help="Only events with the right id and signature.")
    ] = False,
) -> None:
    """Print the events that match a filter, of those on standard input, one a line.

    Options bound every filter. Neither ids nor signatures are looked at without --verify.
    """
    wanted = filters_of(filters, options)
    matches = wanted[0].matches if len(wanted) == 1 else partial(matches_any, wanted)
    lines = InputLines(context)
    read = checked if verify else _reader(any(one.tags for one in wanted))
    left = limit_of(wanted)
    for batch in lines.batches():
        kept = [line for event, line in read(lines, batch) if matches(event) is not invert]
        if left is not None:
            kept = kept[:left]
            left -= len(kept)
        if printable := list(_printable(lines, kept)):
            context.out.emit_json(printable)
        if left == 0:
            break
    lines.conclude()


def filters_of(texts: Sequence[str], options: FilterOptions) -> list[Filter]:
    """The filters that are spelled as JSON, each bounded by the options, or the options alone.

    Raises InvalidFilter, and CommandError for what nothing here can look for.
    """
    try:
        given = [msgspec.json.decode(text, type=dict[str, msgspec.Raw]) for text in texts or ["{}"]]
    except MALFORMED as error:
        raise InvalidFilter(f"this is no filter: {reason_of(error)}") from None
    bounds = options.conditions(time.time())
    bounded = [msgspec.json.decode(msgspec.json.encode(one | bounds)) for one in given]
    found = [Filter.from_dict(one) for one in bounded]
    for one in found:
        if one.unknown:
            raise InvalidFilter(f"not an element of a filter: {', '.join(one.unknown)}")
        if one.search is not None:
            words = "a search is for relays and for what is stored here: `nostr-client search`"
            raise CommandError(words, Exit.USAGE)
    return found


def limit_of(filters: Sequence[Filter]) -> int | None:
    """How many are wanted of all together; None: all."""
    limits = [one.limit for one in filters if one.limit is not None]
    return sum(limits) if len(limits) == len(filters) else None


def _reader(
    tagged: bool,
) -> Callable[[InputLines, Sequence[Line]], Iterator[tuple[Filterable, Line]]]:
    """What yields each line with what a filter looks at in it, and tells of those without."""
    form: type[Tagged | Untagged] = Tagged if tagged else Untagged
    decode = msgspec.json.Decoder(form).decode

    def read(lines: InputLines, batch: Sequence[Line]) -> Iterator[tuple[Filterable, Line]]:
        for line in batch:
            try:
                yield decode(line[1]), line
            except MALFORMED as error:
                lines.refuse(line[0], reason_of(error))

    return read


def _printable(lines: InputLines, kept: Sequence[Line]) -> Iterator[bytes]:
    """Of lines that nobody has decoded in full, what may go out."""
    every = [data for _, data in kept]
    whole = b"\n".join(every)
    if _is_text(whole):
        yield from [whole] if whole and whole.isascii() else every
        return
    for number, data in kept:
        try:
            yield data if _is_text(data) else msgspec.json.encode(msgspec.json.decode(data))
        except MALFORMED as error:
            lines.refuse(number, reason_of(error))


def _is_text(data: bytes) -> bool:
    """Is it UTF-8, without controls but line breaks?"""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return len(data.translate(None, _CONTROLS)) == len(data)


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_pure_command(root, "filter", filter_)
