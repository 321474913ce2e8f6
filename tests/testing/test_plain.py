"""Relays for tests without async, as a fixture too; and the examples of the docs, run on one."""

from __future__ import annotations

import asyncio
import os
import runpy
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import NostrError
from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.testing import relay, running_relay
from nostr_client.testing.plugin import nostr_relay
from tests.waiting import until

__all__ = ["nostr_relay"]

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
KEY, ANA = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)


def note(text: str, ahead: int = 0, **more: Any) -> Event:
    return Draft(1, text, **more).sign(ANA, int(time.time()) + ahead)


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the example finds its key; whatever it keeps is kept in a folder of the test's."""
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path))
    reading, writing = os.pipe()
    os.write(writing, nip19.encode_nsec(KEY).encode())
    os.close(writing)
    return f"fd:{reading}"


def example(name: str) -> Any:
    return runpy.run_path(str(EXAMPLES / name))


@pytest.mark.slow
def test_a_fixture_without_async(nostr_relay: Any) -> None:
    nostr_relay.add(note("hi"))
    with nostr_relay.faults.refuse("blocked: no", times=1) as refused:
        assert [event.content for event in nostr_relay.events()] == ["hi"]
    assert refused.happened == 0
    nostr_relay.clock.turn(-7200)
    with pytest.raises(NostrError, match="did not take"):
        nostr_relay.add(note("ahead of its clock"))
    nostr_relay.restart()
    assert len(nostr_relay.events(Filter.of(kinds=[1]))) == 1


@pytest.mark.tree
@pytest.mark.usefixtures("quick_relays")
async def test_the_bot_of_the_docs(key: str) -> None:
    async with relay() as local:
        bot = asyncio.create_task(example("bot.py")["main"](key, local.url))
        me = KEY.public_key.hex
        # It answers nothing from before it began, which may be in the next second.
        asked = note("/roll 20", tags=(("p", me),), ahead=60)
        await local.add(asked)

        async def answered() -> list[str]:
            found = await local.events(Filter.of(authors=[me], kinds=[1], e=[asked.id]))
            return [event.content for event in found if event.content.endswith(" of 20")]

        try:
            await until(lambda: bot.done() or local.connections)
            assert await until(answered)
        finally:
            bot.cancel()
            with suppress(asyncio.CancelledError):
                await bot


@pytest.mark.slow
def test_the_plain_script_of_the_docs(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    with running_relay() as local:
        example("plain.py")["main"](key, local.url, most=1)
    assert capsys.readouterr().out == f"{KEY.public_key.hex[:8]} hello from a plain script\n"
