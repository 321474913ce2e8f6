"""The rooms of an account, on top of those that keep and carry events."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from nostr_client.client.network import ClientNetwork, Enter
from nostr_client.net.dial import DialOptions
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.protocol.event import Event
from nostr_client.protocol.refusals import AUTH_REQUIRED
from nostr_client.resilience.audits import REFILL, Auditor
from nostr_client.resilience.copy_planning import CopyPlanner
from nostr_client.resilience.evacuation import Evacuation
from nostr_client.resilience.evacuation_journal import EvacuationJournal
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
from nostr_client.routing.id_comparison import IdComparer
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.routing.saved_relays import found_at
from nostr_client.routing.survival import Survivals
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.blocked_relays import BlockedRelays
from nostr_client.social.bookmarks import Bookmarks
from nostr_client.social.completion import Completion
from nostr_client.social.concern_reading import ConcernReading
from nostr_client.social.feed_sync import FeedSync
from nostr_client.social.followers import Followers
from nostr_client.social.follows import Follows
from nostr_client.social.key_leaks import KeyLeaks
from nostr_client.social.list_history import ListHistory
from nostr_client.social.media.media import Media
from nostr_client.social.messages.messages import Messages
from nostr_client.social.mutes import Mutes
from nostr_client.social.my_relays import MyRelays
from nostr_client.social.note_views import NoteViews
from nostr_client.social.notes import Notes
from nostr_client.social.notifications import Notifications
from nostr_client.social.own_things import OwnThingsFinder
from nostr_client.social.private_relays import PrivateRelays
from nostr_client.social.profiles import Profiles
from nostr_client.social.publisher import Publisher
from nostr_client.social.referenced_events import ReferencedEvents
from nostr_client.social.relay_portraits import RelayPortraits
from nostr_client.social.scheduled import Schedule
from nostr_client.social.search import Search
from nostr_client.social.search_relays import SearchRelays
from nostr_client.social.synced_drafts import SyncedDrafts
from nostr_client.social.threads import Threads
from nostr_client.social.timeline import Timeline
from nostr_client.social.zaps import Zaps
from nostr_client.store.contract import (
    FIRST_AUDIT,
)


class ClientRooms(ClientNetwork):
    """What one account reads, writes and keeps alive: a room for each, made by `_furnish`."""

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
    history: History
    own_history: OwnHistory
    evacuation_survey: EvacuationSurvey
    evacuation: Evacuation
    inquiry: Inquiry
    mutual_aid: MutualAid
    media: Media

    async def _furnish(self, enter: Enter) -> None:
        """The rooms of an account, on top of those that carry events."""
        me, data, clock = self.pubkey, self.paths.data, self._clock
        self.profiles = Profiles(
            self.courier, self.guard, owner=me, proxy=self.config.proxy, clock=clock
        )
        files = DialOptions.through(self.config.proxy) if self.config.media else None
        self.media = Media(
            self.courier,
            self.guard,
            self._writer,
            folder=data / "blobs",
            pictures=self.paths.state / "pictures",
            proxy=self.config.proxy,
            fetches=self.config.media,
            private_hosts=self.config.allow_private_relays,
            clock=clock,
        )
        self.publisher = Publisher(self.guard, self._writer, self.verifier.verify)
        self.notes = Notes(self.publisher, self.media.imeta_of)
        self.schedule = Schedule(
            self.notes, self.publisher, folder=data / "scheduled" / (me or "nobody"), clock=clock
        )
        self.follows = Follows(self.courier, self.guard, me)
        self.acquaintances = Acquaintances(self.store, self.follows, me)
        self.completion = Completion(self.store, self.follows, self.profiles, owner=me, clock=clock)
        self.mutes = Mutes(self.courier, self.guard, me, data, self.config.muted_kinds)
        await self.mutes.recall()
        self.bookmarks = Bookmarks(self.courier, self.guard, me)
        self.blocked_relays = BlockedRelays(self.courier, self.guard, me, data, self._leave)
        self.private_relays = PrivateRelays(self.courier, self.guard, me)
        self.courier.private_relays = self.private_relays.urls
        self.synced_drafts = SyncedDrafts(
            self.notes,
            self.publisher,
            owner=me,
            on=self.config.sync_drafts,
            private_relays=self.private_relays.urls,
            folder=data,
            clock=clock,
        )
        self.relays = MyRelays(self.courier, self.guard, me, found_at(data, me))
        self.relay_facts = RelayFactBook(
            data / "relay_facts.json", self.book.policy, self.config.proxy, clock
        )
        self.relay_watch = RelayWatch(
            self.pool, own_urls=self._own_urls, pace=self._pace, clock=clock
        )
        self.caught_relays = CaughtRelays(self.store, me, clock)
        self.reserves = Reserves(
            self.store,
            self.relay_facts,
            homes=partial(self.courier.homes, me),
            candidates=self.book.reserve_candidates,
            owner=me,
            wanted=self.config.copies,
            folder=data,
            dead=self.relay_watch.dead,
            doubtful=self.relay_watch.doubtful,
            unfit=self._unfit_relays,
            minute=60.0 / self._pace.speedup,
            clock=clock,
        )
        self.survivals = Survivals(
            self.store,
            owner=me,
            wanted=self.config.copies,
            homes=partial(self.courier.homes, me),
            reserve=self.reserves.urls,
            facts=self.relay_facts.known,
            own_urls=self._own_urls,
            dead=self.pool.outages.dead,
            caught=self.caught_relays.found,
        )
        self.portraits = RelayPortraits(self.courier, self.relay_facts, self.reserves.urls, me)
        self.lists = ListHistory(self.courier, self.guard, me)
        self.zaps = Zaps(self.profiles, files, clock)
        views = NoteViews(
            *(self.store, self.profiles, me, self.survivals, lambda: self.mutes.matcher),
            zaps=self.zaps,
        )
        self.key_leaks = await enter(
            KeyLeaks(
                self.store,
                self.follows,
                owner=me,
                folder=data,
                own=self._own_keys,
                clock=clock,
            )
        )
        concerns = self._furnish_notifications()
        trials = NegentropyTrials(data / "negentropy.json", self.relay_facts, clock)
        self.feed_sync = await enter(
            FeedSync(
                self.courier,
                self.follows,
                self.profiles,
                owner=me,
                folder=data,
                comparer=IdComparer(self.store, self.pool, trials, clock),
                concerns=concerns,
                clock=clock,
            )
        )
        searched = SearchRelays(
            self.courier,
            self.guard,
            me,
            facts=self.relay_facts,
            monitors=self.config.monitors,
            clock=clock,
        )
        self.search = Search(
            self.courier,
            views,
            self.profiles,
            self.follows,
            searched,
            acquaintances=self.acquaintances,
            facts=self.relay_facts,
            owner=me,
            own=self._own_keys,
            clock=clock,
        )
        missing = ReferencedEvents(self.courier)
        self.timeline = Timeline(self.courier, self.follows, views, missing, owner=me, clock=clock)
        self.threads = Threads(self.courier, views, missing, self.acquaintances)
        self.messages = await enter(
            Messages(
                self.courier,
                self.guard,
                self.follows,
                self._writer,
                owner=me,
                folder=data,
                media=files,
                mutes=lambda: self.mutes.matcher,
                encryption=self._encryption,
                clock=clock,
            )
        )
        unwanted = RejectedIds(data / f"unwanted-{me[:16] or 'nobody'}")
        self.history = History(self.courier, trials, owner=me, unwanted=unwanted, clock=clock)
        self.own_history = await enter(
            OwnHistory(
                self.history,
                self.store,
                self.book,
                owner=me,
                folder=data,
                ready=lambda: self.feed_sync.status.is_complete,
                clock=clock,
            )
        )
        self.inquiry = Inquiry(self.store, self._stranger, self.book, self.relay_facts, clock)
        self._keep_copies()
        await self.ladder.recall()

    def _furnish_notifications(self) -> ConcernReading:
        """What concerns the account, and what reads it."""
        me, data, clock = self.pubkey, self.paths.data, self._clock
        followers = Followers(data / f"followers-{me[:16] or 'nobody'}.json", me, clock)
        own = OwnThingsFinder(self.store, me)
        self.notifications = Notifications(
            *(self.store, self.mutes, self.zaps),
            acquaintances=self.acquaintances,
            followers=followers,
            own=own,
            owner=me,
            folder=data,
            clock=clock,
        )
        return ConcernReading(
            self.courier,
            acquaintances=self.acquaintances,
            followers=followers,
            own=own,
            owner=me,
            clock=clock,
        )

    def _keep_copies(self) -> None:
        """What sees to it that copies are where they belong, and moves the account."""
        me, data, clock = self.pubkey, self.paths.data, self._clock

        async def place(event: Event, urls: Collection[str]) -> None:
            await self.replication.place(event, urls)

        self.mutual_aid = MutualAid(
            *(self.courier, self.history, self.reserves, self.relay_facts),
            place=place,
            signer=self._writer,
            own=self._own_keys,
            owner=me,
            folder=data,
            most_bytes=self.config.copies_of_others_mb * 10**6,
            clock=clock,
        )
        auditor = Auditor(
            self.store,
            self.pool,
            self._stranger,
            pubkeys=[me],
            others=self.mutual_aid.others.authors,
            folder=data,
            early=FIRST_AUDIT * (1 - 1 / self._pace.speedup),
            refill=REFILL / self._pace.speedup,
            clock=clock,
        )
        journal = EvacuationJournal(data, me, clock)
        self.replication = Replication(
            self.store,
            self.pool,
            CopyPlanner(self.courier, self.reserves, me, journal.told, self.mutual_aid.others),
            reserves=self.reserves,
            watch=self.relay_watch,
            shut=partial(self.courier.key_refusals.shut, me),
            caught=self.caught_relays.found,
            pubkeys=[me] if self._keys.keyed else [],
            folder=data,
            own_urls=self._own_urls,
            auditor=auditor,
            own=self._own_keys,
            pace=self._pace,
            clock=clock,
            others=self.mutual_aid.others,
            under_way=self.courier.under_way,
        )
        self.courier.on_planned = self.replication.kick
        self.messages.pass_on(self.mutual_aid.exchange.hear)
        if self.authenticator is not None:
            self.courier.logins = self.authenticator.logins
            self.authenticator.on_change = self.retry_auth
            self.authenticator.on_signer_back = self.signer_is_back
        self.ladder = Ladder(
            self.store,
            self.pool,
            self.book,
            monitors=self.monitors,
            looks_nearby=self.config.local_network,
            listed=self._listed,
            folder=data,
            on_found=self.replication.replan,
            clock=clock,
        )
        self.evacuation_survey = EvacuationSurvey(
            self.courier,
            stranger=self._stranger,
            facts=self.relay_facts,
            reserves=self.reserves,
            places=self._places_of_lists,
            private=self.private_relays.urls,
            owner=me,
            caught=self.caught_relays.found,
        )
        self.evacuation = Evacuation(
            self.courier,
            replication=self.replication,
            auditor=auditor,
            relay_list=self.relays,
            message_relays=self.messages.relays,
            private_relays=self.private_relays,
            history=self.history,
            journal=journal,
            owner=me,
            folder=data,
            clock=clock,
        )

    async def _unfit_relays(self) -> set[str]:
        """Those that take nothing of what the account writes, or do not keep it."""
        shut = await self.courier.key_refusals.shut(self.pubkey)
        return {*shut, *await self.caught_relays.found()}

    async def _places_of_lists(self) -> tuple[str, ...]:
        """Where the account's lists may be: they are to be read before they are changed."""
        return self.guard.reader.places(await self.book.relays_of(self.pubkey))

    def _leave(self, urls: Collection[str]) -> None:
        """These are blocked now: what is open to them is closed, and not opened again."""
        for url in urls:
            self.pool.begin_anew(url)

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
