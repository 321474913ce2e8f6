"""Who is at work in a client, and with which keys."""

from __future__ import annotations

from dataclasses import dataclass

from nostr_client.protocol.keys import PublicKey
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.gated import gated
from nostr_client.signing.signer import Signer, WatchOnly


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """Who is at work here: `pubkey` in hex, empty for nobody.

    `signer` writes, behind the gate; `login` answers own relays that want to know who reads
    (NIP-42). `keyed`: the key is on this machine, locked or not; `key_only_here`: and was never
    anywhere else.
    """

    pubkey: str
    signer: Signer | None
    login: Signer | None
    keyed: bool
    key_only_here: bool

    @classmethod
    def of(
        cls,
        signer: Signer | None,
        pubkey: str | None,
        *,
        locked: bool,
        login: Signer | None,
        key_only_here: bool,
        own: OwnKeys,
    ) -> ClientKeys:
        """As `NostrClient.open` is told. Raises InvalidKey."""
        who = signer.pubkey if signer else PublicKey(pubkey).hex if pubkey else ""
        writer = gated(signer, own) if signer and not isinstance(signer, WatchOnly) else None
        return cls(who, writer, writer or login, writer is not None or locked, key_only_here)
