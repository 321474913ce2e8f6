"""`nostr-client verify`: are these events what they say they are?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from nostr_client.cli.command import add_pure_command
from nostr_client.cli.protocol.json_lines import InputLines, Line
from nostr_client.command_line.tree import Group
from nostr_client.exits import Exit
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import verify_batch

if TYPE_CHECKING:
    from nostr_client.command_line.context import Context


def verify(context: Context) -> None:
    """Check events, one a line: print those that are right, and say of others why.

    Right is what has the form of an event, the id of what it says, and its author's signature. Ends
    with 1 if any is not.
    """
    lines = InputLines(context)
    right = 0
    for batch in lines.batches():
        good = [line[1] for _, line in checked(lines, batch)]
        right += len(good)
        if good:
            context.out.emit_json(good)
    if lines.refused:
        context.exit_code = Exit.ERROR
    lines.conclude()
    if sys.stderr.isatty():
        context.out.note(f"{right} right, {lines.refused} not")


def checked(lines: InputLines, batch: Sequence[Line]) -> Iterator[tuple[Event, Line]]:
    """The events of `batch` whose form, id and signature are right; each other line is told."""
    parsed = [
        (number, event)
        for number, data in batch
        if (event := lines.parsed((number, data), Event.parse)) is not None
    ]
    records = [bytes.fromhex(event.id + event.pubkey + event.sig) for _, event in parsed]
    for (number, event), verdict in zip(parsed, verify_batch(b"".join(records)), strict=True):
        if verdict:
            yield event, (number, event.json)
        else:
            lines.refuse(number, "the signature is wrong")


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_pure_command(root, "verify", verify)
