"""`nostr-client relay backup`, `restore` and `compact`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nostr_client.command_line.tree import Argument, Group
from relays.cli.command import STORES, add_command

if TYPE_CHECKING:
    from relays.cli.context import RelayContext


def backup(
    context: RelayContext,
    place: Annotated[Path, Argument("FOLDER", "A folder that is not there yet.")],
) -> None:
    """Copy the whole relay, and read the copy back."""
    from relays.cli.context import on_loop
    from relays.operations.backup import back_up
    from relays.web.status_page import size_text

    made = on_loop(back_up(context.folder, place, context.database))
    _say_done(
        context,
        {"folder": str(place), "events": made.events, "bytes": made.size},
        f"{place}: {made.events:,} events, {size_text(made.size)}; read back and sound."
        " It holds the relay's secret key: keep it where nobody else reads it.",
    )


def restore(
    context: RelayContext, place: Annotated[Path, Argument("FOLDER", "The backup's.")]
) -> None:
    """Put a backup back, where there is no relay."""
    from relays.cli.context import on_loop
    from relays.operations import backup

    made, data = on_loop(backup.restore(place, context.folder, context.database)), context.folder
    record = {"folder": str(data), "events": made.events, "bytes": made.size}
    _say_done(context, record, f"{data}: {made.events:,} events are back; read and sound.")


def compact(context: RelayContext) -> None:
    """Give free space back to the disk."""
    from relays.cli.context import on_loop

    on_loop(_compact_all(context))


async def _compact_all(context: RelayContext) -> None:
    from relays.operations.compact import compact
    from relays.web.status_page import size_text

    async for done in compact(context.folder, context.database):
        sizes = f"{size_text(done.before)} before, {size_text(done.after)} now"
        _say_done(context, done._asdict(), f"{done.name}: {sizes}")


def _say_done(context: RelayContext, record: dict[str, object], plain: str) -> None:
    """What became of it: for programs on standard output, for people beside it."""
    if context.json:
        context.out.emit(record, plain)
    context.out.note(plain)


def add_to(root: Group) -> None:
    """They stand at the top level."""
    for function in (backup, restore, compact):
        add_command(root, function.__name__, function, STORES)
