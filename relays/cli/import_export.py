"""`nostr-client relay import` and `export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import Exit
from relays.cli.command import CONFIGURED, STORES, FilterTexts, SubRelay, add_command

if TYPE_CHECKING:
    from relays.cli.context import RelayContext


def import_(
    context: RelayContext,
    files: Annotated[list[str], Argument("FILE...", "A file, or - for standard input.")],
    *,
    anew: Annotated[
        bool, Option("--anew", help="From the beginning, also after an interruption.")
    ] = False,
    room: SubRelay = None,
) -> None:
    """Take in events from JSON lines, as strfry's too."""
    from relays.cli.context import on_loop
    from relays.operations.import_export import import_files

    config = context.load_config()
    work = import_files(
        context.folder, files, config, anew=anew, sub_relay=room, say=context.out.note
    )
    report = on_loop(work)
    if context.json:
        context.out.emit(report, "")
    if report.refused:  # malformed, forged, beyond a limit
        context.exit_code = Exit.NOT_ACCEPTED


def export(
    context: RelayContext,
    *,
    filter: FilterTexts,
    since: Annotated[int | None, Option("--since", "SECONDS", "Not older than this.")] = None,
    until: Annotated[int | None, Option("--until", "SECONDS", "Not newer than this.")] = None,
    room: SubRelay = None,
) -> None:
    """Write events as JSON lines, newest first."""
    from relays.cli.context import on_loop
    from relays.cli.sync import filters_of
    from relays.operations.import_export import export_events

    filters = filters_of(filter)
    for name, bound in (("since", since), ("until", until)):
        if bound is not None:
            filters = [one.changed(**{name: bound}) for one in filters]
    out = sys.stdout.buffer
    on_loop(export_events(context.folder, out, filters, sub_relay=room, database=context.database))


def add_to(root: Group) -> None:
    """They stand at the top level."""
    add_command(root, "import", import_, CONFIGURED)
    add_command(root, "export", export, STORES)
