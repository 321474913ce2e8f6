"""The packaged starter relays: a short dated list, offered and never imposed."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Literal

from nostr_client.errors import ConfigError
from nostr_client.routing.address_policy import relay_url

Role = Literal["general", "indexer"]
_ROLES: tuple[Role, ...] = ("general", "indexer")


@dataclass(frozen=True, slots=True)
class StarterRelay:
    """A relay of the list. An indexer keeps only `planner.INDEXED_KINDS`, of everybody."""

    url: str
    role: Role
    operator: str


@dataclass(frozen=True, slots=True)
class GoneRelay:
    """A relay that its operator ended, or said so. `since`: when, in words: a month and a year."""

    url: str
    since: str


@dataclass(frozen=True, slots=True)
class StarterList:
    """The list, well-known relays that are gone, and the day both were last looked through."""

    date: date
    relays: tuple[StarterRelay, ...]
    gone: tuple[GoneRelay, ...] = ()

    def urls(self, role: Role) -> tuple[str, ...]:
        return tuple(relay.url for relay in self.relays if relay.role == role)

    @property
    def day(self) -> str:
        """The date in words."""
        return f"{self.date.day} {self.date:%B %Y}"

    def end_of(self, url: str) -> str:
        """What to tell whoever names `url` (any spelling), when that relay is gone; else ""."""
        normal = relay_url(url)
        since = next((relay.since for relay in self.gone if relay.url == normal), "")
        return f"its operator announced its end for {since}" if since else ""


@cache
def starter_relays() -> StarterList:
    """The list that came with this package. Raises ConfigError when the package is damaged."""
    file = resources.files("nostr_client.routing") / "starter_relays.toml"
    return parse_starters(file.read_text("utf-8"))


def compared_with(url: str, own: Sequence[str] | None) -> tuple[str, ...]:
    """The relays that a check of `url` compares it with: the person's `own`, or else the list's."""
    end_of = starter_relays().end_of
    rest = tuple(other for other in own or () if other != url and not end_of(other))
    return rest or tuple(u for u in starter_relays().urls("general") if u != url)


def parse_starters(text: str) -> StarterList:
    """A starter list from TOML. Raises ConfigError."""
    try:
        value = tomllib.loads(text)
        relays = [StarterRelay(r["url"], r["role"], r["operator"]) for r in value["relay"]]
        gone = [GoneRelay(r["url"], r["since"]) for r in value.get("gone", [])]
        day = value["date"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"starter relays: {error}") from None
    for relay in relays:
        if relay.url != relay_url(relay.url) or relay.role not in _ROLES:
            raise ConfigError(f"starter relays: {relay.url!r} ({relay.role!r}) cannot be used")
    for end in gone:
        offered = any(relay.url == end.url for relay in relays)
        if end.url != relay_url(end.url) or offered:
            raise ConfigError(f"starter relays: {end.url!r} cannot be gone")
    if not isinstance(day, date):
        raise ConfigError("starter relays: date is not a day")
    return StarterList(day, tuple(relays), tuple(gone))
