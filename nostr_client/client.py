"""NostrClient: the front door of the library. It builds and owns every room below.

    async with NostrClient.open(signer, relays=["wss://relay.example"]) as client:
        posted = await client.post("hi")
        print(posted.report)

What an account writes is stored here before it is sent, and what no relay took yet is tried again
for as long as a client runs on this folder, after a restart too. Closing the client ends every
task it started, within two seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from nostr_client.config import ClientConfig, load_config
from nostr_client.errors import NostrError, SigningRefused
from nostr_client.net.pool import RelayPool
from nostr_client.net.report import Answer
from nostr_client.paths import Paths, private_folder
from nostr_client.paths import paths as default_paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey
from nostr_client.resilience.own_relay import OwnRelay
from nostr_client.resilience.replication import Replication
from nostr_client.routing.courier import Courier
from nostr_client.routing.dialling import DialPolicy
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.starter import starter_relays
from nostr_client.signing.signer import Signer, WatchOnly
from nostr_client.signing.verifier import Verifier
from nostr_client.social.feed_sync import FeedSync
from nostr_client.social.lists import Follows, OwnLists
from nostr_client.social.my_relays import MyRelays
from nostr_client.social.notes import Notes
from nostr_client.social.profiles import Profiles
from nostr_client.social.threads import Threads
from nostr_client.social.timeline import Timeline
from nostr_client.social.views import Posted, SyncStatus
from nostr_client.store.copies import CopyLedger
from nostr_client.store.events import EventStore

log = logging.getLogger(__name__)

OWN_RELAY_LIMIT = 10.0
"""Seconds that the own relay may take to be found or started before the client goes on without."""
CLOSE_LIMIT = 2.0
"""Seconds within which everything the client started has ended."""


class NostrClient:
    """One account at work. Made by `NostrClient.open` only.

    Rooms: `store`, `copies` (which relay holds what), `verifier`, `pool`, `book` (who writes and
    reads where), `courier`, `guard`; `profiles`, `notes`, `follows`, `relays`, `timeline`,
    `threads`; `replication`, `own_relay` (None when it is off).
    """

    pubkey: str
    """The account's public key in hex; empty when the client was opened without any."""
    signer: Signer | None
    paths: Paths
    config: ClientConfig
    store: EventStore
    copies: CopyLedger
    verifier: Verifier
    pool: RelayPool
    book: RelayBook
    courier: Courier
    guard: ListGuard
    lists: OwnLists
    profiles: Profiles
    notes: Notes
    follows: Follows
    relays: MyRelays
    timeline: Timeline
    threads: Threads
    replication: Replication
    own_relay: OwnRelay | None
    own_relay_problem: str
    """Why the own relay is not there although it should be; empty when all is well."""

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        signer: Signer | None = None,
        *,
        pubkey: str | None = None,
        paths: Paths | None = None,
        config: ClientConfig | None = None,
        relays: Sequence[str] | None = None,
        own_relay: bool | None = None,
        key_is_new: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> AsyncIterator[NostrClient]:
        """A client at work until the block ends.

        `signer` writes; with `pubkey` (hex) instead the account is only watched. `relays` are
        asked and written to where nobody's relay list says better: by default those of the
        configuration, and else the packaged starter relays; an empty list means none at all.
        `own_relay` overrides the configuration. `key_is_new` says that the key was made here and
        now, so that it has no lists anywhere which could be lost.

        Raises StoreError, ConfigError, InvalidKey.
        """
        raise NotImplementedError
        yield

    # What an account does

    async def post(
        self,
        text: str,
        *,
        warning: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Write a note. It is stored first; the report says which relays took it.

        `warning` marks it as sensitive (NIP-36), with a reason or "". `on_answer` is told of each
        relay's answer as it comes. Raises InvalidEvent, SignerError, StoreError; that no relay
        answers is no error (`posted.report.raise_if_failed()` makes it one).
        """
        return await self.notes.post(text, warning=warning, on_answer=on_answer)

    async def reply(
        self,
        parent_id: str,
        text: str,
        *,
        warning: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Answer the note `parent_id` (NIP-10). Raises InvalidEvent when it is not a kind 1."""
        return await self.notes.reply(parent_id, text, warning=warning, on_answer=on_answer)

    async def repost(
        self, event_id: str, *, on_answer: Callable[[Answer], None] | None = None
    ) -> Posted:
        """Pass an event on (NIP-18)."""
        return await self.notes.repost(event_id, on_answer=on_answer)

    async def react(
        self,
        event_id: str,
        content: str = "+",
        *,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """React to an event (NIP-25): "+" likes, "-" dislikes, or an emoji."""
        return await self.notes.react(event_id, content, on_answer=on_answer)

    async def delete(
        self,
        event_id: str,
        reason: str = "",
        *,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Ask every relay that holds the own event `event_id` to delete it (NIP-09)."""
        return await self.notes.delete(event_id, reason, on_answer=on_answer)

    async def publish(
        self, what: Draft | Event, *, on_answer: Callable[[Answer], None] | None = None
    ) -> Posted:
        """Store and publish any event; a draft is signed first.

        The account's own follow list, profile and other lists go through their own rooms instead
        (`follows`, `profiles`, `relays`), which take care that nothing is overwritten unread.
        Raises InvalidEvent, SignerError, StoreError.
        """
        raise NotImplementedError

    async def fetch(
        self, *filters: Filter, relays: Sequence[str] | None = None, timeout: float = 10.0
    ) -> list[Event]:
        """Ask relays and the store: what is known then, newest first.

        Without `relays` the filters' authors are asked for where they write, and all else at
        the client's own relays. Takes at most `timeout` seconds; offline it is what the store has.
        """
        raise NotImplementedError

    def feed(self, *filters: Filter, relays: Sequence[str] | None = None) -> AsyncIterator[Event]:
        """Events that match, as they arrive from now on; without filters, the home timeline's.

        Each comes once, verified and stored. Ends when the iteration is left or the client closes.
        """
        raise NotImplementedError

    def sync(self) -> SyncStatus:
        """Start the background reading (home, mentions, own lists), if it does not run already."""
        return self.timeline.sync()
