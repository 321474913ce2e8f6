"""Private messages by real processes: killed at every step, and several at once on one folder."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from nostr_client.client import NostrClient
from nostr_client.config import load_config
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.messages.views import ChangeKind
from tests.cli.conftest import LIMIT, Home
from tests.cli.test_dm import ANA, BEN, ana_npub, ben_npub
from tests.conftest import RelayProcess
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MOST_KILLS: Final = 24
"""Of more steps than that, so many, evenly spread."""


@pytest.fixture
async def homes(tmp_path: Path, relay: RelayProcess) -> tuple[Home, Home]:
    """Ana and Ben, who can write to each other."""
    homes = Home(tmp_path / "ana"), Home(tmp_path / "ben")
    for home, key in zip(homes, (ANA, BEN), strict=True):
        home.configure([relay.url])
        await home.import_key(key)
        done = await home.run("dm", "relays", "--set", relay.url, "--start-empty")
        assert done.code == 0, done.err
    return homes


async def killed(home: Home, step: int, *arguments: str) -> tuple[bool, list[str], str]:
    """Run a command to a step; was it killed there, the steps it took, and what it printed."""
    file = home.folder / "steps"
    file.write_text("")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.cli.killed", str(step), str(file), *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=home.environment,
        start_new_session=True,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), LIMIT)
    except TimeoutError:
        process.kill()
        raise
    assert b"Traceback" not in err, err.decode()
    return process.returncode == -signal.SIGKILL, file.read_text().splitlines(), out.decode()


def spread(steps: int) -> list[int]:
    """Which steps to be killed at."""
    if steps <= MOST_KILLS:
        return list(range(1, steps + 1))
    return sorted({1 + n * (steps - 1) // (MOST_KILLS - 1) for n in range(MOST_KILLS)})


async def texts(home: Home, who: str) -> Counter[str]:
    """What stands in the room with somebody, after asking the relays."""
    shown = await home.run("dm", "list", who, "--limit", "1000", "--json")
    assert "cannot be read" not in shown.err, shown.err
    return Counter(each["text"] for each in shown.records)


async def test_killed_at_any_step_of_sending(homes: tuple[Home, Home]) -> None:
    ana, ben = homes
    _, steps, _ = await killed(ana, 0, "dm", "send", ben_npub, "whole", "--json")
    assert {"in the sealed file", "after the database", "before a frame"} <= set(steps)
    ended: list[bool] = []
    reported: set[str] = {"whole"}
    for step in spread(len(steps)):
        by_us, _, out = await killed(ana, step, "dm", "send", ben_npub, f"at {step}", "--json")
        ended.append(by_us)
        reported |= {json.loads(line)["text"] for line in out.splitlines()}
    assert sum(ended) >= len(ended) // 2
    last = await ana.run("dm", "send", ben_npub, "last", "--json")
    assert last.code == 0, last.err

    async def all_is_sent() -> bool:  # what another was killed over waits for his grace
        return (await ana.run("send")).code == 0

    await until(all_is_sent, limit=LIMIT)
    mine = await texts(ana, ben_npub)
    assert mine == await texts(ben, ana_npub)
    assert set(mine.values()) == {1}, "nothing is there twice"
    assert reported | {"last"} <= set(mine)
    assert 2 < len(mine) < len(ended) + 2, "some were killed before anything was stored, some after"
    shown = await ana.run("dm", "list", ben_npub, "--limit", "1000", "--offline", "--json")
    assert {each["delivery"] for each in shown.records} <= {"sent", "elsewhere"}


async def test_killed_at_any_step_of_opening(homes: tuple[Home, Home]) -> None:
    ana, ben = homes
    await ana.run("dm", "send", ben_npub, "before", "--json")
    _, steps, _ = await killed(ben, 0, "dm", "list", ana_npub, "--json")
    assert "in the sealed file" in steps
    sent = {"before"}
    for step in spread(len(steps)):
        done = await ana.run("dm", "send", ben_npub, f"before {step}")
        assert done.code == 0, done.err
        sent.add(f"before {step}")
        await killed(ben, step, "dm", "list", ana_npub, "--json")
    found = await texts(ben, ana_npub)
    assert found == Counter(sent)
    awaited = await ben.run(
        *("dm", "await", ana_npub, "--count", str(len(sent)), "--timeout", "60", "--json")
    )
    assert Counter(each["text"] for each in awaited.records) == Counter(sent), "all are unread"


async def test_several_processes_on_one_folder_share_and_lose_nothing(
    homes: tuple[Home, Home],
) -> None:
    ana, ben = homes
    sent = [f"{n} of {side}" for side in "ab" for n in range(4)]
    told: Counter[str] = Counter()
    waiting = [
        await ben.start("dm", "await", ana_npub, "--count", "100", "--timeout", "300", "--json")
        for _ in range(2)
    ]
    lines: list[str] = []

    async def listen(process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            lines.append(json.loads(line)["text"])

    listening = [asyncio.create_task(listen(process)) for process in waiting]
    config = load_config(ben.paths.config / "config.toml")
    async with NostrClient.open(LocalSigner(BEN), paths=ben.paths, config=config) as screen:
        screen.messages.start()

        async def watch() -> None:
            with screen.messages.watch() as changes:
                async for change in changes:
                    told[change.message_id] += change.kind is ChangeKind.MESSAGE

        watching = asyncio.create_task(watch())
        for pair in zip(sent[:4], sent[4:], strict=True):
            done = await asyncio.gather(*(ana.run("dm", "send", ben_npub, text) for text in pair))
            assert [each.code for each in done] == [0, 0], done

        async def heard() -> bool:
            return len(lines) >= len(sent)

        async def all_there() -> bool:
            return len(await screen.messages.messages([ANA.public_key.hex])) == len(sent)

        await until(heard, limit=LIMIT)
        await until(all_there, limit=LIMIT)
        watching.cancel()
    nothing = await ben.run("dm", "await", ana_npub, "--timeout", "1")
    assert nothing.code == 4, nothing.out
    for process in waiting:
        process.kill()
        await asyncio.wait_for(process.wait(), LIMIT)
    await asyncio.wait_for(asyncio.gather(*listening), LIMIT)
    assert Counter(lines) == Counter(sent), "each was shown by one of them"
    told.pop("", None)
    assert set(told.values()) <= {0, 1}, "a screen tells of each once"
    for home, who in ((ana, ben_npub), (ben, ana_npub)):
        assert await texts(home, who) == Counter(sent)
