"""nostr-client: a Nostr account that no host can remove.

    import asyncio
    from nostr_client import LocalSigner, NostrClient, SecretKey

    async def main() -> None:
        signer = LocalSigner(SecretKey.generate())
        async with NostrClient.open(signer, relays=["wss://relay.example"]) as client:
            posted = await client.post("hi")
            print(posted.report)

    asyncio.run(main())

The names below are the public ones. Each is loaded when it is first used (PEP 562), so that a
script pays only for what it takes.
"""

from __future__ import annotations

from importlib import import_module

from nostr_client.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:  # what `typing` would say, which takes longer to load than this
    from typing import Any

    from nostr_client.accounts.account import Account, Accounts
    from nostr_client.accounts.signer_choice import signer_from
    from nostr_client.client import NostrClient
    from nostr_client.client.counting import EventCount, Precision
    from nostr_client.client.feed import EventFeed
    from nostr_client.client.history import HistoryPage, PagedHistory
    from nostr_client.client.reconciling import Direction, Reconciled
    from nostr_client.config import ClientConfig, load_config
    from nostr_client.core_dumps import forbid_core_dumps
    from nostr_client.errors import (
        ConfigError,
        FeedRefused,
        InvalidData,
        ListNotRead,
        MessageNotSent,
        NostrError,
        NotConfirmed,
        PublishFailed,
        RelayError,
        SignerError,
        StoreError,
    )
    from nostr_client.net.outcome import Cause, End, How, Outcome
    from nostr_client.net.pool import RelayPool
    from nostr_client.net.report import Answer, CountAnswer, PublishReport
    from nostr_client.nips import nip19, nip45, nostr_sdk_bridge, pynostr_bridge
    from nostr_client.paths import Paths
    from nostr_client.protocol.event import Draft, Event
    from nostr_client.protocol.filters import Filter
    from nostr_client.protocol.keys import PublicKey, SecretKey
    from nostr_client.routing.fetch_results import FetchResult
    from nostr_client.routing.fetch_results import FetchResult as Found
    from nostr_client.routing.list_reading import Waiver
    from nostr_client.signing.guards import Objection, consent_to
    from nostr_client.signing.local_signer import LocalSigner
    from nostr_client.signing.signer import Signer, WatchOnly
    from nostr_client.signing.verifier import Verifier
    from nostr_client.social.messages.views import Conversation, PrivateMessage
    from nostr_client.social.views import (
        NoteView,
        NotPosted,
        Posted,
        Profile,
        Quote,
        ReactionCounts,
        RelayRow,
        SyncStatus,
        ThreadView,
    )
    from nostr_client.social.views import ReactionCounts as Tally
    from nostr_client.store.contract import EventStore, StoreOptions
    from nostr_client.store.opening import open_store

__all__ = [
    "Account",
    "Accounts",
    "Answer",
    "Cause",
    "ClientConfig",
    "ConfigError",
    "Conversation",
    "CountAnswer",
    "Direction",
    "Draft",
    "End",
    "Event",
    "EventCount",
    "EventFeed",
    "EventStore",
    "FeedRefused",
    "FetchResult",
    "Filter",
    "Found",
    "HistoryPage",
    "How",
    "InvalidData",
    "ListNotRead",
    "LocalSigner",
    "MessageNotSent",
    "NostrClient",
    "NostrError",
    "NotConfirmed",
    "NotPosted",
    "NoteView",
    "Objection",
    "Outcome",
    "PagedHistory",
    "Paths",
    "Posted",
    "Precision",
    "PrivateMessage",
    "Profile",
    "PublicKey",
    "PublishFailed",
    "PublishReport",
    "Quote",
    "ReactionCounts",
    "Reconciled",
    "RelayError",
    "RelayPool",
    "RelayRow",
    "SecretKey",
    "Signer",
    "SignerError",
    "StoreError",
    "StoreOptions",
    "SyncStatus",
    "Tally",
    "ThreadView",
    "Verifier",
    "Waiver",
    "WatchOnly",
    "__version__",
    "consent_to",
    "forbid_core_dumps",
    "load_config",
    "nip19",
    "nip45",
    "nostr_sdk_bridge",
    "open_store",
    "pynostr_bridge",
    "signer_from",
]

_ROOMS = {
    "accounts.account": "Account Accounts",
    "accounts.signer_choice": "signer_from",
    "client": "NostrClient",
    "client.counting": "EventCount Precision",
    "client.feed": "EventFeed",
    "client.history": "HistoryPage PagedHistory",
    "client.reconciling": "Direction Reconciled",
    "config": "ClientConfig load_config",
    "core_dumps": "forbid_core_dumps",
    "errors": (
        "ConfigError FeedRefused InvalidData ListNotRead MessageNotSent NostrError NotConfirmed "
        "PublishFailed RelayError SignerError StoreError"
    ),
    "net.outcome": "Cause End How Outcome",
    "net.pool": "RelayPool",
    "net.report": "Answer CountAnswer PublishReport",
    "nips": "nip19 nip45 nostr_sdk_bridge pynostr_bridge",
    "paths": "Paths",
    "protocol.event": "Draft Event",
    "protocol.filters": "Filter",
    "protocol.keys": "PublicKey SecretKey",
    "routing.fetch_results": "FetchResult Found",
    "routing.list_reading": "Waiver",
    "signing.guards": "Objection consent_to",
    "signing.local_signer": "LocalSigner",
    "signing.signer": "Signer WatchOnly",
    "signing.verifier": "Verifier",
    "social.messages.views": "Conversation PrivateMessage",
    "social.views": (
        "NotPosted NoteView Posted Profile Quote ReactionCounts RelayRow SyncStatus Tally "
        "ThreadView"
    ),
    "store.contract": "EventStore StoreOptions",
    "store.opening": "open_store",
}
_FORMER = {"Found": "FetchResult", "Tally": "ReactionCounts"}
"""Public names that scripts may still use, and what the classes are called today."""
_HOMES = {name: room for room, names in _ROOMS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    room = _HOMES.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{room}")
    today = _FORMER.get(name, name)
    value = getattr(home, today, None) or import_module(f"{home.__name__}.{today}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
