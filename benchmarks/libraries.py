"""The same work by this library, nostr-sdk, pynostr and monstr, on the same relays, in one run.

Events are made from a seed, and their fingerprint is printed. Each measurement is a process of its
own, which says how long the work took (`benchmarks.peers.work`); the rounds go in turns, so that
the machine's mood falls out of the ratios. nostr-sdk is its published wheel, built for release.

Each is cold: a new process with a new folder, which does its work once; no library is measured
that has asked before in the same process. What is imported before the first call is not counted
(`benchmarks.imports` counts ours), what is imported later is. Ingest and memory: the clock starts
before the client is made, and stops when the result is in the caller's hands, so that setting up,
dialling and whatever begins with the first signature are part of it: of a thousand events the
larger part. Publishing: it starts when the client is there; ours and pynostr then dial, nostr-sdk
and monstr have. Latency: all are connected, and have the end of what is stored.

The relay is warm for all of them: it has done what it does by itself after it was started on a full
store, and was asked once by nobody who is measured, so that whoever comes first does not pay for
that. Beside each rate stands the processor time of the whole process, its start, its imports and
its own children included, for a machine that does other things bends that less.

Our relay serves all of them, and gives all that is asked for in one answer. nostr-sdk's own, its
`LocalRelay`, 0.45.1 as built for Python, was tried and is not used: as we set it up, with the
limits that its builder offers, it answered with 500 events at the most, and closed connections
after some 6,000. There may be settings that we did not find.
"""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from itertools import count as counting
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks.network import Network, signed
from benchmarks.peers.environments import MODULES, ROOT, environment, python_of
from benchmarks.table import Row
from nostr_client.protocol.event import Event
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.store.opening import open_store

SEED: Final = 7
MADE_AT: Final = 1_760_000_000
"""When the newest event was made: the same in every run, so that the ids are."""
LIMIT: Final = 300.0
"""Seconds for any one measurement."""
REST: Final = 1.0
"""Seconds without work after which a relay counts as being at rest."""
OURS, SDK = "ours", "nostr-sdk"
AGAIN: Final = 3
"""How often nostr-sdk is asked where it fails."""
OTHERS_LIMIT: Final = 60.0
"""The same for a library of which a part of the work is asked."""
SETTINGS: Final = """\
[limits]
default_limit = 200000
max_limit = 200000
page_bytes = 536870912
outbox_bytes = 536870912
all_outbox_bytes = 1073741824
"""
"""Of our relay: all that it has in one answer, as nostr-sdk's is told, too; whoever asks that way,
nostr-sdk does, is not cut off."""


class Sizes(NamedTuple):
    """How much of each work is done, and in how many rounds."""

    ingest: int = 50_000
    held: int = 100_000
    publish: int = 10_000
    relays: int = 5
    live: int = 2_000
    rate: float = 250.0
    rounds: int = 3
    slow: int = 5_000
    """Of each work, for the libraries that take minutes for all of it: their rates are compared."""


VERIFIED: Final = "{:,} events verified"
DURABLE: Final = "{:,} events verified and durable"
QUICK: Final = Sizes(10_000, 20_000, 1_000, 5, 300, 250.0, 1, 1_000)


class Events(NamedTuple):
    """Signed events as JSON, one a line, and what tells that they are the same elsewhere."""

    lines: list[bytes]
    fingerprint: str

    @classmethod
    def made(cls, number: int) -> Events:
        network = Network(number, MADE_AT, seed=SEED)
        events = list(network.events())
        ids = sha256(b"".join(bytes.fromhex(event.id) for event in events)).hexdigest()
        return cls(signed(network, events), ids)


def do(name: str, work: str, **told: Any) -> dict[str, Any]:
    """What the program of library `name` found, and `work`: seconds of processor time that it and
    its children took. Raises CalledProcessError, TimeoutExpired."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [python_of(name), "-m", MODULES[name], json.dumps({"work": work, **told})],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env=environment(),
        timeout=LIMIT if name in (OURS, SDK) else OTHERS_LIMIT,
    )
    if done.returncode:
        sys.stderr.write(done.stderr.decode(errors="replace"))
        done.check_returncode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | {"work": worked}


async def rested(pid: int, url: str, events: int) -> None:
    """Wait until a relay that was started on so many events has no work of its own left.

    It is asked for all of them by a process of ours; then its processor time has to stand still,
    where the system tells it. Raises TimeoutError.
    """
    await asyncio.to_thread(do, OURS, "fetch", urls=[url], limit=events)
    if not Path(f"/proc/{pid}/stat").exists():
        return
    async with asyncio.timeout(LIMIT):
        before = -1
        while (now := processor_time(pid)) != before:
            before = now
            await asyncio.sleep(REST)


def processor_time(pid: int) -> int:
    """Ticks of work that a process and its children have done."""
    try:
        user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:  # a child that has ended meanwhile
        return 0
    return int(user) + int(system) + sum(processor_time(int(child)) for child in children)


@asynccontextmanager
async def our_relay(folder: Path, lines: Sequence[bytes] = ()) -> AsyncIterator[str]:
    """A relay of ours that holds these events, and has nothing else to do."""
    folder.mkdir(parents=True)
    data = folder / "data"
    if lines:
        async with open_store(data / "events.db") as store:
            await store.save([Event.from_trusted(line) for line in lines])
    (folder / "relay.toml").write_text(SETTINGS)
    relay = await RelayProcess.start(data, "--config", str(folder / "relay.toml"))
    try:
        if lines:
            await rested(relay.pid, relay.url, len(lines))
        yield relay.url
    finally:
        await relay.kill()


class Measured:
    """What was found, by what was done and who did it."""

    def __init__(self, folder: Path, sizes: Sizes, peers: Sequence[str]) -> None:
        self.folder, self.sizes = folder, sizes
        self.slow = [name for name in peers if name not in (OURS, SDK)]
        self.found: dict[str, dict[str, list[dict[str, Any]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._numbers = counting()

    def fresh(self) -> Path:
        """A folder that nobody has used."""
        return self.folder / f"fresh-{next(self._numbers)}"

    async def do(self, what: str, name: str, work: str, wanted: int, **told: Any) -> None:
        """Measure once, and see that all of it was done. Another's library may fail, which is said:
        nostr-sdk with its database ends by a fault of its own (SIGSEGV) now and then, and is asked
        again."""
        found = None
        for _ in range(1 if name in self.slow else AGAIN):
            told |= {"folder": str(self.fresh()), "limit": wanted}
            try:
                found = await asyncio.to_thread(do, name, work, **told)
                break
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                if name == OURS:
                    raise
                code = getattr(error, "returncode", "out of time")
                print(f"  {what}, {name}: it did not get through ({code})", flush=True)
        if found is None:
            return
        got = found.get("count", wanted)
        assert got == wanted, f"{what}, {name}: {got} of {wanted}"
        rate = wanted / found["seconds"]
        took = f"{found['seconds']:.2f} s ({found['work']:.2f} s of work)"
        print(f"  {what}, {name}: {took}, {rate:,.0f}/s", flush=True)
        self.found[what][name].append(found | {"rate": rate})

    async def both(self, what: str, work: str, wanted: int, number: int, **told: Any) -> None:
        """By ours and by nostr-sdk, who begin in turns."""
        for name in (OURS, SDK) if number % 2 == 0 else (SDK, OURS):
            await self.do(what, name, work, wanted, **told)

    def median(self, what: str, name: str, key: str) -> float | None:
        values = [found[key] for found in self.found.get(what, {}).get(name, ())]
        return statistics.median(values) if values else None

    def ratio(self, what: str, key: str = "rate", name: str = SDK) -> tuple[float, str] | None:
        """Ours over theirs, of the medians; and from where to where it went in the rounds."""
        ours, theirs = (self.median(what, each, key) for each in (OURS, name))
        if ours is None or theirs is None:
            return None
        pairs = zip(self.found[what][OURS], self.found[what][name], strict=False)
        rounds = [mine[key] / other[key] for mine, other in pairs]
        return ours / theirs, f"{min(rounds):.2f} to {max(rounds):.2f}"


async def ingest(measured: Measured, events: Events) -> None:
    """Verified ingest, in a list and durable. nostr-sdk's database is asked for fewer events: in
    its Python package each one goes there by way of Python."""
    sizes, folder = measured.sizes, measured.folder
    many, few, fewer = len(events.lines), sizes.slow, sizes.slow // 5
    async with (
        our_relay(folder / "many", events.lines) as url,
        our_relay(folder / "few", events.lines[:few]) as url_of_few,
        our_relay(folder / "fewer", events.lines[:fewer]) as url_of_fewer,
    ):
        for number in range(sizes.rounds):
            await measured.both(VERIFIED.format(many), "fetch", many, number, urls=[url])
            await measured.do(DURABLE.format(many), OURS, "keep", many, urls=[url])
            await measured.both(DURABLE.format(fewer), "keep", fewer, number, urls=[url_of_fewer])
        for name in [OURS, SDK, *measured.slow] if measured.slow else []:
            await measured.do(VERIFIED.format(few), name, "fetch", few, urls=[url_of_few])


async def memory(measured: Measured) -> None:
    """What 100,000 events take that a client holds: in a list, and for ours in its store, too."""
    events = Events.made(measured.sizes.held)
    async with our_relay(measured.folder / "held", events.lines) as url:
        for name, work in ((OURS, "fetch"), (SDK, "fetch"), (OURS, "keep")):
            where = "in a list" if work == "fetch" else "in the store"
            what = f"{len(events.lines):,} events held {where}"
            await measured.do(what, name, work, len(events.lines), urls=[url])


async def publish(measured: Measured, events: Events) -> None:
    """To five relays, empty each time; each event is confirmed by each."""
    sizes = measured.sizes
    lines = events.lines[: sizes.publish]
    path, short = measured.folder / "publish.jsonl", measured.folder / "publish-few.jsonl"
    path.write_bytes(b"\n".join(lines))
    short.write_bytes(b"\n".join(lines[: sizes.slow // 5]))

    async def once(what: str, name: str, file: Path, number: int) -> None:
        async with AsyncExitStack() as stack:
            relays = [our_relay(measured.fresh()) for _ in range(sizes.relays)]
            urls = [await stack.enter_async_context(relay) for relay in relays]
            wanted = number * len(urls)
            await measured.do(what, name, "publish", wanted, urls=urls, events=str(file))

    what = f"{len(lines):,} events to {sizes.relays} relays, confirmed"
    for number in range(sizes.rounds):
        for name in (OURS, SDK) if number % 2 == 0 else (SDK, OURS):
            await once(what, name, path, len(lines))
    few = f"{sizes.slow // 5:,} events to {sizes.relays} relays, confirmed"
    for name in [OURS, SDK, *measured.slow] if measured.slow else []:
        await once(few, name, short, sizes.slow // 5)


async def live(measured: Measured) -> None:
    """From the publisher's send to the listener's hands, one relay, at a steady pace."""
    sizes = measured.sizes
    events = Events.made(sizes.live).lines
    for number in range(sizes.rounds):
        names = [OURS, SDK] if number % 2 == 0 else [SDK, OURS]
        for name in names + (measured.slow if number == 0 else []):
            try:
                async with our_relay(measured.fresh()) as url, asyncio.timeout(OTHERS_LIMIT):
                    lags = await _lags(name, url, events, sizes.rate)
            except (TimeoutError, AssertionError):
                if name not in measured.slow:
                    raise
                print(f"  live, {name}: it did not get through")
                continue
            found = {"seconds": sum(lags), "p50": _part(lags, 50), "p99": _part(lags, 99)}
            print(f"  live, {name}: p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms")
            measured.found["live"][name].append(found)


async def _lags(name: str, url: str, events: Sequence[bytes], rate: float) -> list[float]:
    """Milliseconds of each event."""
    told = {"work": "listen", "urls": [url], "count": len(events)}
    listener = await asyncio.create_subprocess_exec(
        *(python_of(name), "-m", MODULES[name], json.dumps(told)),
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
        limit=1 << 26,
    )
    assert listener.stdout
    try:
        async with asyncio.timeout(LIMIT):
            line = await listener.stdout.readline()
            assert line.strip() == b"ready", line
            sent = await _paced(url, events, rate)
            found = json.loads((await listener.stdout.read()).splitlines()[-1])
    finally:
        if listener.returncode is None:
            listener.kill()
        await listener.wait()
    return [(at - sent[id]) * 1000 for id, at in found["came"].items()]


async def _paced(url: str, events: Sequence[bytes], rate: float) -> dict[str, float]:
    """Send them at this pace, by a process of its own; when each was sent, by its id."""
    sender = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.peers.paced", url, str(rate)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment(),
    )
    out, _ = await sender.communicate(b"\n".join(events))
    sent: dict[str, float] = json.loads(out)
    return sent


def _part(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def rows(measured: Measured) -> Iterator[Row]:
    """The table: ours beside each."""
    sizes = measured.sizes
    for what, found in measured.found.items():
        few = any(name in found for name in measured.slow)
        if what == "live":
            for key in ("p50", "p99"):
                title = f"live latency, {key}, 1 relay"
                yield from _row(measured, what, title, key, 1.0, least=False)
                for name, each in found.items():
                    yield Row(f"  {name}", statistics.median(one[key] for one in each), unit="ms")
        elif "held" in what:
            yield from _row(measured, what, f"memory of {what}", "held", 1.0, least=False)
            for name, each in found.items():
                yield Row(f"  {what}, {name}", each[0]["held"] / 1e6, unit="MB")
        else:
            goal = 1.5 if "confirmed" in what else 1.0 if "durable" in what else 1.3
            yield from _row(measured, what, what, "rate", None if few else goal, least=True)
            for name, each in found.items():
                rate = statistics.median(one["rate"] for one in each)
                work = statistics.median(one["work"] for one in each)
                note = f"{work:.2f} s of processor time"
                yield Row(f"  {what}, {name}", rate, unit="/s", note=note)
    verified, durable = VERIFIED.format(sizes.ingest), DURABLE.format(sizes.ingest)
    ours, theirs = (
        measured.median(what, name, "rate") for what, name in ((durable, OURS), (verified, SDK))
    )
    if ours and theirs:
        title = f"{durable}, beside nostr-sdk's without any database"
        yield Row(title, ours / theirs, least=True)


def _row(
    measured: Measured, what: str, title: str, key: str, goal: float | None, *, least: bool
) -> Iterator[Row]:
    for name in (SDK, *measured.slow):
        if found := measured.ratio(what, key, name):
            ratio, spread = found
            aim = goal if name == SDK else None
            yield Row(f"{title}, beside {name}", ratio, aim, least=least, note=spread)
