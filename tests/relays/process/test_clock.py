"""The machine's clock jumps: nothing is lost, nothing stands still."""

from __future__ import annotations

from relays.config.relay_config import RelayConfig
from tests.relays.conftest import Serve
from tests.relays.talk import NOW, note, wire

YEAR = 365 * 86_400


class Clock:
    def __init__(self) -> None:
        self.now = float(NOW)

    def __call__(self) -> float:
        return self.now


async def test_it_jumps_ahead_and_back(serve: Serve) -> None:
    clock = Clock()
    served = await serve(RelayConfig(), clock)
    passing = note("for an hour", tags=(("expiration", str(NOW + 3600)),))
    async with wire(served.url) as client, wire(served.url) as reader:
        await reader.req("live", {"kinds": [1], "limit": 0})
        assert (await client.publish(passing))[2] is True
        assert (await reader.recv())[2]["id"] == passing.id
        for number, jump in enumerate((YEAR, -2 * YEAR, 50 * YEAR, -60 * YEAR, 11 * YEAR)):
            clock.now += jump
            event = note(f"dated by this clock {number}", at=int(clock.now))
            assert await client.publish(event) == ["OK", event.id, True, ""]
            assert (await reader.recv())[2]["id"] == event.id
            assert await client.stored({"ids": [event.id]}) == [event.id]
            expected = 1 if clock.now < NOW + 3600 else 0
            found = await client.stored({"ids": [passing.id]})
            # What has expired may be gone for good once it has been so; never the other way round.
            assert len(found) <= expected
        assert clock.now == NOW
        assert len(await client.stored({"kinds": [1]})) >= 5
        ahead = note("too far ahead of this clock", at=NOW + YEAR)
        assert (await client.publish(ahead))[2] is False
        assert await client.silent()


async def test_a_clock_that_stands_before_1970(serve: Serve) -> None:
    clock = Clock()
    clock.now = 5.0
    served = await serve(RelayConfig(), clock)
    async with wire(served.url) as client:
        assert (await client.publish(note("the battery is empty", at=0)))[2] is True
        assert (await client.publish(note("years ahead")))[3].startswith("invalid:")
        clock.now = float(NOW)
        assert (await client.publish(note("years ahead")))[2] is True
        assert len(await client.stored({})) == 2
