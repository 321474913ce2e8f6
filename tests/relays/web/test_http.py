"""The information document (NIP-11) and what browsers get."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from unittest.mock import AsyncMock

import pytest

from nostr_client.nips import nip11
from relays.config.relay_config import RelayConfig
from relays.config.sections import Limits
from relays.web.http_types import HttpRequest, HttpResponse
from relays.web.nip11_document import NIPS, Features
from relays.web.pages import ADMIN_TYPE, SubRelayPages
from relays.web.status_page import Figures

CONFIG = RelayConfig(name="<b>Ana's</b>", contact="mailto:ana@example.com")


def is_open_to_pages(headers: Mapping[str, str]) -> bool:
    """May a page of another origin ask, and sign what it asks? The star stands for all but that."""
    named = headers["Access-Control-Allow-Headers"].split(", ")
    return headers["Access-Control-Allow-Origin"] == "*" and {"*", "Authorization"} <= set(named)


def request(target: str = "/", method: str = "GET", **headers: str) -> HttpRequest:
    path, _, query = target.partition("?")
    lower = {name.lower(): value for name, value in headers.items()}
    host, address = lower.get("host", ""), lower.pop("address", "127.0.0.1")
    return HttpRequest(
        method=method, path=path, query=query, headers=lower, host=host, address=address
    )


def admitted(target: str = "/", config: RelayConfig = CONFIG, **headers: str) -> bool:
    return SubRelayPages(config).admits(request(target, **headers)) is None


async def answer(
    target: str = "/", method: str = "GET", config: RelayConfig = CONFIG, **headers: str
) -> HttpResponse:
    return await SubRelayPages(config).answer(request(target, method, **headers))


async def test_the_information_document() -> None:
    response = await answer(Accept="application/nostr+json")
    assert response.status == 200
    assert response.media_type.startswith("application/nostr+json")
    assert is_open_to_pages(response.headers)
    document = json.loads(response.body)
    assert nip11.parse(bytes(response.body)).name == CONFIG.name
    assert document["contact"] == CONFIG.contact
    assert "pubkey" not in document
    assert document["supported_nips"] == list(NIPS)
    limits, said = Limits(), document["limitation"]
    assert said["max_message_length"] == limits.message_bytes
    assert said["max_subscriptions"] == limits.subscriptions
    assert said["created_at_upper_limit"] == limits.created_at_ahead
    assert "created_at_lower_limit" not in said
    assert said["auth_required"] is said["payment_required"] is False


async def test_a_lower_limit_is_told_where_there_is_one() -> None:
    config = RelayConfig(limits=Limits(created_at_behind=60))
    response = await answer(config=config, Accept="application/nostr+json, text/html;q=0.5")
    assert json.loads(response.body)["limitation"]["created_at_lower_limit"] == 60


async def test_a_browser_gets_a_page_without_markup_from_outside() -> None:
    response = await answer(Accept="text/html")
    assert response.media_type.startswith("text/html")
    assert b"&lt;b&gt;" in response.body
    assert b"<b>" not in response.body


def test_a_websocket_is_let_through() -> None:
    assert admitted(Upgrade="websocket", Connection="Upgrade")
    assert admitted("/?key=1", Upgrade="websocket")


@pytest.mark.parametrize("path", ["/x", "//", "/../", "/inbox"])
async def test_other_paths(path: str) -> None:
    assert not admitted(path, Upgrade="websocket")
    assert (await answer(path, Accept="application/nostr+json")).status == 404


def test_the_path_of_a_public_url() -> None:
    config = RelayConfig(urls=("wss://example.com/inbox",))
    assert admitted("/inbox", config, Upgrade="websocket")
    assert admitted("/", config, Upgrade="websocket")


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:7777", None, None),
        ("127.0.0.1:7777", "https://evil.example", 403),
        ("127.0.0.1:7777", "null", 403),
        ("127.0.0.1:7777", "http://127.0.0.1:8000", 403),
        ("127.0.0.1:7777", "http://127.0.0.1:7777", None),
        ("[::1]:7777", "http://[::1]:7777", None),
        ("127.0.0.1", "http://127.0.0.1", None),  # port 80
        ("[::1]", "http://[::1]", None),
        # A name that its owner makes point to this machine.
        ("evil.example:7777", "http://evil.example:7777", 403),
    ],
)
async def test_a_relay_for_programs_only(host: str, origin: str | None, status: int | None) -> None:
    headers = {"Host": host, "Upgrade": "websocket"} | ({"Origin": origin} if origin else {})
    assert admitted(**headers), "others let browsers in"
    config = RelayConfig(web_pages=False)
    assert admitted(config=config, **headers) is (status is None)
    document = await answer(config=config, **headers, Accept="application/nostr+json")
    assert document.status == (status or 200)
    if status:
        assert "Access-Control-Allow-Origin" not in document.headers


async def test_methods() -> None:
    options = await answer(method="OPTIONS")
    assert options.status == 204
    assert is_open_to_pages(options.headers)
    refused = await answer(method="DELETE")
    assert refused.status == 405
    assert "GET" in refused.headers["Allow"]


async def test_the_status_page_and_its_figures() -> None:
    figures = [Figures(connections=1), Figures(connections=2)]
    pages = SubRelayPages(CONFIG, figures=AsyncMock(side_effect=figures))
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    page = await pages.answer(request(accept=accept, host="<127.0.0.1:7777"))
    assert b'<dd id="connections">1</dd>' in page.body
    assert b"<code>ws://&lt;127.0.0.1:7777/</code>" in page.body
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    fresh = await pages.answer(request(accept="application/json"))
    assert json.loads(fresh.body)["texts"]["connections"] == "2"
    assert fresh.headers["Vary"] == "Accept"


async def test_where_not_everybody_reads_no_figures_are_shown() -> None:
    pages = SubRelayPages(
        CONFIG, Features(asks_who=True), figures=AsyncMock(return_value=Figures(connections=12345))
    )
    page = await pages.answer(request(accept="text/html"))
    assert b"Limits" in page.body
    fresh = await pages.answer(request(accept="application/json"))
    for body in (page.body, fresh.body):
        assert b"12,345" not in body
    assert b"<script" not in page.body


async def test_another_configuration() -> None:
    pages = SubRelayPages(CONFIG)
    pages.reconfigure(RelayConfig(name="new", path="/inbox"), Features(searches=True))
    assert pages.admits(request("/")) is not None
    document = await pages.answer(request("/inbox", accept="application/nostr+json"))
    assert json.loads(document.body)["name"] == "new"
    assert 50 in json.loads(document.body)["supported_nips"]


async def test_calls_of_an_admin() -> None:
    async def echo(call: HttpRequest) -> HttpResponse:
        return HttpResponse(status=HTTPStatus.OK, media_type="application/json", body=call.body)

    pages = SubRelayPages(CONFIG, admin=echo)
    asked = HttpRequest(method="POST", path="/", headers={"content-type": ADMIN_TYPE}, body=b"{}")
    called = await pages.answer(asked)
    assert called.body == b"{}"
    assert called.headers["Access-Control-Allow-Origin"] == "*"
    other = HttpRequest(method="POST", path="/", headers={"content-type": "text/plain"})
    assert (await pages.answer(other)).status == 415
    assert (await SubRelayPages(CONFIG).answer(asked)).status == 405
