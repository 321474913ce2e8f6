"""NIP-50 as a client meets it."""

from __future__ import annotations

import pytest

from nostr_client.protocol.event import Event
from tests.relays.conftest import Serve
from tests.relays.talk import NOW, Wire, note, wire
from tests.waiting import until


async def found(client: Wire, expected: list[Event], *filters: dict[str, object]) -> None:
    """The index follows in idle time: ask until it has."""

    async def is_found() -> bool:
        return await client.stored(*filters) == [event.id for event in expected]

    await until(is_found)


async def test_the_best_comes_first_and_the_limit_after(serve: Serve) -> None:
    served = await serve()
    best, good = note("Tea, tea", at=NOW), note("tea", at=NOW + 1)
    long = note("of all that is hot, and there is much, I like tea", at=NOW + 2)
    async with wire(served.url) as client:
        for event in (long, best, good, note("milk"), note("+ tea", kind=7)):
            await client.publish(event)
        await found(client, [best, good, long], {"search": "tea"})
        assert await client.stored({"search": "tea", "limit": 1}) == [best.id]
        assert await client.stored({"search": "tea language:en", "since": NOW + 1}) == [
            *(good.id, long.id),
        ]
        assert await client.stored({"search": "\"'*"}) == []
        await client.send("COUNT", "c", {"search": "tea"})
        assert (await client.recv())[2]["count"] == 3


@pytest.mark.parametrize("more", [(), ({"kinds": [7]},)])
async def test_a_search_looks_back_only(serve: Serve, more: tuple[dict[str, object], ...]) -> None:
    served = await serve()
    async with wire(served.url) as client:
        await client.req("s", {"search": "tea"}, *more)
        await client.publish(note("tea"))
        reaction = note("+", kind=7)
        if more:
            await client.offer(reaction)
            heard = [await client.recv(), await client.recv()]
            assert sorted(frame[0] for frame in heard) == ["EVENT", "OK"]
        assert await client.silent()
