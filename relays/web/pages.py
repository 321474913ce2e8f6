"""What a relay answers over plain HTTP: to programs, to people, and to its admins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from nostr_client.nips.nip11 import MEDIA_TYPE
from relays.config.relay_config import RelayConfig
from relays.networks import address_of, bare
from relays.web.http_types import Handler, HttpRequest, HttpResponse, words
from relays.web.nip11_document import Features, information
from relays.web.status_page import Figures, Neighbour, StatusPage

ADMIN_TYPE: Final = "application/nostr+json+rpc"
"""The media type of NIP-86."""
CORS: Final = {
    "Access-Control-Allow-Origin": "*",
    # The star does not stand for `Authorization`: browsers want that one by its name.
    "Access-Control-Allow-Headers": "*, Accept, Authorization, Content-Type",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
}
_ALLOW: Final = {"Allow": CORS["Access-Control-Allow-Methods"]}
_NO_STORE: Final = {"Cache-Control": "no-store"}


class SubRelayPages:
    """A `Site`: one sub-relay's. Its figures come from `figures`, which is asked at each request.

    `admin` answers what NIP-86 asks.
    """

    def __init__(
        self,
        config: RelayConfig,
        features: Features | None = None,
        *,
        figures: Callable[[], Awaitable[Figures]] | None = None,
        admin: Handler | None = None,
        others: Sequence[Neighbour] = (),
    ) -> None:
        self._figures = figures or _none
        self._admin = admin
        self.reconfigure(config, features or Features(), others)

    def reconfigure(
        self, config: RelayConfig, features: Features, others: Sequence[Neighbour] = ()
    ) -> None:
        """From now on say what is true of this configuration. Raises ConfigError.

        `others`: the relays beside this one.
        """
        info = information(config, features)
        self._document = info.encode()
        self._page = StatusPage(info, config, others=others, live=not features.asks_who)
        self._web_pages = config.web_pages
        paths = [config.path, *(urlsplit(url).path for url in config.urls)]
        self.paths: Collection[str] = {path or "/" for path in paths}

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
            case "POST" if self._admin is not None:
                if _media_type(request) != ADMIN_TYPE:
                    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
                    return words(status, f"A POST here is of the type {ADMIN_TYPE}.", CORS)
                return _with(await self._admin(request), CORS)
            case "GET" | "HEAD":
                return await self._show(request)
        return words(HTTPStatus.METHOD_NOT_ALLOWED, "Ask with GET.", {**CORS, **_ALLOW})

    async def _show(self, request: HttpRequest) -> HttpResponse:
        accepted = request.headers.get("accept", "")
        if MEDIA_TYPE in accepted:
            return _page(MEDIA_TYPE, self._document)
        if "application/json" in accepted and "text/html" not in accepted:
            return _page("application/json", self._page.json(await self._figures()), _NO_STORE)
        headers = {
            **_NO_STORE,
            "Content-Security-Policy": self._page.policy,
            "Referrer-Policy": "no-referrer",
        }
        here = f"{'wss' if request.secure else 'ws'}://{request.host}{request.path}"
        page = self._page.html(await self._figures(), here)
        return _page("text/html; charset=utf-8", page, headers)

    def _fault(self, request: HttpRequest) -> HttpResponse | None:
        if not self._web_pages and _from_a_page(request):
            return words(HTTPStatus.FORBIDDEN, "This relay is not for web pages.")
        return None if request.path in self.paths else nothing_here()


async def _none() -> Figures:
    return Figures()


def nothing_here() -> HttpResponse:
    """The answer for a path that is none of ours."""
    return words(HTTPStatus.NOT_FOUND, "There is nothing here.", CORS)


def _from_a_page(request: HttpRequest) -> bool:
    """Browsers name the page's origin, always; some programs name the relay itself."""
    origin = request.headers.get("origin")
    return origin is not None and (
        origin != f"http://{request.host}" or not _is_numeric(request.host)
    )


def _is_numeric(host: str) -> bool:
    # A name may be made to point here by whoever owns it; then it is the page's own.
    return address_of(bare(host)) is not None


def _media_type(request: HttpRequest) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _with(response: HttpResponse, headers: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(
        status=response.status,
        media_type=response.media_type,
        body=response.body,
        headers={**headers, **response.headers},
    )


def _page(media_type: str, body: bytes, further: Mapping[str, str] | None = None) -> HttpResponse:
    headers = {**CORS, "Vary": "Accept", "X-Content-Type-Options": "nosniff", **(further or {})}
    return HttpResponse(status=HTTPStatus.OK, media_type=media_type, body=body, headers=headers)
