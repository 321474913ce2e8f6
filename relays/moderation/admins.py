"""Who may manage a relay from afar: names and keys, from the configuration."""

from __future__ import annotations

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.nips.nip19 import Nevent, Note, Nprofile, Npub, decode
from nostr_client.protocol.keys import PublicKey
from nostr_client.safe_text import safe_line
from relays.config import Moderation


def admins_of(config: Moderation) -> dict[str, str]:
    """Names by public key, in hex. Raises ConfigError, which quotes no key: it may be secret."""
    found: dict[str, str] = {}
    for name, text in config.admins.items():
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
