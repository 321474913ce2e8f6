"""What commands beside a running relay must know of its configuration; it is
among its records.

A command need not be given the relay's configuration file: whether members are published, who is an
admin and which sub-relays there are is known from the last start.
"""

from __future__ import annotations

import msgspec

from relays.config.relay_config import Membership, Moderation, RelayConfig, Web
from relays.config.sub_relays import ROOT, sub_relays
from relays.moderation.records import RecordTables
from relays.moderation.state import ModerationState

_NAME = "configuration"


class SavedConfig(msgspec.Struct, frozen=True):
    """The part of the last configuration that matters here. `databases`: file names."""

    members: Membership = Membership()
    moderation: Moderation = Moderation()
    pubkey: str | None = None
    host: str = "127.0.0.1"
    trusted_proxies: tuple[str, ...] = ()
    databases: tuple[str, ...] = (f"{ROOT}.db",)

    @classmethod
    def of(cls, config: RelayConfig) -> SavedConfig:
        """What a configuration says."""
        databases = tuple(sub_relay.database for sub_relay in sub_relays(config))
        return cls(
            members=config.members,
            moderation=config.moderation,
            pubkey=config.pubkey,
            host=config.host,
            trusted_proxies=config.web.trusted_proxies,
            databases=databases,
        )

    @property
    def config(self) -> RelayConfig:
        """As a configuration, whose other settings are not those of the relay."""
        return RelayConfig(
            members=self.members,
            moderation=self.moderation,
            pubkey=self.pubkey,
            host=self.host,
            web=Web(trusted_proxies=self.trusted_proxies),
        )


async def save_config(state: ModerationState, config: RelayConfig) -> None:
    """Leave it, if it is not there. Raises StoreError."""
    value = msgspec.json.encode(SavedConfig.of(config)).decode()

    async def act(tables: RecordTables) -> None:
        if await tables.settings.get(_NAME) != value:
            await tables.settings.put(_NAME, value)

    await state.write(act)


async def load_saved_config(state: ModerationState) -> SavedConfig:
    """What the relay left; what it does by itself where it never ran. Raises StoreError."""
    value = await state.records.read(lambda tables: tables.settings.get(_NAME))
    if value is None:
        return SavedConfig()
    try:
        return msgspec.json.decode(value, type=SavedConfig)
    except msgspec.ValidationError:  # of another version of this program
        return SavedConfig()
