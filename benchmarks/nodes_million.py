"""A million events over several nodes, one of which is killed every few seconds:
`python -m benchmarks.nodes_million [--help]`.

Writers offer again, elsewhere, what was not acknowledged, and readers resume elsewhere; in the end
the account is made: what was acknowledged and is not there, what a reader never had, and what one
subscription brought twice.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.results import machine
from benchmarks.table import Row, print_table
from tests.nodes.cluster import Cluster, nodes_on
from tests.nodes.database import Database

WRITERS: Final = 8
READERS: Final = 2
WINDOW: Final = 100
"""Events that a writer has under way."""
DOWN: Final = 2.0
"""Seconds from a node's end until it is started again."""
LOOK: Final = 10.0


async def killing(cluster: Cluster, every: float) -> None:
    """End one node after the other, and start each again, until cancelled."""
    while True:
        for node in cluster.nodes:
            await asyncio.sleep(every)
            await node.kill()
            await asyncio.sleep(DOWN)
            await node.start()


async def telling(cluster: Cluster) -> None:
    """Say how far it is, until cancelled."""
    while True:
        await asyncio.sleep(LOOK)
        done, lost = len(cluster.account.acknowledged), cluster.account.lost
        print(f"  {done:,} acknowledged, {lost} connections lost, {os.getloadavg()[0]:.1f} load")


async def measured(folder: Path, options: argparse.Namespace) -> list[Row]:
    """The account."""
    with Database.running(folder / "database") as database:
        async with nodes_on(folder, *[database.url()] * options.nodes) as cluster:
            began = time.monotonic()
            async with cluster.working(
                writers=WRITERS, readers=READERS, window=WINDOW, rate=0, patience=60.0
            ):
                beside = [
                    asyncio.create_task(killing(cluster, options.every)),
                    asyncio.create_task(telling(cluster)),
                ]
                try:
                    await cluster.account.more(options.events, limit=options.limit)
                finally:
                    for task in beside:
                        task.cancel()
                    await asyncio.gather(*beside, return_exceptions=True)
            took = time.monotonic() - began
            account = cluster.account
            alive = [node for node in cluster.nodes if node.alive]
            lost = max([len(await cluster.lost_at(node.url)) for node in alive])
            count = len(account.acknowledged)
            return [
                Row("acknowledged events", count, unit="times", note=f"{count / took:,.0f}/s"),
                Row("connections lost by writers", account.lost, unit="times"),
                Row("refused with error:", len(account.errors), unit="times"),
                Row("acknowledged and lost", lost, 0, "times"),
                Row("missed live", sum(map(len, cluster.missed())), 0, "times"),
                Row("doubled", sum(len(one.doubled) for one in cluster.readers), 0, "times"),
            ]


def options_of(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.nodes_million",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--limit", type=float, default=14_400.0, help="seconds it may take")
    parser.add_argument("--quick", action="store_true", help="20,000 events, a kill every 3 s")
    options = parser.parse_args(arguments)
    if options.quick:
        options.events, options.every = 20_000, 3.0
    return options


def main() -> None:
    options = options_of()
    print(f"{options.events:,} events over {options.nodes} nodes, {machine()}", flush=True)
    with tempfile.TemporaryDirectory(prefix="nodes-") as name:
        Path(name).chmod(0o755)  # the server runs as somebody else where we are root
        print_table(asyncio.run(measured(Path(name), options)))


if __name__ == "__main__":
    main()
