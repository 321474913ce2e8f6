"""Who may manage a relay from afar: names and keys, from the configuration."""

from __future__ import annotations

from typing import Final

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.nips.nip19 import Nevent, Note, Nprofile, Npub, decode
from nostr_client.protocol.keys import PublicKey
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
            found[read_pubkey(text)] = safe_line(name)[:50]
        except InvalidData as error:
            raise ConfigError(f"moderation.admins: {safe_line(name)}: {error}") from None
    return found


def read_pubkey(text: str) -> str:
    """A public key as people write it: hex, npub or nprofile. Raises InvalidData."""
    text = text.strip()
    if len(text) == 64:
        return PublicKey(text.lower()).hex
    code = decode(text)
    if not isinstance(code, Npub | Nprofile):
        raise InvalidData("not a public key: neither an npub, an nprofile nor 64 hex digits")
    return PublicKey(code.pubkey).hex


def read_id(text: str) -> str:
    """An event's id as people write it: hex, note or nevent. Raises InvalidData."""
    text = text.strip()
    if len(text) == 64:
        return text.lower()
    code = decode(text)
    if not isinstance(code, Note | Nevent):
        raise InvalidData("not an event: neither a note, a nevent nor 64 hex digits")
    return code.id
