"""A relay for the programs of one person: whoever has no token is not answered at all.

Loopback keeps other machines out, not other users of this one, nor pages in its browsers. The token
lies in a file that only its owner can read, and comes as `Authorization: Bearer ...` (RFC 6750).
"""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Final

from nostr_client.errors import ConfigError
from relays.config.private_file import read_private
from relays.web.http_types import HttpRequest, HttpResponse, words

SHORTEST: Final = 32
"""Characters; fewer could be guessed."""
_SCHEME: Final = "bearer"


def read_token(path: str | None) -> str:
    """The token in a file; empty where none is asked for. Raises ConfigError."""
    if path is None:
        return ""
    token = read_private(path, "[web] token_file")
    if len(token) < SHORTEST:
        raise ConfigError(f"[web] token_file: {path} holds fewer than {SHORTEST} characters")
    return token


def refusal(token: str, request: HttpRequest) -> HttpResponse | None:
    """The answer to a request that does not show `token`; None for one that may go on.

    A page in a browser is refused whatever it shows.
    """
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(shown.strip().encode(), token.encode())
    if scheme.lower() == _SCHEME and right and "origin" not in request.headers:
        return None
    text = "This relay is for its owner's programs."
    return words(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": "Bearer"})
