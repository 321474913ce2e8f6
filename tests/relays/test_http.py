"""The information document (NIP-11) and what browsers get."""

from __future__ import annotations

import json

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nostr_client.nips import nip11
from relays.config import Limits, RelayConfig
from relays.web.pages import NIPS, Pages

CONFIG = RelayConfig(name="<b>Ana's</b>", contact="mailto:ana@example.com")
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Headers")


def ask(
    path: str = "/", method: str = "GET", config: RelayConfig = CONFIG, **headers: str
) -> Response | None:
    return Pages(config).respond(Request(path, Headers(headers), method))


def answer(path: str = "/", method: str = "GET", **headers: str) -> Response:
    response = ask(path, method, **headers)
    assert response is not None
    return response


def test_the_information_document() -> None:
    response = answer(Accept="application/nostr+json")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("application/nostr+json")
    assert all(response.headers[name] == "*" for name in CORS)
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


def test_a_lower_limit_is_told_where_there_is_one() -> None:
    config = RelayConfig(limits=Limits(created_at_behind=60))
    response = ask(config=config, Accept="application/nostr+json, text/html;q=0.5")
    assert response is not None
    assert json.loads(response.body)["limitation"]["created_at_lower_limit"] == 60


def test_a_browser_gets_a_page_without_markup_from_outside() -> None:
    response = answer(Accept="text/html")
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"&lt;b&gt;" in response.body
    assert b"<b>" not in response.body


def test_a_websocket_is_let_through() -> None:
    assert ask(Upgrade="websocket", Connection="Upgrade") is None
    assert ask("/?key=1", Upgrade="websocket") is None


@pytest.mark.parametrize("path", ["/x", "//", "/../", "/inbox"])
def test_other_paths(path: str) -> None:
    assert answer(path, Upgrade="websocket").status_code == 404
    assert answer(path, Accept="application/nostr+json").status_code == 404


def test_the_path_of_a_public_url() -> None:
    config = RelayConfig(urls=("wss://example.com/inbox",))
    assert ask("/inbox", config=config, Upgrade="websocket") is None
    assert ask("/", config=config, Upgrade="websocket") is None


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:7777", None, None),
        ("127.0.0.1:7777", "https://evil.example", 403),
        ("127.0.0.1:7777", "null", 403),
        ("127.0.0.1:7777", "http://127.0.0.1:8000", 403),
        ("127.0.0.1:7777", "http://127.0.0.1:7777", None),
        ("[::1]:7777", "http://[::1]:7777", None),
        # A name that its owner makes point to this machine.
        ("evil.example:7777", "http://evil.example:7777", 403),
    ],
)
def test_a_relay_for_programs_only(host: str, origin: str | None, status: int | None) -> None:
    headers = {"Host": host, "Upgrade": "websocket"} | ({"Origin": origin} if origin else {})
    assert ask(**headers) is None, "others let browsers in"
    config = RelayConfig(web_pages=False)
    response = ask(config=config, **headers)
    assert (None if response is None else response.status_code) == status
    document = ask(config=config, **headers, Accept="application/nostr+json")
    assert document is not None
    assert document.status_code == (status or 200)
    if status:
        assert "Access-Control-Allow-Origin" not in document.headers


def test_methods() -> None:
    options = answer(method="OPTIONS")
    assert options.status_code == 204
    assert all(options.headers[name] == "*" for name in CORS)
    head = answer(method="HEAD", Accept="application/nostr+json")
    assert head.body == b""
    assert int(head.headers["Content-Length"]) > 100
    refused = answer(method="DELETE")
    assert refused.status_code == 405
    assert "GET" in refused.headers["Allow"]
