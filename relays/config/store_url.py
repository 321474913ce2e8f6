"""Where a relay keeps what it has, if not in its folder: in a PostgreSQL database, which any number
of nodes share.

`postgresql://user@host/database`, as PostgreSQL's own programs take it. The schemas of one relay
there all have one name in the beginning of theirs: `relay`, or what the URL says
(`?search_path=NAME`).
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import parse_qsl, urlencode

from nostr_client.redact import redacted
from nostr_client.settings import read_by
from nostr_client.store.postgres.addresses import is_address

VARIABLE: Final = "NOSTR_CLIENT_RELAY_STORE"
"""The one of the environment that may hold such a URL; no child is given it."""
_DEFAULT: Final = "relay"
_SCHEMA: Final = "search_path"
_is_base: Final = re.compile("[a-z_][a-z0-9_]{0,39}").fullmatch


def store_url(value: object) -> str:
    """Such a URL. Raises ValueError, which does not say it back: it may hold a password."""
    if not isinstance(value, str) or not is_address(value) or _is_base(base_of(value)) is None:
        raise ValueError("it is none")
    return value


StoreUrl = Annotated[
    str,
    read_by(
        store_url,
        "postgresql://user@host/database, with ?search_path=name (of one schema: small letters,"
        " digits and _) if need be, and %2F, %3F, %23, %40 for / ? # @ in a password",
        secret=True,
    ),
]


def base_of(url: str) -> str:
    """What the names of the relay's schemas begin with."""
    return dict(parse_qsl(url.partition("?")[2])).get(_SCHEMA, _DEFAULT)


def shown(url: str) -> str:
    """It for people: without a password."""
    return f"{redacted(url.partition('?')[0])} (schema {base_of(url)})"


def url_of_schema(url: str, schema: str) -> str:
    """The URL of one schema of the database that `url` names."""
    place, _, query = url.partition("?")
    parts = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != _SCHEMA]
    return f"{place}?{urlencode([*parts, (_SCHEMA, schema)])}"
