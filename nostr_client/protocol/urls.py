"""Relay URLs: one spelling for each, and which of them lead into private networks.

The spelling is what the network's other programs write (they use the URL standard of the browsers):
`wss://relay.example.com`, `wss://relay.example.com/inbox`, `ws://[::1]:7777`. Refused, where a
browser would guess: whitespace, control characters and backslashes, user names and passwords, zone
ids, percent signs in hosts, and missing slashes.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final

from nostr_client.errors import InvalidData

MAX_URL: Final = 2048
"""Characters in a relay URL."""

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_split = re.compile(
    r"(?P<scheme>[A-Za-z]+)://"
    r"(?P<host>\[[^\[\]/?#]*\]|[^/?#:\[\]]*)(?::(?P<port>[0-9]*))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
).fullmatch
_has_forbidden = re.compile(r"[\x00-\x20\x7f-\x9f\\]|\s").search
_host_is_forbidden = re.compile(r"[\x00-\x20\x7f\"#%&'()*+,/:;<>?@\[\\\]^`{|}~!$=]").search
_changes_in_idna = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]").search
"""Two versions of IDNA turn these into different names, so that a host could have two owners."""

_ENCODED_IN_PATH: Final = frozenset('"<>`{}')
_ENCODED_IN_QUERY: Final = frozenset("\"<>'")

_PRIVATE_ENDINGS: Final = (
    *(".localhost", ".local", ".internal", ".intranet", ".private", ".corp"),
    *(".lan", ".home", ".home.arpa", ".localdomain"),
)
_PRIVATE_V4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_PRIVATE_V6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        *("::/127", "64:ff9b:1::/48", "100::/64", "2001:db8::/32", "3fff::/20", "5f00::/16"),
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
# Where an IPv6 address carries an IPv4 one, and how far to the left of its last bit: mapped,
# compatible, translated (NAT64, and its RFC 2765 form), and 6to4.
_CARRIERS: Final = tuple(
    (ipaddress.IPv6Network(text), shift)
    for text, shift in (
        *(("::ffff:0:0/96", 0), ("::/96", 0), ("64:ff9b::/96", 0), ("::ffff:0:0:0/96", 0)),
        ("2002::/16", 80),
    )
)

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def normalize_relay_url(text: str) -> str:
    """The one spelling of a `ws://` or `wss://` URL, in ASCII.

    Scheme and host in lower case, IDNA as punycode, IPv4 addresses dotted, no default port, no
    dot at the host's end, no fragment, no slash behind a bare host; path and query stay.
    Raises InvalidData.
    """
    parts = _parts(text)
    scheme = parts["scheme"].lower()
    if scheme not in _DEFAULT_PORTS:
        raise InvalidData("a relay URL begins with wss:// or ws://")
    host = _host(parts["host"])
    port = _port(parts["port"], scheme)
    path = _path(parts["path"] or "")
    query = _quoted(parts["query"] or "", _ENCODED_IN_QUERY)
    if query == "?":
        query = ""
    if path == "/" and not query:
        path = ""
    elif query and not path:
        path = "/"
    url = f"{scheme}://{host}{port}{path}{query}"
    if len(url) > MAX_URL:
        raise InvalidData(f"a relay URL has at most {MAX_URL} characters")
    return url


def place_of(url: str) -> str:
    """Where a relay stands: its host, its port unless that is the scheme's own, and its path.

    What tells relays from each other (NIP-42 compares no more); neither scheme nor query. Raises
    InvalidData.
    """
    _, _, place = normalize_relay_url(url).partition("://")
    return place.partition("?")[0].removesuffix("/")


@lru_cache(maxsize=8192)
def host_of(url: str) -> str:
    """The host of a relay URL as a socket wants it, IPv6 without brackets. Raises InvalidData.
    Remembers what it saw: operators and address policies ask for each copy that is planned."""
    return _parts(normalize_relay_url(url))["host"].strip("[]")


def is_loopback(url: str) -> bool:
    """Does the URL lead to this machine? Raises InvalidData."""
    host = host_of(url)
    address = _address(host)
    if address is None:
        return host == "localhost" or host.endswith(".localhost")
    carried = _carried(address)
    if isinstance(carried, ipaddress.IPv4Address):
        return carried.is_loopback or int(carried) == 0
    return int(carried) in (0, 1)


def is_onion(url: str) -> bool:
    """Is the host a Tor service, reached through a proxy only? Raises InvalidData."""
    return host_of(url).endswith(".onion")


def is_private_host(host: str) -> bool:
    """Does `host`, a name or an address in any spelling, stand in nobody's public network?

    True for loopback, private, shared (RFC 6598), link-local, multicast and reserved addresses,
    also inside of IPv6 ones, for names without a dot and under endings of local networks, and
    for what is no host at all: it is asked before a stranger's address is dialled, so doubt
    means yes. A public name may still resolve to a private address; whoever resolves it asks
    again with the address.
    """
    bare = host.strip("[]").partition("%")[0] if ":" in host else host
    try:
        name = _host(f"[{bare}]" if ":" in bare else bare).strip("[]")
    except InvalidData:
        return True
    address = _address(name)
    if address is None:
        return "." not in name or f".{name}".endswith(_PRIVATE_ENDINGS)
    carried = _carried(address)
    if isinstance(carried, ipaddress.IPv4Address):
        return any(carried in network for network in _PRIVATE_V4)
    return any(carried in network for network in _PRIVATE_V6)


def _parts(text: str) -> re.Match[str]:
    if not isinstance(text, str):
        raise InvalidData("a relay URL is a string")
    text = text.strip(" \t\r\n")
    if len(text) > MAX_URL:
        raise InvalidData(f"a relay URL has at most {MAX_URL} characters")
    if _has_forbidden(text):
        raise InvalidData("a relay URL holds no spaces, control characters or backslashes")
    parts = _split(text)
    if parts is None:
        raise InvalidData("not a URL of the form wss://host or wss://host:port/path")
    return parts


def _host(text: str) -> str:
    if text.startswith("["):
        return f"[{_ipv6(text[1:-1])}]"
    name = text.lower() if text.isascii() else _punycode(text)
    name = name.removesuffix(".")
    if not name:
        raise InvalidData("a relay URL without a host")
    if _host_is_forbidden(name):
        raise InvalidData("a host name holds letters, digits, dots and hyphens only")
    labels = name.split(".")
    if len(name) > 253 or not all(0 < len(label) <= 63 for label in labels):
        raise InvalidData("a host name has parts of 1 to 63 characters, 253 in all")
    if labels[-1].isdigit() or _is_number(labels[-1]):
        return str(_ipv4(labels))
    return name


def _punycode(name: str) -> str:
    if len(name) > 253:
        raise InvalidData("a host name has at most 253 characters")
    if _changes_in_idna(name):
        raise InvalidData("this host name is not the same everywhere: write it in punycode")
    try:
        return name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise InvalidData("not an international host name") from None


_is_number = re.compile("0x[0-9a-f]*").fullmatch


def _ipv4(labels: list[str]) -> ipaddress.IPv4Address:
    """One to four numbers, decimal, octal or hexadecimal; the last fills the bytes that remain."""
    if len(labels) > 4:
        raise InvalidData("not an IPv4 address")
    try:
        *first, last = [_ipv4_number(label) for label in labels]
        if any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
            raise ValueError
    except ValueError:
        raise InvalidData("not an IPv4 address") from None
    high = sum(number << 8 * (3 - place) for place, number in enumerate(first))
    return ipaddress.IPv4Address(high + last)


def _ipv4_number(label: str) -> int:
    if _is_number(label):
        return int(label[2:] or "0", 16)
    if not (label.isascii() and label.isdigit()):
        raise ValueError
    return int(label, 8) if label.startswith("0") else int(label)


def _ipv6(text: str) -> str:
    try:
        if "%" in text:
            raise ValueError
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise InvalidData("not an IPv6 address") from None
    if address.ipv4_mapped is not None:  # Python 3.13 writes these with dots, the network without
        low = int(address.ipv4_mapped)
        return f"::ffff:{low >> 16:x}:{low & 0xFFFF:x}"
    return address.compressed


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _carried(address: _Address) -> _Address:
    """The IPv4 address inside an IPv6 one, or the address itself."""
    if isinstance(address, ipaddress.IPv6Address) and int(address) > 1:
        for network, shift in _CARRIERS:
            if address in network:
                return ipaddress.IPv4Address((int(address) >> shift) & 0xFFFFFFFF)
    return address


def _port(digits: str | None, scheme: str) -> str:
    if not digits:
        return ""
    port = int(digits) if len(digits) <= 16 else 0
    if not 0 < port < 65536:
        raise InvalidData("a port is a number from 1 to 65535")
    return "" if port == _DEFAULT_PORTS[scheme] else f":{port}"


def _path(path: str) -> str:
    """The path with its dot segments resolved."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        if plain not in (".", ".."):
            kept.append(_quoted(segment, _ENCODED_IN_PATH))
        elif index == len(segments) - 1:
            kept.append("")
    return "".join(f"/{segment}" for segment in kept)


def _quoted(text: str, also: frozenset[str]) -> str:
    if text.isascii() and also.isdisjoint(text):
        return text
    try:
        return "".join(
            char
            if char.isascii() and char not in also
            else "".join(f"%{byte:02X}" for byte in char.encode())
            for char in text
        )
    except UnicodeEncodeError:
        raise InvalidData("a relay URL holds half a character (a surrogate)") from None
