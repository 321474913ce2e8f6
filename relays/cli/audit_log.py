"""`nostr-client relay log` and `key`: what was decided, and the key that signs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import CommandError
from relays.cli.command import PLAIN, STORES, add_command
from relays.cli.moderation import moderate, shown, when

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.moderation.actions import ModerationActions
    from relays.moderation.audit_log import LogEntry


def list_(context: RelayContext) -> None:
    """List what was removed and decided: when, why, by whom."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.protocol.event import Event
        from relays.moderation.audit_log import read_entry

        async for line in actions.log():
            entry = read_entry(Event.from_trusted(line))
            context.out.emit(entry, _line(entry))

    moderate(context, work, reads=True)


def _line(entry: LogEntry) -> str:
    about = "  ".join(" ".join(tag) for tag in entry.about)
    reason = f": {entry.reason}" if entry.reason else ""
    return f"{entry.number:5}  {when(entry.at)}  {entry.action} by {entry.by}  {about}{reason}"


def export(
    context: RelayContext,
    *,
    verify: Annotated[bool, Option("--verify", help="Check every entry on the way.")] = False,
) -> None:
    """Write it as signed JSON lines."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.errors import InvalidData
        from relays.moderation.audit_log import LogVerifier

        chain = LogVerifier(actions.state.pubkey)
        async for line in actions.log():
            if verify:
                try:
                    chain.add(line)
                except InvalidData as error:
                    raise CommandError(f"the log was tampered with: {error}") from None
            sys.stdout.buffer.write(line + b"\n")
        sys.stdout.buffer.flush()
        if verify:
            context.out.note(
                f"{chain.length} entries, each signed and in its place; the last is {chain.last}"
            )

    moderate(context, work, reads=True)


def verify(
    context: RelayContext,
    file: Annotated[str, Argument("FILE", "A file, or - for standard input.")],
    *,
    key: Annotated[str, Option("--key", "NPUB", "Whose log it must be.")] = "",
) -> None:
    """Check an export: ids, signatures, the chain."""
    from nostr_client.errors import InvalidData
    from nostr_client.nips.nip19 import pubkey_of
    from relays.moderation.audit_log import LogVerifier

    chain = LogVerifier(pubkey_of(key) if key else "")
    try:
        for line in _lines(file):
            chain.add(line)
    except InvalidData as error:
        raise CommandError(str(error)) from None
    record = {"entries": chain.length, "pubkey": chain.pubkey, "last": chain.last}
    by = f" by {shown('pubkey', chain.pubkey)}" if chain.pubkey else ""
    context.out.emit(record, f"{chain.length} entries, each signed{by} and in its place")


def _lines(name: str) -> Iterator[bytes]:
    longest = 64 * 1024
    with sys.stdin.buffer if name == "-" else Path(name).open("rb") as file:
        while line := file.readline(longest):
            yield line.rstrip(b"\r\n")


def key(context: RelayContext) -> None:
    """Print the relay's own public key."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.nips.nip19 import encode_npub

        pubkey = actions.state.pubkey
        npub = encode_npub(pubkey)
        context.out.emit({"pubkey": pubkey, "npub": npub}, f"{npub}\n{pubkey}")

    moderate(context, work, reads=True)


def add_to(root: Group) -> None:
    """`log` is a group, `key` stands at the top level."""
    group = root.group("log", "What was removed and decided, when, why, by whom.", default="list")
    add_command(group, "list", list_, STORES)
    add_command(group, "export", export, STORES)
    add_command(group, "verify", verify, PLAIN)
    add_command(root, "key", key, STORES)
