"""Plain HTTP on the relay's port: the information document (NIP-11), and a word for browsers."""

from __future__ import annotations

import html
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from nostr_client.nips.nip11 import MEDIA_TYPE, Limitation, RelayInfo
from nostr_client.protocol.messages import MAX_SUBSCRIPTION_ID
from nostr_client.version import __version__
from relays.config import RelayConfig

NIPS: Final = (1, 9, 11, 40, 45, 62, 67, 70)
"""What this relay does; NIPs that are a client's affair are not named."""
_CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, OPTIONS",
}


class _Limitation(Limitation, frozen=True, kw_only=True, omit_defaults=True):
    """With two limits of ours that NIP-11 has no name for."""

    max_filters: int
    max_filter_values: int


def information(config: RelayConfig) -> bytes:
    """The document of NIP-11. Every number in it is one that the relay keeps to."""
    limits = config.limits
    limitation = _Limitation(
        max_message_length=limits.message_bytes,
        max_subscriptions=limits.subscriptions,
        max_filters=limits.filters,
        max_filter_values=limits.filter_values,
        max_limit=limits.max_limit,
        default_limit=limits.default_limit,
        max_subid_length=MAX_SUBSCRIPTION_ID,
        max_event_tags=limits.event_tags,
        max_content_length=limits.content_length,
        created_at_lower_limit=limits.created_at_behind,
        created_at_upper_limit=limits.created_at_ahead,
        auth_required=False,
        payment_required=False,
        restricted_writes=False,
    )
    return RelayInfo(
        name=config.name,
        description=config.description,
        pubkey=config.pubkey,
        contact=config.contact,
        supported_nips=NIPS,
        version=__version__,
        limitation=limitation,
    ).encode()


class Pages:
    """Answers requests that are not to become a WebSocket."""

    def __init__(self, config: RelayConfig) -> None:
        self._document = information(config)
        self._greeting = _greeting(config).encode()
        self._web_pages = config.web_pages
        self._paths: Collection[str] = {"/"} | {urlsplit(url).path or "/" for url in config.urls}

    def respond(self, request: Request) -> Response | None:
        """The answer; None when the request may become a WebSocket."""
        if not self._web_pages and _from_a_page(request):
            response = refusal(HTTPStatus.FORBIDDEN, "This relay is not for web pages.")
            del response.headers["Access-Control-Allow-Origin"]
            return response
        path = request.path.partition("?")[0]
        if path not in self._paths:
            return refusal(HTTPStatus.NOT_FOUND, "There is nothing here.")
        match request.method:
            case "OPTIONS":
                return _response(HTTPStatus.NO_CONTENT, "", b"")
            case "GET" | "HEAD":
                pass
            case _:
                return not_allowed()
        if MEDIA_TYPE in ",".join(request.headers.get_all("Accept")):
            answer = _response(HTTPStatus.OK, MEDIA_TYPE, self._document)
        elif request.headers.get_all("Upgrade"):
            return None
        else:
            answer = _response(HTTPStatus.OK, "text/html", self._greeting)
        if request.method == "HEAD":
            answer.body = b""
        return answer


def refusal(status: HTTPStatus, words: str) -> Response:
    """An answer that says no, and why."""
    return _response(status, "text/plain", f"{words}\n".encode())


def not_allowed() -> Response:
    """The answer to a method that is none of ours."""
    response = refusal(HTTPStatus.METHOD_NOT_ALLOWED, "Ask with GET.")
    response.headers["Allow"] = _CORS["Access-Control-Allow-Methods"]
    return response


def _from_a_page(request: Request) -> bool:
    """Browsers name the page's origin, always; some programs name the relay itself."""
    own = [f"http://{host}" for host in request.headers.get_all("Host") if _is_numeric(host)]
    return any(origin not in own for origin in request.headers.get_all("Origin"))


def _is_numeric(host: str) -> bool:
    # A name may be made to point here by whoever owns it; then it is the page's own.
    try:
        ip_address(host.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


def _response(status: HTTPStatus, kind: str, body: bytes) -> Response:
    headers = Headers(_CORS)
    headers["Connection"] = "close"
    headers["Vary"] = "Accept"
    if kind:
        headers["Content-Type"] = f"{kind}; charset=utf-8"
        headers["Content-Length"] = str(len(body))
        headers["X-Content-Type-Options"] = "nosniff"
    return Response(status.value, status.phrase, headers, body)


def _greeting(config: RelayConfig) -> str:
    name, words = html.escape(config.name), html.escape(config.description)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<h1>{name}</h1><p>{words}</p>"
        "<p>This is a Nostr relay: open its address in a Nostr client.</p></html>\n"
    )
