"""How long one million events take from another relay: `relay sync` beside `strfry sync`.

    STRFRY=/path/to/strfry python -m benchmarks.pull_million [--events N] [--rounds N]

The source is a strfry relay on loopback that holds so many signed events. `strfry sync --dir down`
pulls them into an empty strfry, `relay sync --dir down` into an empty relay of ours, in turns and
in the same run, so that the machine's mood falls out of the ratio. Both check every signature and
keep the result on disk. Without STRFRY the source is a relay of ours, and the row is printed as
unmeasured: our figure alone says nothing of another machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from benchmarks.network import Network, signed
from benchmarks.subjects import Running, Strfry, ours
from benchmarks.table import Row, print_table
from nostr_client.errors import NostrError
from nostr_client.net.dial import DialPolicy
from nostr_client.net.pool import RelayPool
from nostr_client.paths import environment_for_children
from nostr_client.protocol.filters import Filter
from nostr_client.signing.verifier import Verifier

EVENTS = 1_000_000
AUTHORS = 2_000
PART = 100_000
"""Events that are made, signed and written in one go."""
COUNT_LIMIT = 60.0
GOAL = 2.0
_SETTINGS = """\
    maxFilterLimitCount = {most}
    auth {{
        enabled = true
        serviceUrl = "ws://127.0.0.1:{port}"
    }}
    negentropy {{
        enabled = true
        maxSyncEvents = {most}
    }}
"""


class Pulled(NamedTuple):
    """Seconds: by the clock, and of work by whoever pulled."""

    took: float
    worked: float


def make_events(path: Path, count: int) -> None:
    """One event a line, signed, oldest first."""
    network = Network(count, int(time.time()) - 3600, authors=AUTHORS)
    made = network.events()
    draft = path.with_suffix(".part")
    with draft.open("wb") as file:
        while part := list(islice(made, PART)):
            file.write(b"\n".join(signed(network, part)) + b"\n")
            del network.notes[:-2000]  # what later ones may answer
    draft.replace(path)


def timed(arguments: Sequence[str | Path], folder: Path) -> Pulled:
    """Run to its end. Raises CalledProcessError."""
    began = time.perf_counter()
    process = subprocess.Popen(
        list(map(str, arguments)),
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment_for_children(),
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Pulled(time.perf_counter() - began, used.ru_utime + used.ru_stime)


class PulledByStrfry(Strfry):
    """The other that pulls."""

    def __init__(self, binary: str, most: int) -> None:
        super().__init__(binary, _SETTINGS.format(most=most))

    def load(self, folder: Path, events: Path) -> None:
        with events.open("rb") as lines:
            subprocess.run(
                self.command(folder, "import", "--no-verify"),
                stdin=lines,
                stderr=subprocess.DEVNULL,
                check=True,
            )

    def pull(self, folder: Path, url: str) -> Pulled:
        return timed(self.command(folder, "sync", url, "--dir=down"), folder)


class PulledByOurs:
    """Our relay, in folders."""

    def load(self, folder: Path, events: Path) -> None:
        timed([*_relay("import"), events, "--data", folder], folder.parent)

    def pull(self, folder: Path, url: str) -> Pulled:
        return timed([*_relay("sync"), url, "--dir", "down", "--data", folder], folder.parent)

    def relay(self, folder: Path) -> AbstractContextManager[Running]:
        return ours(folder)


def _relay(verb: str) -> list[str]:
    return [sys.executable, "-m", "relays", verb]


async def count_at(url: str) -> int:
    """How many events a relay has."""
    async with (
        Verifier() as verifier,
        RelayPool(verifier=verifier, dial=DialPolicy(given=[url])) as pool,
    ):
        [answer] = await pool.count([Filter()], [url], timeout=COUNT_LIMIT)
    if answer.count is None:
        raise NostrError(f"{url} does not count: {answer.cause}")
    return answer.count


async def measure(who: PulledByStrfry | PulledByOurs, url: str, count: int, folder: Path) -> Pulled:
    """Pull into an empty folder, and see that all has come."""
    pulled = await asyncio.to_thread(who.pull, folder, url)
    with who.relay(folder) as there:
        held = await count_at(there.url)
    shutil.rmtree(folder)
    if held != count:
        raise NostrError(f"{held} of {count} events came")
    return pulled


async def run(folder: Path, count: int, rounds: int, binary: str) -> list[Row]:
    events, source = folder / f"events-{count}.jsonl", folder / f"source-{count}"
    if not events.exists():
        make_events(events, count)
    strfry, mine_by = PulledByStrfry(binary, 2 * count), PulledByOurs()
    holder: PulledByStrfry | PulledByOurs = strfry if binary else mine_by
    if not source.exists():
        holder.load(source, events)
    theirs: list[Pulled] = []
    mine: list[Pulled] = []
    with holder.relay(source) as relay:
        url = relay.url
        held = await count_at(url)
        for number in range(rounds):
            if binary:
                theirs.append(await measure(strfry, url, held, folder / f"theirs-{number}"))
            mine.append(await measure(mine_by, url, held, folder / f"ours-{number}"))
    return list(rows(held, theirs, mine))


def rows(held: int, theirs: Sequence[Pulled], mine: Sequence[Pulled]) -> Iterator[Row]:
    what = f"{held:,} events pulled"
    took, worked = (statistics.median(column) for column in zip(*mine, strict=True))
    if theirs:
        other, other_worked = (statistics.median(column) for column in zip(*theirs, strict=True))
        yield Row(f"{what}, as long as `strfry sync`", took / other, GOAL)
        yield Row("  work of the one that pulls", worked / other_worked)
        yield Row("  strfry", other, unit="s")
    else:
        yield Row(f"{what}, as long as `strfry sync`", None, GOAL, note="unmeasured: no STRFRY")
    yield Row("  ours", took, unit="s")
    yield Row("  ours, events", held / took, unit="/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="where the events and the source stay")
    given = parser.parse_args()
    binary = os.environ.get("STRFRY", "")
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        print_table(asyncio.run(run(folder.resolve(), given.events, given.rounds, binary)))


if __name__ == "__main__":
    main()
