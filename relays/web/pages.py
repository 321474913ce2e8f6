"""Plain HTTP on the relay's port: the information document (NIP-11), and a word for browsers."""

from __future__ import annotations

import html
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from nostr_client.nips.nip11 import MEDIA_TYPE, Limitation, RelayInfo
from nostr_client.protocol.messages import MAX_SUBSCRIPTION_ID
from nostr_client.version import __version__
from relays.config import RelayConfig
from relays.web.requests import HttpRequest, HttpResponse, words

NIPS: Final = (1, 9, 11, 40, 45, 62, 67, 70)
"""What this relay does; NIPs that are a client's affair are not named."""
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "*",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
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

    def admits(self, request: HttpRequest) -> HttpResponse | None:
        """See `Site`."""
        return self._fault(request)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """See `Site`."""
        fault = self._fault(request)
        if fault is not None:
            return fault
        match request.method:
            case "OPTIONS":
                return HttpResponse(status=HTTPStatus.NO_CONTENT, headers=CORS)
            case "GET" | "HEAD":
                pass
            case _:
                headers = {"Allow": CORS["Access-Control-Allow-Methods"]}
                return words(HTTPStatus.METHOD_NOT_ALLOWED, "Ask with GET.", headers)
        if MEDIA_TYPE in request.headers.get("accept", ""):
            return _page(MEDIA_TYPE, self._document)
        return _page("text/html; charset=utf-8", self._greeting)

    def _fault(self, request: HttpRequest) -> HttpResponse | None:
        if not self._web_pages and _from_a_page(request):
            return words(HTTPStatus.FORBIDDEN, "This relay is not for web pages.")
        if request.path not in self._paths:
            return words(HTTPStatus.NOT_FOUND, "There is nothing here.", CORS)
        return None


def _from_a_page(request: HttpRequest) -> bool:
    """Browsers name the page's origin, always; some programs name the relay itself."""
    origin = request.headers.get("origin")
    return origin is not None and (
        origin != f"http://{request.host}" or not _is_numeric(request.host)
    )


def _is_numeric(host: str) -> bool:
    # A name may be made to point here by whoever owns it; then it is the page's own.
    try:
        ip_address(host.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


def _page(media_type: str, body: bytes) -> HttpResponse:
    headers = {**CORS, "Vary": "Accept", "X-Content-Type-Options": "nosniff"}
    return HttpResponse(status=HTTPStatus.OK, media_type=media_type, body=body, headers=headers)


def _greeting(config: RelayConfig) -> str:
    name, words = html.escape(config.name), html.escape(config.description)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title>'
        f"<h1>{name}</h1><p>{words}</p>"
        "<p>This is a Nostr relay: open its address in a Nostr client.</p></html>\n"
    )
