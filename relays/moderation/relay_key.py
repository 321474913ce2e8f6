"""The relay's own key: it signs the log and what the relay itself publishes (NIP-11's `self`).

It is made when it is first needed. Whose key it was is written down among the settings; a relay
that has lost its key says so, and does not become somebody else.
"""

from __future__ import annotations

from typing import Final

from nostr_client.errors import StoreError
from nostr_client.protocol.keys import SecretKey
from relays.moderation.records import RecordTables

_NAME: Final = "self"


async def own_key(tables: RecordTables, *, read_only: bool = False) -> SecretKey:
    """The relay's key. Within a transaction, so that two processes make one key.

    `read_only`: none is made, nor is anything written down. Raises StoreError when what is there is
    no key, or another one than before, and when it is gone.
    """
    place = tables.relay_key.place
    known = await tables.settings.get(_NAME)
    key = await tables.relay_key.get()
    if key is None:
        if known is not None:
            raise StoreError(
                f"{place} is gone: it held the key of {known}; put it back from a backup"
            )
        if read_only:
            raise StoreError(f"{place}: there is no key yet; the relay makes one")
        key = SecretKey.generate()
        await tables.relay_key.put(key)
    pubkey = key.public_key.hex
    if known is None and not read_only:
        await tables.settings.put(_NAME, pubkey)
    elif known not in (None, pubkey):
        raise StoreError(f"{place} holds the key of {pubkey}, and this relay was {known} so far")
    return key
