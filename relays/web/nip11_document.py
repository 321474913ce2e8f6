"""The relay information document (NIP-11): true, field by field, for what is switched on."""

from __future__ import annotations

from typing import Final

import msgspec

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.nips.nip11 import Limitation, RelayInfo
from nostr_client.protocol.messages import MAX_SUBSCRIPTION_ID
from nostr_client.version import URL, __version__
from relays.config.relay_config import RelayConfig
from relays.config.values import pubkey_of

NIPS: Final = (1, 9, 11, 40, 45, 62, 67, 70)
"""What this relay always does; NIPs that are a client's affair are not named."""


class Features(msgspec.Struct, frozen=True, kw_only=True):
    """What is switched on, beyond what every relay of ours does."""

    authenticates: bool = False
    """It takes AUTH (NIP-42), and so can keep gift wraps for their recipients (NIP-17, 59)."""
    reconciles: bool = False
    """NIP-77."""
    searches: bool = False
    """NIP-50."""
    members: bool = False
    """NIP-43."""
    managed: bool = False
    """Its keepers may call NIP-86, and sign such calls by NIP-98."""
    work: int = 0
    """Leading zero bits that every event of a stranger must have (NIP-13)."""
    asks_who: bool = False
    """Nothing is answered before authentication."""
    chooses_writers: bool = False
    """Whom it takes events from is known beforehand: members, or a list."""
    own_key: str | None = None
    """The relay's own public key, in hex."""

    def nips(self) -> tuple[int, ...]:
        """The NIPs to be advertised."""
        further = {
            13: self.work > 0,
            17: self.authenticates,
            42: self.authenticates,
            43: self.members,
            50: self.searches,
            59: self.authenticates,
            77: self.reconciles,
            86: self.managed,
            98: self.managed,
        }
        return tuple(sorted({*NIPS, *(nip for nip, on in further.items() if on)}))


class _Limitation(Limitation, frozen=True, kw_only=True, omit_defaults=True):
    """With a limit of ours that NIP-11 has no name for."""

    max_filter_values: int


def information(config: RelayConfig, features: Features) -> RelayInfo:
    """What the document says. Every number in it is one that the relay keeps to.

    Raises ConfigError for a keeper's key that is none.
    """
    limits = config.limits
    limitation = _Limitation(
        max_message_length=limits.message_bytes,
        max_subscriptions=limits.subscriptions,
        max_filters=limits.filters,
        max_filter_values=limits.filter_values,
        max_limit=limits.max_limit,
        default_limit=min(limits.default_limit, limits.max_limit),
        max_subid_length=MAX_SUBSCRIPTION_ID,
        max_event_tags=limits.event_tags,
        max_content_length=limits.content_length,
        min_pow_difficulty=features.work or None,
        created_at_lower_limit=limits.created_at_behind,
        created_at_upper_limit=limits.created_at_ahead,
        auth_required=features.asks_who,
        payment_required=False,
        restricted_writes=features.chooses_writers,
    )
    return RelayInfo(
        name=config.name,
        description=config.description,
        icon=config.icon,
        banner=config.banner,
        pubkey=_pubkey(config.pubkey) if config.pubkey else None,
        self=features.own_key,
        contact=config.contact,
        supported_nips=features.nips(),
        software=URL,
        version=__version__,
        posting_policy=config.posting_policy,
        privacy_policy=config.privacy_policy,
        terms_of_service=config.terms_of_service,
        relay_countries=config.relay_countries,
        language_tags=config.language_tags,
        tags=config.tags,
        limitation=limitation,
    )


def _pubkey(text: str) -> str:
    """In hex, from hex or npub."""
    try:
        return pubkey_of(text)
    except (ValueError, InvalidData) as error:
        raise ConfigError(f"pubkey: {error}") from None
