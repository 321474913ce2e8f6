"""One request of plain HTTP and its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

import msgspec


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
