"""What commands of moderation share: the relay's decisions and stores, opened beside the relay."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relays.cli.common import data_of, on_loop

if TYPE_CHECKING:
    from nostr_client.output import Output
    from relays.moderation.acts import Acts

    Work = Callable[[Acts, Output, argparse.Namespace], Awaitable[int]]


def prepare(command: argparse.ArgumentParser, work: Work, *, within: bool = False) -> None:
    """Let `command` do `work`, with options that all have.

    `within`: it is a command of a command, which has the same options; either may be given them.
    """
    none: Any = argparse.SUPPRESS if within else None  # it would undo what was given before it
    command.add_argument(
        "--data", type=Path, metavar="DIR", default=none, help="the relay's folder"
    )
    command.add_argument(
        "--json", action="store_true", default=none or False, help="print JSON lines"
    )

    def run(options: argparse.Namespace) -> int:
        return on_loop(_work(work, options))

    command.set_defaults(command=run)


def add_reason(command: argparse.ArgumentParser) -> None:
    """`--reason`."""
    command.add_argument("--reason", default="", metavar="WORDS", help="why: it is told and logged")


async def _work(work: Work, options: argparse.Namespace) -> int:
    from nostr_client.output import Output

    async with open_acts(options) as acts:
        return await work(acts, Output(options.json), options)


@contextlib.asynccontextmanager
async def open_acts(options: argparse.Namespace) -> AsyncIterator[Acts]:
    """The acts on the relay of `--data`. Raises StoreError when there is none."""
    from nostr_client.errors import StoreError
    from nostr_client.store.events import EventStore
    from relays.folder import opened
    from relays.moderation.acts import Acts
    from relays.moderation.keeper import Keeper
    from relays.moderation.remembered import recall
    from relays.running import DATABASE

    data = data_of(options)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(opened(data))
        if not (data / DATABASE).exists():
            raise StoreError(f"there is no relay in {data}: one is made when it first runs")
        keeper = await stack.enter_async_context(Keeper.open(data))
        remembered = await recall(keeper)
        stores = [
            await stack.enter_async_context(EventStore.open(data / name))
            for name in remembered.databases
            if name == DATABASE or (data / name).exists()
        ]
        yield Acts(keeper, stores, remembered.config)
