"""Whose connection it is, and who has a share of them."""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from relays.config.relay_config import RelayConfig, Web
from relays.config.sections import Limits
from tests.relays.conftest import Serve
from tests.relays.talk import note, wire

FEW = Limits(connections_of_address=1)


def caller(address: str) -> dict[str, dict[str, str]]:
    return {"additional_headers": {"X-Forwarded-For": address}}


async def test_shares_go_by_the_address_that_a_trusted_proxy_names(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=FEW, web=Web(trusted_proxies=("127.0.0.1",))))
    first, second = caller("198.51.100.1, 203.0.113.1"), caller("203.0.113.2")
    async with wire(served.url, **first) as one, wire(served.url, **second) as two:
        assert (await one.publish(note()))[2] is True
        assert len(await two.stored({})) == 1
        for again in (caller("203.0.113.1"), caller("127.0.0.1, 203.0.113.2, 127.0.0.1")):
            with pytest.raises(InvalidStatus) as refused:
                async with wire(served.url, **again):
                    pass
            assert refused.value.response.status_code == 429
    async with wire(served.url, **first):
        pass  # his share is free again


async def test_nobody_else_is_believed(serve: Serve) -> None:
    served = await serve(RelayConfig(limits=FEW))
    same = caller("203.0.113.1")
    async with wire(served.url, **same), wire(served.url, **same):
        pass  # all of them are this machine, which has no share
