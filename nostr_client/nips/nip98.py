"""HTTP requests signed by a Nostr key (NIP-98): the Authorization header, made and checked.

The header carries an event of kind 27235 that names the URL, the method and the hash of the body.
To refuse a second use of one within the window is for whoever checks: he remembers the ids.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection
from hashlib import sha256
from typing import Final

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.urls import normalize_relay_url

KIND: Final = 27235
WINDOW: Final = 60
"""Seconds that the date may be off, as NIP-98 suggests."""
LONGEST: Final = 8192
"""Characters of a header that is read."""
_SCHEME: Final = "nostr"


def request(url: str, method: str, body: bytes | None = None) -> Draft:
    """What is to be signed for a request; `body` None: it has none."""
    tags = [("u", url), ("method", method.upper())]
    if body is not None:
        tags.append(("payload", sha256(body).hexdigest()))
    return Draft(KIND, tags=tuple(tags))


def authorization(event: Event) -> str:
    """The Authorization header's value: a `request`, signed."""
    return f"Nostr {base64.b64encode(event.json).decode()}"


def check(
    authorization: str,
    *,
    urls: Collection[str],
    method: str,
    now: float,
    body: bytes,
    payload_needed: bool = True,
    window: int = WINDOW,
) -> Event:
    """The event in a header, once everything about it is right, its signature too.

    `urls`: those that mean this service, each exactly as a client may write it. Raises InvalidData,
    which says what is wrong.
    """
    event = _event_in(authorization)
    if event.kind != KIND:
        raise InvalidData(f"authorization: its event is not of kind {KIND}")
    if abs(now - event.created_at) > window:
        raise InvalidData(f"authorization: created_at is more than {window} seconds off")
    if _only(event, "method").upper() != method.upper():
        raise InvalidData("authorization: it is for another method")
    if _only(event, "u") not in urls:
        raise InvalidData("authorization: it is for another URL")
    if (payload_needed or event.value("payload") is not None) and (
        _only(event, "payload").lower() != sha256(body).hexdigest()
    ):
        raise InvalidData("authorization: the payload's hash is another one")
    if not event.verify():
        raise InvalidData("authorization: the signature is wrong")
    return event


def spellings(url: str) -> frozenset[str]:
    """How clients write the URL of a relay when they ask it over HTTP (NIP-86).

    As WebSocket or HTTP, with or without the slash behind a bare host. Raises InvalidData.
    """
    normal = normalize_relay_url(url)
    both = normal, f"http{normal.removeprefix('ws')}"
    bare = normal.count("/") == 2
    return frozenset(each + end for each in both for end in (("", "/") if bare else ("",)))


def _event_in(authorization: str) -> Event:
    scheme, _, code = authorization.strip().partition(" ")
    if scheme.lower() != _SCHEME or len(authorization) > LONGEST:
        raise InvalidData("authorization: the header has not the form `Nostr <base64>`")
    code = code.strip()
    try:  # padding may be missing, as it is in the example of the NIP
        data = base64.b64decode(code + "=" * (-len(code) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidData("authorization: not base64") from None
    try:
        return Event.parse(data)
    except InvalidEvent as error:
        raise InvalidData(f"authorization: {error}") from None


def _only(event: Event, name: str) -> str:
    """The value of a tag that stands once."""
    values = list(event.values(name))
    if len(values) != 1:
        raise InvalidData(f"authorization: it needs one tag {name}")
    return values[0]
