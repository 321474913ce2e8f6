"""Which addresses may be dialled, and which may be named to others.

Relay lists and hints come from strangers. One that leads into a private network would make this
program knock at the person's router, or at a service on this very machine. So a stranger's word
opens no private address; only the person does, by giving the URL, by putting it into the relay
list that the person's key signs, or by allowing the host. The same rule, without the URLs merely
given, says what may stand in a list or a hint of ours. The own relay never does: its loopback
address means nothing to anybody else.

Nor need a stranger learn that this person is there, or when they read. A relay that only strangers
name is dialled when the person asks for one of them, and on the word of a tag alone never when its
URL has a path or a query, which could be made for one reader (`StrangersRelays`). A path is never
cut off: it names another relay.

A public name may still resolve to a private address: `net.dial` looks again before it connects.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.net.dial import DialPolicy
from nostr_client.protocol.urls import host_of, is_private_host, normalize_relay_url
from nostr_client.redact import redacted
from nostr_client.safe_text import safe_line

StrangersRelays = Literal["asked", "always", "never"]
"""When relays are dialled that only people name whom nobody here follows: when the person asks for
one of them (opens, follows, answers, mentions), whenever they are named, or never."""
BLOCKED: Final = "you blocked this relay: `nostr-client relays unblock URL`"
MAX_URL: Final = 256
"""Characters of a relay URL on a stranger's word; longer ones carry somebody's data, not a host."""


@lru_cache(maxsize=8192)
def relay_url(text: str) -> str:
    """The one spelling of a relay URL, or "" for what is none. Remembers what it saw."""
    try:
        return normalize_relay_url(text)
    except InvalidData:
        return ""


def relay_urls(texts: Iterable[str]) -> list[str]:
    """The one spelling of each relay URL that whoever calls gives, once. Raises ConfigError for one
    that is none, and names it."""
    found: dict[str, None] = {}
    for text in texts:
        url = relay_url(text)
        if not url:
            shown = safe_line(redacted(text), 80)
            raise ConfigError(f"{shown!r} is not the URL of a relay: ws:// or wss://")
        found[url] = None
    return list(found)


@lru_cache(maxsize=8192)
def _is_private(url: str) -> bool:
    return is_private_host(host_of(url))


@lru_cache(maxsize=8192)
def _host(url: str) -> str:
    return host_of(url)


class AddressPolicy(DialPolicy):
    """Callable as `policy(url) -> bool`: may this address be dialled?

    `private_hosts` are hosts on private networks that the person allows, `given` relay URLs that
    the person gave: those may be dialled wherever they lead. Relays that have `ended` (normal
    spelling) are not dialled at all, whoever names them.
    """

    def __init__(
        self,
        private_hosts: Collection[str] = (),
        given: Iterable[str] = (),
        strangers: StrangersRelays = "asked",
        ended: Collection[str] = (),
    ) -> None:
        super().__init__(private_hosts, [url for text in given if (url := relay_url(text))])
        self._allowed = frozenset(host.strip("[]").lower() for host in private_hosts)
        self._listed: set[str] = set()
        self._ended = frozenset(ended)
        self.strangers = strangers
        self._in_use = {url for text in given if (url := relay_url(text))}
        self._own_relay = ""
        self.blocked: frozenset[str] = frozenset()
        """Relays (one spelling) that the person blocked (kind 10006): no word opens them."""
        self.own_headers: Callable[[str], Mapping[str, str]] = lambda url: {}
        """What the own relay wants to be shown; asked at each handshake. Raises ConnectFailed."""

    @property
    def own_relay(self) -> str:
        """The URL of the person's own relay on this machine; empty while there is none."""
        return self._own_relay

    @own_relay.setter
    def own_relay(self, url: str) -> None:
        self._own_relay = relay_url(url)

    def allow(self, urls: Iterable[str]) -> None:
        """The person gave these URLs: they may be dialled wherever they lead."""
        for text in urls:
            if url := relay_url(text):
                self.give(url)
                self.use([url])

    def use(self, urls: Iterable[str]) -> None:
        """Relays (normal spelling) that the person, or somebody they follow, has named."""
        self._in_use.update(urls)

    def use_from_code(self, urls: Iterable[str]) -> None:
        """The person gave a code that names these relays; private ones stay closed."""
        self.use(url for text in urls if (url := self.from_list(text)))

    def in_use(self, url: str) -> bool:
        """Is this a relay that more than strangers name?"""
        return url in self._in_use or self.strangers == "always"

    def allow_listed(self, urls: Iterable[str]) -> None:
        """The person's own relay list has these: a community on a private network reads there."""
        self.allow(urls)
        self._listed.update(relay_url(url) for url in urls)

    def headers(self, url: str) -> Mapping[str, str]:
        return self.own_headers(url) if url == self._own_relay else {}

    def allows_private(self, url: str) -> bool:
        return url == self._own_relay or super().allows_private(url)

    def refusal(self, url: str) -> str:
        normal = relay_url(url)
        if not normal:
            return "not a relay URL"
        if normal == self._own_relay:
            return ""
        if normal in self.blocked:
            return BLOCKED
        if normal in self._ended:
            return "this relay has ended"
        return (
            "a private address" if _is_private(normal) and not self.allows_private(normal) else ""
        )

    def __call__(self, url: str) -> bool:
        return not self.refusal(url)

    def from_list(self, text: str) -> str:
        """The URL in its one spelling when it may be dialled for somebody's list, else ""."""
        if len(text) > MAX_URL:
            return ""
        normal = relay_url(text)
        return normal if normal and self(normal) and normal != self._own_relay else ""

    def from_stranger(self, text: str, *, asked: bool = True) -> str:
        """The same for a tag's word, or another's, about where something is to be found.

        `asked`: the person wants it, by whatever act.
        """
        normal = self.from_list(text)
        if not normal or self.in_use(normal):
            return normal
        if not asked:
            return ""
        plain = "/" not in normal.partition("://")[2] and "?" not in normal
        return normal if plain and self.strangers == "asked" else ""

    def may_be_named(self, url: str) -> bool:
        """May this URL stand in a list or a hint that others read?"""
        normal = relay_url(url)
        if not normal or normal == self._own_relay or normal in self._ended | self.blocked:
            return False
        listed = normal in self._listed or _host(normal) in self._allowed
        return listed or not _is_private(normal)
