"""What commands of moderation share: the relay's decisions and stores, opened beside the relay."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relays.cli.common import data_of, on_loop

if TYPE_CHECKING:
    from nostr_client.output import Output
    from nostr_client.store.reserve import Reserve
    from relays.moderation.actions import ModerationActions

    Work = Callable[[ModerationActions, Output, argparse.Namespace], Awaitable[int]]


def prepare(
    command: argparse.ArgumentParser,
    work: Work,
    *,
    within: bool = False,
    reads: bool = False,
    frees: bool = False,
) -> None:
    """Let `command` do `work`, with options that all have.

    `within`: it is a command of a command, which has the same options; either may be given them.
    `reads`: it changes nothing, and so needs no room on the disk; `frees`: it makes room.
    """
    none: Any = argparse.SUPPRESS if within else None  # it would undo what was given before it
    command.add_argument(
        "--data", type=Path, metavar="DIR", default=none, help="the relay's folder"
    )
    command.add_argument(
        "--json", action="store_true", default=none or False, help="print JSON lines"
    )

    def run(options: argparse.Namespace) -> int:
        return on_loop(_work(work, options, reads, frees))

    command.set_defaults(command=run)


def add_reason(command: argparse.ArgumentParser) -> None:
    """`--reason`."""
    command.add_argument("--reason", default="", metavar="WORDS", help="why: it is told and logged")


def add_consent(command: argparse.ArgumentParser) -> None:
    """`--yes` and `--dry-run`, of a command that destroys."""
    command.add_argument("--yes", action="store_true", help="do not ask, whatever is removed")
    command.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and change nothing"
    )


def agreed(
    out: Output, options: argparse.Namespace, what: str, record: dict[str, Any], going: int
) -> bool:
    """Is it to be done, though it removes `going` events? Asked on a terminal; nothing is, where
    nothing is removed. The answer to `--dry-run` is no."""
    from nostr_client.safe_text import safe_text

    words = f"{what} removes {events(going)}"
    if options.dry_run:
        out.emit({"dry_run": True, **record, "would_remove": going}, f"{words}; nothing was done")
        return False
    if options.yes or not going:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        out.fail(f"{words} for good: say --yes, or look first with --dry-run")
        return False
    sys.stderr.write(safe_text(f"{words} for good. Go on? [y/N] "))
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    out.note("nothing was done")
    return False


def events(count: int) -> str:
    """So many, in words."""
    return "1 event" if count == 1 else f"{count} events"


async def _work(work: Work, options: argparse.Namespace, reads: bool, frees: bool) -> int:
    from nostr_client.output import Output

    async with open_acts(options, read_only=reads, frees=frees) as actions:
        return await work(actions, Output(options.json), options)


@contextlib.asynccontextmanager
async def open_acts(
    options: argparse.Namespace, *, read_only: bool = False, frees: bool = False
) -> AsyncIterator[ModerationActions]:
    """The acts on the relay of `--data`. Raises StoreError when there is none.

    `read_only`: whatever would write raises StoreError, but for what was never there before.
    `frees`: they are to make room, and where there is none even to open the relay's files, may have
    what is kept back.
    """
    from nostr_client.errors import StoreError, StoreFull
    from nostr_client.store.reserve import Reserve
    from relays.process.folder import RESERVE, open_folder
    from relays.process.run import DATABASE

    data = data_of(options)
    with open_folder(data):
        if not (data / DATABASE).exists():
            raise StoreError(f"there is no relay in {data}: one is made when it first runs")
        reserve = Reserve(data / RESERVE)
        async with contextlib.AsyncExitStack() as stack:
            try:
                actions = await _open_actions(stack, data, reserve, read_only)
            except StoreFull:
                if not frees:
                    raise
                await stack.aclose()
                reserve.release()
                actions = await _open_actions(stack, data, reserve, read_only)
            yield actions


async def _open_actions(
    stack: contextlib.AsyncExitStack, data: Path, reserve: Reserve, read_only: bool
) -> ModerationActions:
    from nostr_client.store.contract import StoreOptions
    from nostr_client.store.events import open_store
    from relays.moderation.actions import ModerationActions
    from relays.moderation.opening import has_records, open_state
    from relays.moderation.saved_config import load_saved_config
    from relays.process.run import DATABASE

    only = read_only and has_records(data)
    state = await stack.enter_async_context(open_state(data, read_only=only, reserve=reserve))
    saved = await load_saved_config(state)
    stores = [
        await stack.enter_async_context(
            open_store(data / name, StoreOptions(read_only=read_only, reserve=reserve))
        )
        for name in saved.databases
        if name == DATABASE or (data / name).exists()
    ]
    return ModerationActions(state, stores, saved.config)
