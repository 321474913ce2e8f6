"""Acts that are held: what another process knows of them, while it lives and once it was killed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from nostr_client.errors import FolderInUse
from nostr_client.paths import Paths
from nostr_client.tui import held_acts
from nostr_client.tui.held_acts import HeldAct, HeldActs
from tests.waiting import until

ME = "aa" * 32
LIKE = HeldAct("react", "bb" * 32, "+", words="♥ for ben")


class Doing:
    """What is done with held acts; each waits until it is let go."""

    def __init__(self, done: bool = True) -> None:
        self.acts: list[HeldAct] = []
        self.go = asyncio.Event()
        self._done = done

    async def __call__(self, act: HeldAct) -> bool:
        self.acts.append(act)
        await self.go.wait()
        return self._done


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, tmp_path, tmp_path)


async def test_what_another_one_holds_or_does_is_not_left_over(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_acts, "HOLD", 60)
    monkeypatch.setattr(held_acts, "LOCK_LIMIT", 0)
    folder = paths.data / "held" / ME
    does, other = Doing(), Doing()
    first, second = HeldActs(paths, ME, does), HeldActs(paths, ME, other)
    held = asyncio.create_task(first.hold(LIKE))
    file = await until(lambda: next(iter(folder.glob("*.json")), None))
    assert not await second.left_over()
    with pytest.raises(FolderInUse):
        await second.do_left_over(file.stem)
    with pytest.raises(FolderInUse):
        await second.drop(file.stem)

    leaving = asyncio.create_task(first.finish_all(60))
    await until(lambda: does.acts)
    assert not await second.left_over(), "it is being done"
    does.go.set()
    await leaving
    await held
    assert (does.acts, other.acts) == ([LIKE], [])
    assert not list(folder.iterdir())


async def test_what_failed_is_left_over_and_done_once_by_whoever_comes_first(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_acts, "HOLD", 0)
    monkeypatch.setattr(held_acts, "LOCK_LIMIT", 0)
    fails, does, other = Doing(done=False), Doing(), Doing()
    fails.go.set()
    await HeldActs(paths, ME, fails).hold(LIKE)
    first, second = HeldActs(paths, ME, does), HeldActs(paths, ME, other)
    [name] = await second.left_over()

    doing = asyncio.create_task(first.do_left_over(name))
    await until(lambda: does.acts)
    with pytest.raises(FolderInUse):
        await second.do_left_over(name)
    does.go.set()
    await doing
    await second.do_left_over(name)
    assert other.acts == [], "it is done already"
    assert not await second.left_over()


@pytest.mark.slow
async def test_what_a_killed_process_held_is_left_over(paths: Paths) -> None:
    code = (
        "import asyncio, sys; from pathlib import Path; from nostr_client.paths import Paths\n"
        "from nostr_client.tui.held_acts import HeldAct, HeldActs\n"
        "async def never(act): raise AssertionError\n"
        "paths = Paths(*[Path(sys.argv[1])] * 3)\n"
        "act = HeldAct('react', 'bb' * 32, '+', words='♥ for ben')\n"
        "import nostr_client.tui.held_acts as held; held.HOLD = 600\n"
        f"asyncio.run(HeldActs(paths, '{ME}', never).hold(act))"
    )
    does = Doing()
    does.go.set()
    here = HeldActs(paths, ME, does)
    with subprocess.Popen([sys.executable, "-c", code, str(paths.data)]) as child:
        try:
            await until(lambda: list((paths.data / "held" / ME).glob("*.json")))
            assert not await here.left_over()
        finally:
            child.kill()
            child.wait(10)
    [name] = await here.left_over()
    await here.do_left_over(name)
    assert does.acts == [LIKE]
    assert not list((paths.data / "held" / ME).iterdir())
