"""Worker processes as they are: one port, one store, four of them, and every way to their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal import relay_process
from nostr_client.rehearsal.relay_process import RelayProcess
from tests.conftest import StartRelay
from tests.relays.process.test_assembly import document
from tests.relays.process.test_kill import held
from tests.relays.process.test_neighbours import page
from tests.relays.process.test_run import run
from tests.relays.talk import KEY, LIMIT, NOW, Wire, note, wire
from tests.waiting import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc"),
]
WORKERS = 4
FOUR = ("--workers", f"{WORKERS}")
MANY = 16
"""Connections, so that one worker has all of them once in a million runs."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_process, "STOP_LIMIT", LIMIT)


def children(pid: int) -> list[int]:
    """The processes that this one started and that run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def figure(url: str, name: str) -> float:
    """One of the counters of the whole, once all have answered."""

    async def told() -> list[float]:
        shown = (await page(url, "/metrics")).splitlines()
        lines = [line for line in shown if line and not line.startswith("#")]
        values = {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}
        if values.get("nostr_relay_workers_answered") != WORKERS:
            return []
        return [values[f"nostr_relay_{name}"]]

    [value] = await until(told)
    return float(value)


@contextlib.asynccontextmanager
async def wires(url: str, count: int, **options: object):  # type: ignore[no-untyped-def]
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(wire(url, **options)) for _ in range(count)]


async def test_all_are_one_relay(start_relay: StartRelay) -> None:
    """What one stores all hear, once and in one order; figures add up; a ban holds everywhere."""
    relay = await start_relay(*FOUR)
    events = [note(f"{number}", at=NOW + number) for number in range(400)]
    async with wires(relay.url, MANY) as readers, wires(relay.url, MANY) as writers:
        for reader in readers:
            await reader.req("live", {"kinds": [1], "limit": 0})
        for number, event in enumerate(events):
            await writers[number % MANY].offer(event)
        for number in range(len(events)):
            assert (await writers[number % MANY].recv())[2] is True
        orders = set()
        for reader in readers:
            heard = [(await reader.recv())[2]["id"] for _ in events]
            orders.add(tuple(heard))
            assert await reader.silent()
        [order] = orders
        assert sorted(order) == sorted(event.id for event in events)
        assert await figure(relay.url, "connections") == 2 * MANY
        assert await figure(relay.url, 'events_accepted_total{as="stored"}') == len(events)
        assert await figure(relay.url, "events_sent_total") == len(events) * MANY
        ban = ("ban", "pubkey", KEY.public_key.hex, "--yes", "--data", str(relay.data))
        assert (await asyncio.to_thread(run, *ban)).returncode == 0
        for number, writer in enumerate(writers):
            again = note(f"after the ban {number}")
            await until(lambda: refused(writer, again))  # noqa: B023 - asked at once
    assert await until(lambda: well(relay)) == "ok\n"


async def refused(client: Wire, event: Event) -> bool:
    return str((await client.publish(event))[3]).startswith("blocked:")


async def well(relay: RelayProcess) -> str:
    words = await page(relay.url, "/health")
    return words if words == "ok\n" else ""


class Persistent:
    """A writer that comes again when it is cut off, and offers again what had no answer."""

    def __init__(self, number: int) -> None:
        self._key = SecretKey(bytes((9, number + 1)) * 16)
        self._number = 0
        self.kept: list[str] = []
        self.cuts = 0

    async def write(self, url: str, until_told: asyncio.Event) -> None:
        while not until_told.is_set():
            with contextlib.suppress(ConnectionClosed, OSError, InvalidHandshake, TimeoutError):
                async with wire(url) as client:
                    await self._on(client, until_told)
            self.cuts += not until_told.is_set()

    async def _on(self, client: Wire, until_told: asyncio.Event) -> None:
        while not until_told.is_set():
            event = note(f"{self._number}", at=NOW + self._number, key=self._key)
            answer = await client.publish(event)
            assert answer[2] is True, answer
            self.kept.append(event.id)
            self._number += 1


async def test_one_is_killed_under_load_and_nothing_acknowledged_is_lost(
    start_relay: StartRelay,
) -> None:
    relay = await start_relay(*FOUR)
    workers = children(relay.pid)
    assert len(workers) == WORKERS
    told = asyncio.Event()
    writers = [Persistent(number) for number in range(MANY)]
    async with wires(relay.url, MANY) as idle, asyncio.TaskGroup() as group:
        for writer in writers:
            group.create_task(writer.write(relay.url, told))
        for victim in workers[1:3]:
            enough = sum(len(writer.kept) for writer in writers) + 200
            await until(lambda: sum(len(writer.kept) for writer in writers) > enough)  # noqa: B023
            os.kill(victim, signal.SIGKILL)
            await until(lambda: len(children(relay.pid)) == WORKERS)
        enough = sum(len(writer.kept) for writer in writers) + 200
        await until(lambda: sum(len(writer.kept) for writer in writers) > enough)
        told.set()
        stayed = 0
        for client in idle:
            with contextlib.suppress(ConnectionClosed):
                stayed += await client.silent()
        assert 0 < stayed < MANY
    assert relay.alive
    assert await figure(relay.url, "workers_answered") == WORKERS
    async with wire(relay.url) as client:
        for writer in writers:
            assert await held(client, set(writer.kept)) == set(writer.kept)
    assert sum(writer.cuts for writer in writers) > 0


async def test_a_clean_end_of_all(start_relay: StartRelay) -> None:
    relay = await start_relay(*FOUR)
    workers = children(relay.pid)
    async with wires(relay.url, MANY) as clients:
        events = [note(f"{number}", at=NOW + number) for number in range(MANY)]
        for client, event in zip(clients, events, strict=True):
            await client.offer(event)
        os.kill(relay.pid, signal.SIGTERM)
        kept = set()
        for client in clients:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    frame = await client.recv()
                    if frame[0] == "OK" and frame[2] is True:
                        kept.add(frame[1])
            assert client.socket.close_code == 1001
    await relay.stop()
    assert relay._process.returncode == 0
    assert not any(map(runs, workers))
    assert not (relay.data / "relay.json").exists()
    again = await start_relay(*FOUR, data=relay.data)
    async with wire(again.url) as client:
        assert await held(client, kept) == kept


async def test_they_end_with_their_parent(start_relay: StartRelay) -> None:
    relay = await start_relay(*FOUR)
    workers = children(relay.pid)
    async with wires(relay.url, MANY) as clients:
        os.kill(relay.pid, signal.SIGKILL)
        for client in clients:
            with contextlib.suppress(ConnectionClosed):
                await client.recv()
                await client.recv()
            assert client.socket.close_code == 1001
    await until(lambda: not any(map(runs, workers)))
    port = int(relay.url.rpartition(":")[2])
    again = await start_relay(*FOUR, data=relay.data, port=port)
    assert again.url == relay.url
    second = await asyncio.to_thread(
        run, "run", *FOUR, "--port", str(port), "--data", str(relay.data.with_name("other"))
    )
    assert "the port is in use" in second.stderr


async def test_settings_are_read_again_by_all(start_relay: StartRelay, tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    limits = '[web]\ntrusted_proxies = ["127.0.0.1"]\n[rates.events]\naddress = "20/hour"\n'
    file.write_text(f'name = "before"\n{limits}')
    relay = await start_relay(*FOUR, "--config", str(file))
    file.write_text(f'name = "after"\n{limits}')
    os.kill(relay.pid, signal.SIGHUP)

    async def all_say_so() -> bool:
        return {(await document(relay.url)).name for _ in range(MANY)} == {"after"}

    await until(all_say_so)
    from_afar = {"X-Forwarded-For": "203.0.113.9"}
    answers: Counter[bool] = Counter()
    async with wires(relay.url, MANY, additional_headers=from_afar) as clients:
        numbers = iter(range(10_000))

        async def all_refuse() -> bool:
            said = [(await one.publish(note(f"{next(numbers)}")))[2] for one in clients]
            answers.update(said)
            return not any(said)

        await until(all_refuse)
    assert 20 <= answers[True] < 20 * WORKERS


async def test_one_that_does_not_stay_ends_all(start_relay: StartRelay, tmp_path: Path) -> None:
    relay = await start_relay(*FOUR)
    seen: set[int] = set(children(relay.pid))
    victim = sorted(seen)[0]
    async with asyncio.timeout(4 * LIMIT):
        while relay.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            fresh = await until(lambda: set(children(relay.pid)) - seen or not relay.alive)  # noqa: B023
            if relay.alive:
                victim = max(fresh)
                seen |= fresh
    assert relay._process.returncode == 1
    file = tmp_path / "relay.toml"
    file.write_text('[policies]\npython = ["none.py:check"]\n')
    wrong = await asyncio.to_thread(
        run, "run", *FOUR, "--port", "0", "--config", str(file), "--data", str(tmp_path / "new")
    )
    assert wrong.returncode == 1
    assert wrong.stderr.count("\n") == 1
    assert "none.py" in wrong.stderr


async def test_nobody_is_there_only_when_nobody_is_at_any(start_relay: StartRelay) -> None:
    relay = await start_relay(*FOUR, "--stop-when-idle", "1")
    async with wire(relay.url) as client:
        await asyncio.sleep(3)  # so long nobody is at three of them
        assert await client.silent()
    async with asyncio.timeout(LIMIT):
        await relay._process.wait()
    assert relay._process.returncode == 0
