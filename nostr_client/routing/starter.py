"""The packaged starter relays: a short dated list, offered and never imposed."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Literal

from nostr_client.errors import ConfigError
from nostr_client.routing.dialling import relay_url

Role = Literal["general", "indexer"]
_ROLES: tuple[Role, ...] = ("general", "indexer")


@dataclass(frozen=True, slots=True)
class StarterRelay:
    """A relay of the list. An indexer keeps only `planner.INDEXED_KINDS`, of everybody."""

    url: str
    role: Role
    operator: str


@dataclass(frozen=True, slots=True)
class StarterList:
    """The list and the day it was last looked through."""

    date: date
    relays: tuple[StarterRelay, ...]

    def urls(self, role: Role) -> tuple[str, ...]:
        return tuple(relay.url for relay in self.relays if relay.role == role)


@cache
def starter_relays() -> StarterList:
    """The list that came with this package. Raises ConfigError when the package is damaged."""
    file = resources.files("nostr_client.routing") / "starter_relays.toml"
    return parse_starters(file.read_text("utf-8"))


def parse_starters(text: str) -> StarterList:
    """A starter list from TOML. Raises ConfigError."""
    try:
        value = tomllib.loads(text)
        relays = [StarterRelay(r["url"], r["role"], r["operator"]) for r in value["relay"]]
        day = value["date"]
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"starter relays: {error}") from None
    for relay in relays:
        if relay.url != relay_url(relay.url) or relay.role not in _ROLES:
            raise ConfigError(f"starter relays: {relay.url!r} ({relay.role!r}) cannot be used")
    if not isinstance(day, date):
        raise ConfigError("starter relays: date is not a day")
    return StarterList(day, tuple(relays))
