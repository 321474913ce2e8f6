"""One request of plain HTTP and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

_NO_HEADERS: Final[Mapping[str, str]] = {}


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole request. Header names are in lower case; doubled headers are joined by commas.

    `address` is the client's, `host` what it calls us; `secure`: it came over TLS.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = {}
    body: bytes = b""
    address: str = ""
    host: str = ""
    secure: bool = False


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `headers` come beside Content-Type and Content-Length."""

    status: HTTPStatus
    media_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = {}


Handler = Callable[[HttpRequest], Awaitable[HttpResponse]]
"""Answers a request; raises nothing that it should have said."""


class Site(Protocol):
    """Everything that is answered over plain HTTP."""

    def admits(self, request: HttpRequest) -> HttpResponse | None:
        """May this request become a WebSocket? If not, the answer that says why."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        """The answer to a request that does not ask for a WebSocket. Raises nothing."""


def words(status: HTTPStatus, text: str, headers: Mapping[str, str] = _NO_HEADERS) -> HttpResponse:
    """An answer in plain words."""
    return HttpResponse(
        status=status, media_type="text/plain", body=f"{text}\n".encode(), headers=headers
    )
