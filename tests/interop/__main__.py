"""`python -m tests.interop [PEER...]`: meet all peers, or those named, and write docs/interop.md.

Progress goes to standard error. Ends with 1 when what passed before, by the document, fails now.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import platform
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.interop.builds import Build, NotToBeHad
from tests.interop.cells import Row
from tests.interop.meetings import meet_client, meet_relay, said, today
from tests.interop.table import lost, merged, read, written
from tests.interop.their_clients import CLIENTS, TheirClient
from tests.interop.their_relays import RELAYS, TheirRelay

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "interop.md"
AT_ONCE: Final = 3
"""Peers that are met at the same time."""


class Visit(NamedTuple):
    """A peer in one of the two tables."""

    table: str
    peer: TheirClient | TheirRelay
    meet: Callable[[Path], Awaitable[Row]]


def visits() -> list[Visit]:
    """All of them, as the tables have them."""
    return [
        *(Visit("relays", one, lambda built, one=one: meet_relay(one, built)) for one in RELAYS),
        *(Visit("clients", one, lambda built, one=one: meet_client(one, built)) for one in CLIENTS),
    ]


Ready = asyncio.Queue[tuple[Visit, Path | NotToBeHad]]


async def build(wanted: Sequence[Visit], ready: Ready) -> None:
    """Build each peer, one at a time, the quickest first: those that take long are built while the
    others are met."""
    for visit in sorted(wanted, key=lambda one: one.peer.build.weight):
        recipe: Build = visit.peer.build
        try:
            ready.put_nowait((visit, await recipe.make()))
        except NotToBeHad as why:
            ready.put_nowait((visit, why))


async def rows(wanted: Sequence[Visit]) -> dict[str, list[Row]]:
    """Meet them all, each as soon as it is built, and a few at the same time: most of it is
    waiting."""
    tables: dict[str, list[Row]] = {"relays": [], "clients": []}
    ready: Ready = asyncio.Queue()
    free = asyncio.Semaphore(AT_ONCE)

    async def meet(visit: Visit, built: Path) -> None:
        async with free:
            tables[visit.table].append(await visit.meet(built))

    async with asyncio.TaskGroup() as group:
        group.create_task(build(wanted, ready))
        for _ in wanted:
            visit, built = await ready.get()
            peer = visit.peer
            if isinstance(built, Path):
                group.create_task(meet(visit, built))
                continue
            why = said(str(built))
            print(f"{visit.table}: {peer.name}: not to be had ({why})", file=sys.stderr, flush=True)
            tables[visit.table].append(Row.not_had(peer.name, peer.version, today(), why))
    return tables


async def main(names: Sequence[str]) -> int:
    """Meet them, and write the document. The exit code."""
    task = asyncio.current_task()
    with contextlib.suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    everyone = visits()
    known = {visit.peer.name for visit in everyone}
    if unknown := set(names) - known:
        print(
            f"error: no peer is called {', '.join(sorted(unknown))};"
            f" there are {', '.join(sorted(known))}",
            file=sys.stderr,
        )
        return 2
    read(DOCUMENT.read_text("utf-8"))  # what is wrong with it is said before the work, too
    now = await rows([visit for visit in everyone if not names or visit.peer.name in names])
    document = DOCUMENT.read_text("utf-8")  # another run may have ended meanwhile
    before = read(document)
    after = {
        table: merged(
            before.get(table, ()),
            now[table],
            [visit.peer.name for visit in everyone if visit.table == table],
        )
        for table in now
    }
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    DOCUMENT.write_text(written(document, after, f"Last run: {today()}, {machine}."), "utf-8")
    worse = lost(before, now)
    for line in worse:
        print(f"passed before, and fails now: {line}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.interop", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help="by name; none: all")
    try:
        sys.exit(asyncio.run(main(parser.parse_args().peers)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("error: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
