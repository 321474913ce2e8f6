"""Rules without a configuration."""

from __future__ import annotations

from typing import Any

from nostr_client.protocol.urls import place_of
from relays.config.sections import Limits
from relays.policies.events import for_clients, for_imports
from relays.policies.ruleset import Rules


class PlainFloor:
    """A floor of retention that stands nowhere."""

    def __init__(self, value: int = 0) -> None:
        self.value = value

    async def put(self, value: int) -> None:
        self.value = value


def plain_rules(
    limits: Limits | None = None, urls: frozenset[str] = frozenset(), **fields: Any
) -> Rules:
    """Anyone may write and read, within `limits`; `fields` of the rules that are others."""
    limits = limits or Limits()
    made: dict[str, Any] = {"check": for_clients(limits), "check_import": for_imports(limits)}
    return Rules(limits=limits, places=frozenset(map(place_of, urls)), **(made | fields))
