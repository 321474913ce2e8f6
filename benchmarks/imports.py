"""How long a fresh process takes to import this library, beside `import nostr_sdk`.

The interpreter's own start is in all of them. `NostrClient` loads its rooms when one opens, so what
it takes until it is open, offline and on an empty folder, stands in the table, too.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from benchmarks.peers.environments import ROOT, environment, python_of
from benchmarks.table import Row

OPENED: Final = """
import asyncio, sys
from pathlib import Path
from nostr_client import NostrClient, Paths
async def main():
    where = Path(sys.argv[1])
    async with NostrClient.open(paths=Paths(where / "c", where / "d", where / "s"), relays=[]):
        pass
asyncio.run(main())
"""
SDK_OPENED: Final = """
import asyncio, sys, nostr_sdk
async def main():
    database = await nostr_sdk.NostrLmdb.open(sys.argv[1])
    client = nostr_sdk.ClientBuilder().database(database).build()
    await client.shutdown()
asyncio.run(main())
"""
SDK, CLIENT, SMALL = "import nostr_sdk", "import NostrClient", "import Filter, Event"
OPEN, SDK_OPEN = "import and open a client", "the same of nostr-sdk, with its database"
PROGRAMS: Final = {
    SDK: ("nostr-sdk", "import nostr_sdk"),
    CLIENT: ("ours", "from nostr_client import NostrClient"),
    SMALL: ("ours", "from nostr_client import Filter, Event"),
    OPEN: ("ours", OPENED),
    SDK_OPEN: ("nostr-sdk", SDK_OPENED),
}


def seconds(name: str, code: str) -> float:
    """Of one fresh process, from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run(
            [python_of(name), "-c", code, folder], check=True, cwd=ROOT, env=environment()
        )
        return time.perf_counter() - began


def textual_is_loaded() -> bool:
    """Does the library load Textual?"""
    code = "import sys; from nostr_client import NostrClient; print('textual' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=ROOT, env=environment(), capture_output=True
    )
    return done.stdout.strip() != b"False"


def measure(rounds: int = 15) -> list[Row]:
    """All of them in turns, `rounds` times, after once that fills the caches."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        for what, (name, code) in PROGRAMS.items():
            one = seconds(name, code)
            if number:
                took[what].append(one)
    middle = {what: statistics.median(each) for what, each in took.items()}

    def row(what: str, beside: str, goal: float | None) -> Row:
        ratios = [a / b for a, b in zip(took[what], took[beside], strict=True)]
        return Row(what, middle[what] / middle[beside], goal, note=spread(ratios))

    return [
        row(CLIENT, SDK, 1.0),
        row(SMALL, SDK, 0.5),
        Row("Textual, loaded by it", float(textual_is_loaded()), 0.0, unit="times"),
        row(OPEN, SDK_OPEN, None),
        Row(SDK, middle[SDK] * 1000, unit="ms"),
        Row(CLIENT, middle[CLIENT] * 1000, unit="ms"),
    ]


def spread(ratios: Sequence[float]) -> str:
    """From where to where most of them went: the middle half."""
    if len(ratios) < 4:
        return f"{min(ratios):.2f} to {max(ratios):.2f}"
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{low:.2f} to {high:.2f}"
