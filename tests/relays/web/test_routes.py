"""The site of a whole process: rooms by their paths, and who may watch over it."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

import pytest

from relays.config.relay_config import RelayConfig, Web
from relays.web.http_types import HttpRequest, HttpResponse, words
from relays.web.pages import SubRelayPages
from relays.web.routes import MetricsPage, Routes
from tests.relays.web.test_http import request

ONION = ("ws://" + "a" * 56 + ".onion",)


async def well(_: HttpRequest) -> HttpResponse:
    return words(HTTPStatus.OK, "ok")


def front() -> Routes:
    rooms = [
        SubRelayPages(RelayConfig(name="outbox")),
        SubRelayPages(RelayConfig(name="inbox", path="/inbox")),
    ]
    return Routes(rooms, {"/health": well})


async def test_rooms_by_their_paths() -> None:
    site = front()
    for path, name in (("/", "outbox"), ("/inbox", "inbox")):
        document = await site.answer(request(path, accept="application/nostr+json"))
        assert json.loads(document.body)["name"] == name
        assert site.admits(request(path)) is None
    assert site.admits(request("/other")) is not None
    assert (await site.answer(request("/other"))).status == 404


async def test_what_is_watched_is_no_relay() -> None:
    site = front()
    assert (await site.answer(request("/health"))).body == b"ok\n"
    assert site.admits(request("/health")) is not None
    assert (await site.answer(request("/health", "POST"))).status == 405
    assert (await site.answer(request("/health", origin="https://evil.example"))).status == 403


@pytest.mark.parametrize(
    ("config", "headers", "status"),
    [
        (RelayConfig(), {}, 200),
        (RelayConfig(), {"address": "::1"}, 200),
        (RelayConfig(), {"address": "203.0.113.9"}, 403),
        (RelayConfig(), {"x-forwarded-for": "127.0.0.1"}, 403),
        (RelayConfig(), {"host": "localhost:7777"}, 200),
        (RelayConfig(), {"host": "[::1]:7777"}, 200),
        (RelayConfig(), {"host": "evil.example:7777"}, 403),
        (RelayConfig(), {"host": "203.0.113.9"}, 403),  # a proxy that kept the name, and no more
        (RelayConfig(), {"x-forwarded-host": "relay.example"}, 403),
        (RelayConfig(), {"true-client-ip": "203.0.113.9"}, 403),
        (RelayConfig(), {"host": "[bad"}, 403),
        (RelayConfig(), {"host": ""}, 403),
        (RelayConfig(web=Web(metrics_from=())), {}, 403),
        (RelayConfig(web=Web(metrics_from=("10.0.0.0/8",))), {"address": "10.1.1.1"}, 200),
        (RelayConfig(web=Web(metrics_from=("10.0.0.0/8",))), {}, 403),
        # Whoever comes through Tor comes from this machine.
        (RelayConfig(urls=ONION), {}, 403),
        (RelayConfig(urls=ONION, web=Web(metrics_from=("127.0.0.1",))), {}, 200),
    ],
)
async def test_who_may_read_the_metrics(
    config: RelayConfig, headers: dict[str, Any], status: int
) -> None:
    async def exposition() -> bytes:
        return b"nostr_relay_up 1\n"

    page = MetricsPage(config, exposition)
    answer = await page.answer(request("/metrics", **({"host": "127.0.0.1:7777"} | headers)))
    assert answer.status == status
    assert (answer.body == b"nostr_relay_up 1\n") is (status == 200)
    assert "Access-Control-Allow-Origin" not in answer.headers
