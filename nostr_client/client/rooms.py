"""The rooms of an account, on top of those that keep and carry events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nostr_client.client.network import ClientNetwork
from nostr_client.protocol.refusals import AUTH_REQUIRED

if TYPE_CHECKING:
    from nostr_client.resilience.evacuation import Evacuation
    from nostr_client.resilience.evacuation_survey import EvacuationSurvey
    from nostr_client.resilience.history import History
    from nostr_client.resilience.inquiry import Inquiry
    from nostr_client.resilience.ladder import Ladder
    from nostr_client.resilience.mutual_aid import MutualAid
    from nostr_client.resilience.own_history import OwnHistory
    from nostr_client.resilience.relay_watch import RelayWatch
    from nostr_client.resilience.replication import Replication
    from nostr_client.resilience.reserves import Reserves
    from nostr_client.routing.caught_relays import CaughtRelays
    from nostr_client.routing.relay_facts import RelayFactBook
    from nostr_client.routing.survival import Survivals
    from nostr_client.social.acquaintances import Acquaintances
    from nostr_client.social.blocked_relays import BlockedRelays
    from nostr_client.social.bookmarks import Bookmarks
    from nostr_client.social.completion import Completion
    from nostr_client.social.feed_sync import FeedSync
    from nostr_client.social.follows import Follows
    from nostr_client.social.key_leaks import KeyLeaks
    from nostr_client.social.list_history import ListHistory
    from nostr_client.social.media.media import Media
    from nostr_client.social.messages.messages import Messages
    from nostr_client.social.mutes import Mutes
    from nostr_client.social.my_relays import MyRelays
    from nostr_client.social.notes import Notes
    from nostr_client.social.notifications import Notifications
    from nostr_client.social.private_relays import PrivateRelays
    from nostr_client.social.profiles import Profiles
    from nostr_client.social.publisher import Publisher
    from nostr_client.social.relay_portraits import RelayPortraits
    from nostr_client.social.scheduled import Schedule
    from nostr_client.social.search import Search
    from nostr_client.social.synced_drafts import SyncedDrafts
    from nostr_client.social.threads import Threads
    from nostr_client.social.timeline import Timeline
    from nostr_client.social.zaps import Zaps


class ClientRooms(ClientNetwork):
    """What one account reads, writes and keeps alive: a room for each. Here they are only named:
    `client.furnishing` loads and makes them once a client opens."""

    profiles: Profiles
    publisher: Publisher
    notes: Notes
    schedule: Schedule
    synced_drafts: SyncedDrafts
    follows: Follows
    acquaintances: Acquaintances
    completion: Completion
    mutes: Mutes
    bookmarks: Bookmarks
    blocked_relays: BlockedRelays
    private_relays: PrivateRelays
    relays: MyRelays
    relay_facts: RelayFactBook
    relay_watch: RelayWatch
    caught_relays: CaughtRelays
    reserves: Reserves
    survivals: Survivals
    ladder: Ladder
    portraits: RelayPortraits
    lists: ListHistory
    key_leaks: KeyLeaks
    feed_sync: FeedSync
    timeline: Timeline
    notifications: Notifications
    zaps: Zaps
    threads: Threads
    search: Search
    messages: Messages
    replication: Replication
    comparisons: History
    own_history: OwnHistory
    evacuation_survey: EvacuationSurvey
    evacuation: Evacuation
    inquiry: Inquiry
    mutual_aid: MutualAid
    media: Media

    async def signer_is_back(self) -> None:
        """The account was unlocked, or its bunker answers again: what waited for it goes on at
        once. Raises StoreError."""
        await self.retry_auth()
        self.messages.retry()
        for known in (self.mutes, self.blocked_relays):
            await known.apply_if_possible()

    async def retry_auth(self, url: str = "") -> None:
        """The relay at `url`, or any, may be told now who we are (NIP-42): what relays refused for
        want of it is asked, and sent, again at once. Raises StoreError."""
        if self.authenticator is not None and self.authenticator.is_taken_back(url):
            self.pool.begin_anew(url)
        self.pool.ask_auth_again([url] if url else None)
        await self.copies.hurry(AUTH_REQUIRED)
        self.replication.kick()
        self.own_history.hurry()
