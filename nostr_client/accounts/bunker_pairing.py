"""What is kept of a bunker that knows us (NIP-46), and how it is reached."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

import msgspec

from nostr_client.protocol.keys import SecretKey


class BunkerPairing(msgspec.Struct, frozen=True):
    """A bunker that knows us: by our client `key`, at its `relays`. `bunker` is its own public key
    in hex, and `account` that of the account for which it signs."""

    key: SecretKey
    bunker: str
    relays: tuple[str, ...]
    account: str

    def __repr__(self) -> str:
        return f"<BunkerPairing for {self.account}>"


async def _nowhere(relays: tuple[str, ...]) -> None:
    """Nobody keeps the relays."""


class BunkerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a line to a bunker is given from outside.

    `on_auth_url` is told, as safe text, of an address where the bunker wants its person to go;
    without it such a request fails, and says so. `on_relays` keeps the relays for the next time;
    `clock` gives seconds since 1970. `proxy` is as for `RelayPool`,
    `own_proxies` those of accounts (hex) that have one of their own, or go without.
    """

    proxy: str | None = None
    own_proxies: Mapping[str, str | None] = msgspec.field(default_factory=dict)
    on_auth_url: Callable[[str], None] | None = None
    on_relays: Callable[[tuple[str, ...]], Awaitable[None]] = _nowhere
    clock: Callable[[], float] = time.time

    def for_account(self, pubkey: str) -> Self:
        """As they are for the bunker of an account."""
        return msgspec.structs.replace(self, proxy=self.own_proxies.get(pubkey, self.proxy))
