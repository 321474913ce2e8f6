"""Blossom: files on servers, addressed by their SHA-256 (NIP-B7, BUD-01 to 04, 06 and 11).

Where the files of an author are (kind 10063), which hash a URL names, and the event of kind 24242
by which a server knows that its author lets it do one thing with one file.
"""

from __future__ import annotations

import base64
import re
from typing import Final

import msgspec

from nostr_client.errors import InvalidData
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.urls import host_of, normalize_relay_url

MOST_SERVERS: Final = 10
"""Servers of one list that are looked at."""
EARLIER: Final = 30
"""Seconds by which an authorization is dated back: clocks differ, and it must lie in the past."""
VALID: Final = 600
"""Seconds for which it is good."""
_SCHEMES: Final = {"http": "ws", "https": "wss"}
_HASH: Final = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{64}(?![0-9a-fA-F])")


def server_url(text: str) -> str:
    """The one spelling of a server's URL: scheme, host and port, no slash at its end.

    Raises InvalidData; also for a path: the endpoints stand at the root of a host.
    """
    scheme, separator, rest = text.strip().partition("://")
    spoken = _SCHEMES.get(scheme.lower())
    if not separator or spoken is None:
        raise InvalidData("a media server's URL begins with https://")
    normal = normalize_relay_url(f"{spoken}://{rest.rstrip('/')}")
    _, _, place = normal.partition("://")
    if "/" in place or "?" in place:
        raise InvalidData("a media server's URL is a host, without a path")
    return f"{scheme.lower()}://{place}"


def servers_of(event: Event | None) -> tuple[str, ...]:
    """The servers in a list (kind 10063), the most trusted first. The malformed are passed over."""
    found: dict[str, None] = {}
    for text in event.values("server") if event is not None else ():
        try:
            found[server_url(text)] = None
        except InvalidData:
            continue
        if len(found) == MOST_SERVERS:
            break
    return tuple(found)


def hash_in(url: str) -> str:
    """The SHA-256 that a URL names (hex, lower case): the last one in it; empty for none."""
    hashes = _HASH.findall(url)
    return hashes[-1].lower() if hashes else ""


def blob_url(server: str, sha256: str, ending: str = "") -> str:
    """Where a server has the file of that hash; `ending` as in `.jpg`."""
    return f"{server}/{sha256}{ending}"


def authorization(verb: str, sha256: str, server: str, now: float, words: str) -> Draft:
    """What is to be signed for one thing with one file at one server: no other can use it.

    `verb` is BUD-11's (`upload`, `get`, `delete`, `list`, which is of no file: `sha256` is empty);
    `words` say to people what it is for.
    """
    at = int(now) - EARLIER
    tags = (
        ("t", verb),
        *((("x", sha256),) if sha256 else ()),
        ("server", host_of(f"wss://{server.partition('://')[2]}")),
        ("expiration", str(int(now) + VALID)),
    )
    return Draft(kinds.BLOSSOM_AUTHORIZATION, words, tags, created_at=at)


def header_of(event: Event) -> str:
    """The value of the Authorization header.

    BUD-11 wants the URL's alphabet without padding; servers from before it read plain base64. A
    multiple of three bytes needs no padding, and no byte of our tags (ASCII, none of `~>?`) needs
    one of the two characters in which the alphabets differ, so that one code is right for both.
    """
    data = event.json
    return f"Nostr {base64.urlsafe_b64encode(data + b' ' * (-len(data) % 3)).decode()}"


class BlobDescriptor(msgspec.Struct, frozen=True):
    """What a server says of a file that it took (BUD-02); `uploaded` is when, in seconds."""

    sha256: str = ""
    size: int = 0
    url: str = ""
    type: str = ""
    uploaded: int = 0


def descriptor_of(body: bytes) -> BlobDescriptor:
    """Raises InvalidData."""
    try:
        return msgspec.json.decode(body, type=BlobDescriptor)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidData("the server does not say what it took (no blob descriptor)") from None


def descriptors_of(body: bytes) -> list[BlobDescriptor]:
    """What a server says of the files of somebody (BUD-12); those without a hash are passed over.
    Raises InvalidData."""
    try:
        found = msgspec.json.decode(body, type=list[BlobDescriptor])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidData("the server does not say what it has (no blob descriptors)") from None
    return [one for one in found if is_hex64(one.sha256)]
