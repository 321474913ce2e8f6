"""`nostr-client relays info`: what a relay says of itself (NIP-11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import ASKING, add_command
from nostr_client.cli.protocol.relay_arguments import relay_given
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

LIMIT: Final = 10.0
"""Seconds for the document, unless `--timeout` says otherwise."""


def info(
    context: ClientContext,
    url: Annotated[str, Argument(metavar="URL", help="wss://relay.example")],
) -> None:
    """Print what a relay says of itself (NIP-11); with --json the document as it came."""
    from nostr_client.errors import RelayError
    from nostr_client.net import http
    from nostr_client.net.dial import DialOptions
    from nostr_client.nips import nip11

    address = relay_given(url)
    dial = DialOptions.through(context.config.proxy, private=True)

    try:
        answer = wait_for(
            http.get(
                address,
                dial,
                timeout=context.timeout or LIMIT,
                max_bytes=nip11.MAX_SIZE,
                accept=nip11.MEDIA_TYPE,
            )
        )
    except RelayError as error:
        raise CommandError(str(error), Exit.NO_ANSWER) from error
    document = _document(answer.body) if answer.status == 200 else None
    if document is None:
        words = f"{address} has no such document (status {answer.status})"
        raise CommandError(words, Exit.NOT_FOUND)
    record = {"relay": address, "info": document}
    context.out.emit(record, "\n".join([address, *_lines(document)]))


def _document(body: bytes) -> dict[str, Any] | None:
    """What came, with fields of any form."""
    import msgspec

    from nostr_client.protocol.event import MALFORMED

    try:
        document: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Any])
    except MALFORMED:
        return None
    return document


def _lines(document: Mapping[str, Any], depth: int = 1) -> Iterator[str]:
    """A line for each thing that is said."""
    from nostr_client.output import json_line
    from nostr_client.safe_text import safe_line

    for name, value in document.items():
        shown = safe_line(str(name), 60)
        if isinstance(value, dict) and value and depth < 4:
            yield f"{'  ' * depth}{shown}:"
            yield from _lines(value, depth + 1)
        elif isinstance(value, list) and all(isinstance(one, str | int) for one in value):
            yield f"{'  ' * depth}{shown}: {safe_line(', '.join(map(str, value)), 1000)}"
        elif value not in (None, "", {}):
            words = value if isinstance(value, str) else json_line(value)
            yield f"{'  ' * depth}{shown}: {safe_line(words, 1000)}"


def add_to(group: Group) -> None:
    """It stands among the relays' commands."""
    add_command(group, "info", info, ASKING)
