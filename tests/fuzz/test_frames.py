"""The fuzz itself: what must not hold it up."""

from __future__ import annotations

import asyncio

import pytest

from tests.fuzz import frames


async def test_an_attacker_does_not_listen_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "LISTENING", 0.1)
    reader = asyncio.StreamReader()

    async def live_seq() -> None:
        while True:
            reader.feed_data(b"x")
            await asyncio.sleep(0.01)

    coming = asyncio.create_task(live_seq())
    async with asyncio.timeout(30):
        assert (await frames._what_it_says(reader, 30.0)).startswith(b"x")
    coming.cancel()
