"""Many signatures checked off the loop: every verdict right, in order, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import RECORD_SIZE, SecretKey, verify_batch
from nostr_client.signing import child, verifier
from nostr_client.signing.verifier import Verifier, _record
from tests.waiting import time_passes, until

KEY = SecretKey(b"\x07" * 32)
REAL = [Draft(1, f"note {n}").sign(KEY, 1_700_000_000 + n) for n in range(200)]
FORGED = [
    Event.from_dict(event.to_dict() | {"sig": other.sig})
    for event, other in zip(REAL, REAL[1:] + REAL[:1], strict=True)
]
FLOOD = verifier._FLOOD * 2

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def mixed(count: int, seed: int) -> tuple[list[Event], list[bool]]:
    """Events, and which of them are real."""
    rng = random.Random(seed)
    truth = [rng.random() < 0.7 for _ in range(count)]
    return [rng.choice(REAL if real else FORGED) for real in truth], truth


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    if sys.platform == "linux":
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


async def test_a_few_are_checked_at_once_and_then_not_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifier, "_REST", 1e9)
    async with Verifier() as checking:
        few = [REAL[0], FORGED[1], REAL[2]]
        assert checking.verify_few(few) == [True, False, True]
        assert checking.verify_few(few) is None  # a part of the loop's time is enough
        checking._direct_after = 0.0
        assert checking.verify_few(REAL[: verifier.FEW + 1]) is None
        asking = asyncio.create_task(checking.verify_all(REAL))
        await asyncio.sleep(0)
        assert checking.verify_few(few) is None  # others came before
        assert all(await asking)
        assert checking.verify_few(few) == [True, False, True]
        assert await checking.verify_all(few) == [True, False, True]  # by the thread or process


async def test_a_trickle_needs_no_process() -> None:
    async with Verifier() as checking:
        assert await checking.verify(REAL[0])
        assert not await checking.verify(FORGED[0])
        assert await checking.verify_all([]) == []
        assert await checking.verify_all([FORGED[1], REAL[1]]) == [False, True]
        assert checking.pid is None


async def test_a_flood_goes_to_a_process_which_ends_with_it() -> None:
    events, truth = mixed(3000, 1)
    async with Verifier() as checking:
        assert await checking.verify_all(events) == truth
        pid = checking.pid
        assert pid is not None
        assert is_running(pid)
        assert await checking.verify(REAL[0])
        assert not await checking.verify(FORGED[0])
        assert checking.pid == pid
    assert not is_running(pid)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 4))]
)
async def test_many_at_once_get_each_their_own_verdict(seed: int) -> None:
    rng = random.Random(seed)

    async def ask(checking: Verifier, size: int) -> None:
        await asyncio.sleep(rng.random() * 0.05)
        events, truth = mixed(size, rng.randrange(1 << 30))
        if size == 1:
            assert await checking.verify(events[0]) is truth[0]
        else:
            assert await checking.verify_all(events) == truth

    async with Verifier() as checking, asyncio.TaskGroup() as group:
        for _ in range(100):
            group.create_task(ask(checking, rng.choice((1, 1, 1, 2, 7, 40, 700))))


@posix_only
async def test_a_killed_process_costs_no_verdict() -> None:
    events, truth = mixed(6_000, 2)
    async with Verifier() as checking:
        assert all(await checking.verify_all(REAL * 2))
        first = checking.pid
        assert first is not None
        asking = asyncio.create_task(checking.verify_all(events))
        await until(lambda: checking._in_flight_records)
        os.kill(first, signal.SIGKILL)
        assert await asking == truth
        assert checking.pid not in (None, first)
        assert not is_running(first)


@posix_only
@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_killed_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_LOSS_MEMORY", 0.0)
    rng = random.Random(3)
    async with Verifier() as checking:

        async def kill() -> None:
            for _ in range(20):
                await asyncio.sleep(rng.random() * 0.3)
                if checking.pid is not None:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(checking.pid, signal.SIGKILL)

        async def ask(seed: int) -> None:
            events, truth = mixed(rng.choice((1, 100, 5000)), seed)
            assert await checking.verify_all(events) == truth

        killing = asyncio.create_task(kill())
        seed = 0
        while not killing.done():
            async with asyncio.TaskGroup() as group:
                for _ in range(8):
                    seed += 1
                    group.create_task(ask(seed))


BROKEN = {
    "it ends at once": "raise SystemExit(3)",
    "it cannot be imported": "import no_such_module_anywhere",
    "it answers nonsense": "import os\nwhile d := os.read(0, 128): os.write(1, b'7' * 50)",
    "it answers too much": "import os\nwhile d := os.read(0, 128): os.write(1, bytes(70000))",
}


@pytest.mark.parametrize("how", BROKEN)
async def test_without_a_process_that_works_a_thread_does_it_and_says_so(
    how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(child, "_COMMAND", BROKEN[how])
    events, truth = mixed(1000, 4)
    with caplog.at_level(logging.WARNING):
        async with Verifier() as checking:
            assert await checking.verify_all(events) == truth
            assert await checking.verify_all(events) == truth
            assert checking.pid is None
    levels = [record.levelno for record in caplog.records if record.name == verifier.__name__]
    assert levels == [logging.WARNING] * 2 + [logging.ERROR]
    if "imported" in how:
        assert "no_such_module_anywhere" in caplog.text


async def test_an_interpreter_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    async with Verifier() as checking:
        assert all(await checking.verify_all(REAL))
    assert "cannot start" in caplog.text


async def test_after_the_pause_there_is_a_process_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_PAUSE", 0.2)
    with monkeypatch.context() as broken:
        broken.setattr(child, "_COMMAND", "raise SystemExit(3)")
        async with Verifier() as checking:
            assert all(await checking.verify_all(REAL))
            broken.undo()
            assert all(await checking.verify_all(REAL))

            async def has_process() -> bool:
                assert all(await checking.verify_all(REAL))
                return checking.pid is not None

            await until(has_process)


@posix_only
async def test_a_process_that_stalls_is_given_up_and_the_next_one_has_its_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    events, truth = mixed(2000, 5)
    async with Verifier() as checking:
        assert all(await checking.verify_all(REAL))
        stalled = checking.pid
        assert stalled is not None
        os.kill(stalled, signal.SIGSTOP)
        asking = asyncio.create_task(checking.verify_all(events))
        await until(lambda: checking._in_flight_records)
        # The next one needs longer to start than the 0.1 s between two looks.
        slow = f"import time; time.sleep(0.5); {child._COMMAND}"
        monkeypatch.setattr(child, "_COMMAND", slow)
        time_passes(verifier._STALL)
        assert await asking == truth
        assert checking.pid not in (None, stalled)
        assert not is_running(stalled)
    assert caplog.text.count("was lost") == 1


@posix_only
async def test_a_stalled_process_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_END", 0.3)
    async with Verifier() as checking:
        assert all(await checking.verify_all(REAL))
        stalled = checking.pid
        assert stalled is not None
        os.kill(stalled, signal.SIGSTOP)
    assert not is_running(stalled)


async def test_who_gives_up_takes_nothing_with_him() -> None:
    events, truth = mixed(1000, 6)
    rng = random.Random(6)
    async with Verifier() as checking:
        tasks = [asyncio.create_task(checking.verify(event)) for event in events]
        groups = [asyncio.create_task(checking.verify_all(events)) for _ in range(3)]
        gone = set(rng.sample(range(1000), 500))
        for turn, index in enumerate(gone):
            tasks[index].cancel()
            if turn % 25 == 0:
                await asyncio.sleep(0)
        groups[1].cancel()
        for index, task in enumerate(tasks):
            if index not in gone:
                assert await task is truth[index]
        assert await groups[0] == truth
        assert await groups[2] == truth
        assert await checking.verify_all(events) == truth
        assert checking._held == checking._waiting_records == checking._in_flight_records == 0


async def test_no_more_is_held_than_agreed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "_HELD", 1000)
    events, truth = mixed(2500, 7)
    most = 0
    async with Verifier() as checking:
        tasks = [asyncio.create_task(checking.verify(event)) for event in events]
        whole = asyncio.create_task(checking.verify_all(events))
        for task in random.Random(7).sample(tasks[1500:], 300):
            task.cancel()  # some of them while they wait for their turn
        for index, task in enumerate(tasks):
            with contextlib.suppress(asyncio.CancelledError):
                assert await task is truth[index]
            most = max(most, checking._held)
        assert await whole == truth
        assert checking._held == 0
        assert not checking._turns
    assert 0 < most <= 1000


async def test_turns_that_are_cancelled_as_they_come_are_given_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verifier, "_HELD", 1)
    async with Verifier() as checking:
        first = asyncio.create_task(checking.verify(REAL[0]))
        second = asyncio.create_task(checking.verify(REAL[1]))
        third = asyncio.create_task(checking.verify(REAL[2]))
        first.add_done_callback(lambda _: second.cancel())
        assert await third
        assert await first
        with pytest.raises(asyncio.CancelledError):
            await second
        assert checking._held == 0


async def test_closing_tells_those_who_wait() -> None:
    async with Verifier() as checking:
        asking = asyncio.create_task(checking.verify_all(REAL * 200))
        await until(lambda: checking._held)
    with pytest.raises(RuntimeError, match="closed"):
        await asking
    with pytest.raises(RuntimeError, match="not open"):
        await checking.verify(REAL[0])
    with pytest.raises(RuntimeError, match="not open"):
        await Verifier().verify_all(REAL[:1])
    with pytest.raises(RuntimeError, match="not open"):
        await Verifier().verify(REAL[0])


async def test_it_can_be_opened_again() -> None:
    checking = Verifier()
    for _ in range(2):
        async with checking:
            events, truth = mixed(500, 8)
            assert await checking.verify_all(events) == truth


@posix_only
async def test_signals_for_the_program_do_not_reach_the_process() -> None:
    async with Verifier() as checking:
        assert all(await checking.verify_all(REAL))
        pid = checking.pid
        assert pid is not None
        assert os.getsid(pid) == pid, "Ctrl-C goes to a terminal's session"
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(pid, number)
        events, truth = mixed(1000, 9)
        assert await checking.verify_all(events) == truth
        assert checking.pid == pid


@linux_only
async def test_nothing_of_the_program_is_in_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_PASSWORD", "hunter2")
    async with Verifier() as checking:
        assert all(await checking.verify_all(REAL))
        proc = Path(f"/proc/{checking.pid}")
        assert b"hunter2" not in (proc / "environ").read_bytes()
        assert len(list((proc / "fd").iterdir())) == 3
        for name in ("0", "1", "2"):
            assert "pts" not in str((proc / "fd" / name).readlink())


PARENT = """
import asyncio
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.verifier import Verifier

async def main():
    events = [Draft(1).sign(SecretKey.generate(), 1)] * 100_000
    async with Verifier() as checking:
        asking = asyncio.create_task(checking.verify_all(events))
        while checking.pid is None:
            await asyncio.sleep(0.01)
        print(checking.pid, flush=True)
        await asking
asyncio.run(main())
"""


@posix_only
@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
async def test_the_process_does_not_outlive_its_parent(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert is_running(pid)
        parent.send_signal(number)
        await asyncio.to_thread(parent.wait, 10)
    await until(lambda: not is_running(pid))


async def test_the_worker_takes_its_records_in_any_pieces() -> None:
    events, truth = mixed(50, 10)
    records = b"".join(map(_record, events))
    assert len(records) == 50 * RECORD_SIZE
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nostr_client.signing.worker"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    for start in range(0, len(records), 100):
        worker.stdin.write(records[start : start + 100])
        await worker.stdin.drain()
        await asyncio.sleep(0)
    worker.stdin.write(b"half a record")
    worker.stdin.close()
    async with asyncio.timeout(60):
        assert list(await worker.stdout.read()) == truth
        assert await worker.wait() == 0


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("turn", [0.001, 0.02, 0.05])
async def test_beside_a_busy_loop_the_process_never_starves(turn: float) -> None:
    """With turns of the loop of `turn` seconds it is running, or waiting for a core only.

    Measured against the seconds that the loop itself ran, and not against the clock: while a busy
    machine keeps the loop from its core, the process rightly waits for what the loop hands over.
    """
    records = b"".join(map(_record, REAL * 20))
    verify_batch(records)

    def scheduled(pid: int | str) -> tuple[float, float]:
        """Seconds that the main thread of `pid` ran, and that it waited for a core."""
        running, queued, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
        return int(running) / 1e9, int(queued) / 1e9

    async def spin() -> None:
        while True:
            end = time.perf_counter() + turn
            while time.perf_counter() < end:
                Event.parse(REAL[0].json)
            await asyncio.sleep(0)

    async with Verifier() as checking:
        await checking.verify_all(REAL * 10)
        assert checking.pid is not None
        spinning = asyncio.create_task(spin())
        loop_before, before = scheduled("self")[0], sum(scheduled(checking.pid))
        await checking.verify_all(REAL * 150)
        busy = sum(scheduled(checking.pid)) - before
        share = busy / (scheduled("self")[0] - loop_before)
        spinning.cancel()
    # `make bench` measures it; a starved one has a hundredth of it, on any machine.
    assert share > 0.2
