"""Who may manage a relay from afar: names and keys, from the configuration."""

from __future__ import annotations

from typing import Final

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.nips.nip19 import pubkey_of
from nostr_client.safe_text import safe_line
from relays.config.relay_config import RelayConfig

KEEPER: Final = "keeper"
"""The name of who keeps the relay, from afar and on its command line."""


def admins_of(config: RelayConfig) -> dict[str, str]:
    """Names by public key, in hex: the named admins, and the keeper himself (`pubkey`).

    Raises ConfigError, which quotes no key: it may be secret.
    """
    found = {} if config.pubkey is None else {config.pubkey: KEEPER}
    for name, text in config.moderation.admins.items():
        try:
            found[pubkey_of(text)] = safe_line(name)[:50]
        except InvalidData as error:
            raise ConfigError(f"moderation.admins: {safe_line(name)}: {error}") from None
    return found
