"""The one site of a process: the pages of its sub-relays, and what those see who watch over it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from relays.config.relay_config import RelayConfig
from relays.networks import LOOPBACK, Networks, bare
from relays.web import prometheus
from relays.web.http_types import Handler, HttpRequest, HttpResponse, words
from relays.web.pages import SubRelayPages, nothing_here
from relays.web.proxies import was_passed_on

_NO_STORE: Final = {"Cache-Control": "no-store"}


class Routes:
    """A `Site`. `pages` are the sub-relays', that of `/` first; `watched` are handlers by path."""

    def __init__(self, pages: Sequence[SubRelayPages], watched: Mapping[str, Handler]) -> None:
        self._pages = pages
        self._watched = watched

    def admits(self, request: HttpRequest) -> HttpResponse | None:
        """See `Site`."""
        sub_relay = self._sub_relay(request)
        return nothing_here() if sub_relay is None else sub_relay.admits(request)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """See `Site`."""
        sub_relay = self._sub_relay(request)
        if sub_relay is not None:
            return await sub_relay.answer(request)
        watched = self._watched.get(request.path)
        if watched is None:
            return nothing_here()
        if "origin" in request.headers:
            return words(HTTPStatus.FORBIDDEN, "This is not for web pages.")
        if request.method not in ("GET", "HEAD"):
            return words(HTTPStatus.METHOD_NOT_ALLOWED, "Ask with GET.", {"Allow": "GET, HEAD"})
        return await watched(request)

    def _sub_relay(self, request: HttpRequest) -> SubRelayPages | None:
        return next((pages for pages in self._pages if request.path in pages.paths), None)


class MetricsPage:
    """Answers /metrics, to those whom the configuration names. Raises ConfigError."""

    def __init__(self, config: RelayConfig, exposition: Callable[[], Awaitable[bytes]]) -> None:
        self._exposition = exposition
        self.reconfigure(config)

    def reconfigure(self, config: RelayConfig) -> None:
        """From now on answer to those whom this configuration names. Raises ConfigError."""
        self._from = _networks(config)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The counters."""
        if request.address not in self._from or _is_from_elsewhere(request):
            return words(HTTPStatus.FORBIDDEN, "Not from there: see [web] metrics_from.")
        return HttpResponse(
            status=HTTPStatus.OK,
            media_type=prometheus.MEDIA_TYPE,
            body=await self._exposition(),
            headers=_NO_STORE,
        )


def _is_from_elsewhere(request: HttpRequest) -> bool:
    """Does it only seem to come from this machine?"""
    if request.address not in LOOPBACK:
        return False
    # By a proxy, which may keep the name that it was asked for and say nothing else; or from a page
    # in a browser here, whose owner made its name point to us.
    name = bare(request.host)
    return was_passed_on(request.headers) or not (name == "localhost" or name in LOOPBACK)


def _networks(config: RelayConfig) -> Networks:
    if config.web.metrics_from is not None:
        return Networks(config.web.metrics_from)
    hosts = [urlsplit(url).hostname or "" for url in config.urls]
    return Networks(()) if any(host.endswith(".onion") for host in hosts) else LOOPBACK
