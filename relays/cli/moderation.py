"""What commands of moderation share: the relay's decisions and stores, opened beside the relay or
without it, the consent to what destroys, and how things look in plain lines."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from nostr_client.command_line.tree import Option
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.moderation.actions import ModerationActions
    from relays.process.stores import RelayStores

    Work = Callable[[ModerationActions], Awaitable[None]]

Reason = Annotated[str, Option("--reason", "WORDS", "Why: it is told and logged.")]


def moderate(
    context: RelayContext, work: Work, *, reads: bool = False, frees: bool = False
) -> None:
    """Let `work` act on the relay. `reads`: it changes nothing; `frees`: it makes room."""
    from relays.cli.context import on_loop

    async def opened() -> None:
        async with open_actions(
            context.folder, context.database, read_only=reads, frees=frees
        ) as actions:
            await work(actions)

    on_loop(opened())


class Consent(NamedTuple):
    """Whether what destroys is to be done."""

    yes: Annotated[bool, Option("--yes", help="Do not ask, whatever is removed.")] = False
    dry_run: Annotated[
        bool, Option("--dry-run", help="Say what would be removed, and change nothing.")
    ] = False

    def given(self, context: RelayContext, what: str, record: dict[str, Any], going: int) -> bool:
        """Is it to be done, though it removes `going` events? Asked on a terminal; nothing is,
        where nothing is removed. The answer to `--dry-run` is no.

        Raises CommandError for another no.
        """
        from nostr_client.safe_text import safe_text

        words = f"{what} removes {events(going)}"
        if self.dry_run:
            told = {"dry_run": True, **record, "would_remove": going}
            context.out.emit(told, f"{words}; nothing was done")
            return False
        if self.yes or not going:
            return True
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise CommandError(
                f"{words} for good: say --yes, or look first with --dry-run", Exit.USAGE
            )
        sys.stderr.write(safe_text(f"{words} for good. Go on? [y/N] "))
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise CommandError("nothing was done", Exit.USAGE)
        return True


@contextlib.asynccontextmanager
async def open_actions(
    data: Path, database: str = "", *, read_only: bool = False, frees: bool = False
) -> AsyncIterator[ModerationActions]:
    """The actions on the relay in the folder `data`, or in the `database` at a URL. Raises
    StoreError when there is none.

    `read_only`: whatever would write raises StoreError, but for what was never there before.
    `frees`: they are to make room, and where there is none even to open the relay's files, may have
    what is kept back.
    """
    from nostr_client.errors import StoreFull
    from relays.process.folder import open_folder

    with open_folder(data, database) as stores:
        await stores.require()
        async with contextlib.AsyncExitStack() as stack:
            try:
                actions = await _open_stores(stack, stores, read_only)
            except StoreFull:
                if not frees:
                    raise
                await stack.aclose()
                stores.give_room()
                actions = await _open_stores(stack, stores, read_only)
            yield actions


async def _open_stores(
    stack: contextlib.AsyncExitStack, stores: RelayStores, read_only: bool
) -> ModerationActions:
    from nostr_client.store.contract import StoreOptions
    from relays.moderation.actions import ModerationActions
    from relays.moderation.saved_config import load_saved_config
    from relays.process.stores import DATABASE

    enter = stack.enter_async_context
    state = await enter(stores.open_state(read_only=read_only))
    saved = await load_saved_config(state)
    there = {DATABASE, *await stores.names()}
    opened = [
        await enter(stores.open(name, StoreOptions(read_only=read_only)))
        for name in saved.databases
        if name in there
    ]
    return ModerationActions(state, opened, saved.config)


def events(count: int) -> str:
    """So many, in words."""
    return "1 event" if count == 1 else f"{count} events"


def shown(sort: str, value: str) -> str:
    """What is banned or reported, as people write it: npub, note, the word itself."""
    from nostr_client.nips.nip19 import encode_note, encode_npub

    if sort == "pubkey":
        return encode_npub(value)
    return encode_note(value) if sort in ("event", "allow-event") else value


def when(seconds: int) -> str:
    """A time in UTC, to the minute."""
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))
