"""How a relay grows: `python -m benchmarks.large [--events N] [--base N] [--keep FOLDER]`.

Events are made, signed and sent part by part to one relay of ours on SQLite, as dense in time and
of as many people at the end as at the beginning. What it does with all of them is held against what
it did itself when it had `--base`: the rate of the last so many, the answers of each class, its
restart, the room of an event. Each part is made from its own number, so that a run with `--keep`
that was broken off goes on where it was; the part that was under way then is not counted.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from benchmarks import loading
from benchmarks.network import SPAN, Network, secrets_of, sign
from benchmarks.relay import wait_for_index
from benchmarks.relay_load import CLASSES, NEWEST, Apart, event_frame, generator, questions_of, req
from benchmarks.subjects import Running, disk_use, ours
from benchmarks.table import Row, print_table
from nostr_client.protocol.event import Event

EVENTS: Final = 10_000_000
BASE: Final = 1_000_000
PART: Final = 100_000
AUTHORS: Final = 2000
CONNECTIONS: Final = 8
REMEMBERED: Final = 2000
"""Notes of a part that may be asked for, and ten times as many of all."""
_DENSITY: Final = BASE / SPAN
"""Events a second of their own time."""


class Part(NamedTuple):
    """Frames, and some of the notes among them."""

    frames: list[bytes]
    notes: list[bytes]


def make_part(number: int, count: int, ends: int) -> Part:
    """The events of one part, the last of them at `ends`."""
    network = _network(count, ends, number)
    data = sign(secrets_of(network), [event.json for event in network.events()])
    notes = network.rng.sample(network.notes, min(REMEMBERED, len(network.notes)))
    return Part([event_frame(one) for one in data], [note.json for note in notes])


def _network(count: int, ends: int, seed: int) -> Network:
    return Network(count, ends, authors=AUTHORS, seed=seed, span=round(count / _DENSITY))


class Progress:
    """What is done and was measured, in a file: so many `parts` are sent, of so many it was
    `begun`; the rate of each; and what was measured when so many were there."""

    def __init__(self, path: Path, part: int) -> None:
        self._path = path
        self.part = part
        self.found: dict[str, Any] = {
            **{"began": int(time.time()), "part": part, "parts": 0, "begun": 0},
            **{"rates": {}, "marks": {}, "notes": []},
        }
        if path.exists():
            self.found = json.loads(path.read_text())
            if self.found["part"] != part:
                raise SystemExit(f"{path} was begun with parts of {self.found['part']:,} events")

    @property
    def parts(self) -> int:
        return int(self.found["parts"])

    def save(self) -> None:
        draft = self._path.with_suffix(".part")
        draft.write_text(json.dumps(self.found))
        draft.replace(self._path)

    def begin(self) -> bool:
        """The next part is about to be sent. Is it the first time?"""
        first: bool = self.found["begun"] == self.parts
        self.found["begun"] = self.parts + 1
        self.save()
        return first

    def sent(self, notes: list[bytes], rate: float | None) -> None:
        """That part is sent; of all notes that may be asked for, a fair choice is kept."""
        number, kept = self.parts, self.found["notes"]
        kept += [note.decode() for note in notes]
        if len(kept) > 10 * REMEMBERED:
            self.found["notes"] = random.Random(number).sample(kept, 10 * REMEMBERED)
        if rate is not None:
            self.found["rates"][str(number)] = rate
        self.found["parts"] = number + 1
        self.save()

    def rate(self, first: int, stop: int) -> float | None:
        """The median of these parts; None where none of them was measured."""
        rates = [self.found["rates"].get(str(number)) for number in range(first, stop)]
        known = [rate for rate in rates if rate is not None]
        return statistics.median(known) if known else None


def grow(folder: Path, events: int, base: int, reqs: int) -> Progress:
    """Send all, and measure at `base` and at the end."""
    part = max(min(PART, base // 2), 1)
    progress = Progress(folder / "progress.json", part)
    total = events // part
    for mark in (base // part, total):
        if str(mark) in progress.found["marks"]:
            continue
        with generator() as apart:
            with ours(folder / "relay") as relay:
                _fill(relay, apart, progress, total, mark)
                figures = _measured(relay, apart, progress, reqs)
            figures["restart"] = _restarted(folder / "relay", apart)
        progress.found["marks"][str(mark)] = figures
        progress.save()
    return progress


def _fill(relay: Running, apart: Apart, progress: Progress, total: int, mark: int) -> None:
    """Send parts until there are `mark`; as many at a time are made as there are cores, and none
    while one is sent."""
    part, span = progress.part, round(progress.part / _DENSITY)
    end = progress.found["began"] - 3600
    with ProcessPoolExecutor(loading.cores(), get_context("spawn")) as makers:
        while progress.parts < mark:
            numbers = range(progress.parts, min(progress.parts + loading.cores(), mark))
            ends = [end - (total - number - 1) * span for number in numbers]
            for one in list(makers.map(make_part, numbers, [part] * len(numbers), ends)):
                first = progress.begin()
                rate = apart(loading.ingest, relay.url, one.frames, CONNECTIONS)
                progress.sent(one.notes, rate if first else None)
                print(f"  {progress.parts * part:>12,} events, {rate:,.0f}/s", flush=True)


def _measured(relay: Running, apart: Apart, progress: Progress, reqs: int) -> dict[str, float]:
    """Once the index is there: each class's p50 in ms, and the bytes of an event on the disk."""
    wait_for_index(relay, lambda lag: print(f"  index: {lag:,} to go", flush=True))
    notes = [Event.from_trusted(note.encode()) for note in progress.found["notes"]]
    network = _network(1, max(note.created_at for note in notes), 0)
    network.notes = notes
    figures: dict[str, float] = {}
    for name, questions in questions_of(network, 2 * reqs).items():
        apart(loading.query, relay.url, questions[:reqs], 1)
        figures[name] = apart(loading.query, relay.url, questions[reqs:], 1).p50
    assert relay.folder is not None
    figures["disk"] = disk_use(relay.folder) / (progress.parts * progress.part)
    return figures


def _restarted(folder: Path, apart: Apart) -> float:
    """Seconds from the start of a relay on `folder` to its first answer."""
    began = time.monotonic()
    with ours(folder) as relay:
        apart(loading.query, relay.url, [req(NEWEST)], 1)
        return time.monotonic() - began


def rows(progress: Progress, events: int, base: int) -> Iterator[Row]:
    part = progress.part
    first, last = (progress.found["marks"][str(count // part)] for count in (base, events))
    earlier = progress.rate(0, base // part)
    later = progress.rate((events - base) // part, events // part)
    ratio = later / earlier if later and earlier else None
    yield Row(f"ingest: the last {base:,} of {events:,} to the first", ratio, 0.7, least=True)
    yield Row("  the first", earlier, unit="/s")
    yield Row("  the last", later, unit="/s")
    for name in CLASSES:
        yield Row(f"{name}: p50", last[name] / first[name], 2.0)
        yield Row(f"  with {base:,}", first[name], unit="ms")
    yield Row("restart, to the first answer", last["restart"], 3.0, "s")
    yield Row("an event on the disk", last["disk"], 1000.0, "bytes")
    yield Row(f"  with {base:,}", first["disk"], unit="bytes")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--base", type=int, default=BASE)
    parser.add_argument("--reqs", type=int, default=400, help="questions of each class")
    parser.add_argument("--keep", type=Path, help="where the relay and what was measured stay")
    given = parser.parse_args()
    with TemporaryDirectory() as passing:
        folder = Path(given.keep or passing).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        progress = grow(folder, given.events, given.base, given.reqs)
        print_table(list(rows(progress, given.events, given.base)))


if __name__ == "__main__":
    main()
