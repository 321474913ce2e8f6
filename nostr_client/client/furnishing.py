"""How the rooms of an account come to stand on those that keep and carry events."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from nostr_client.client.connecting import stranger
from nostr_client.client.network import Enter
from nostr_client.client.rooms import ClientRooms
from nostr_client.net.dial import DialOptions
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.protocol.event import Event
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


async def furnish(client: ClientRooms, enter: Enter) -> None:
    """The rooms of an account, on top of those that carry events."""
    me, data, clock = client.pubkey, client.paths.data, client._clock
    client.profiles = Profiles(
        client.courier, client.guard, owner=me, proxy=client.config.proxy, clock=clock
    )
    files = DialOptions.through(client.config.proxy) if client.config.media else None
    client.media = Media(
        client.courier,
        client.guard,
        client._writer,
        folder=data / "blobs",
        pictures=client.paths.state / "pictures",
        proxy=client.config.proxy,
        fetches=client.config.media,
        private_hosts=client.config.allow_private_relays,
        clock=clock,
    )
    client.publisher = Publisher(client.guard, client._writer, client.verifier.verify_all)
    client.notes = Notes(client.publisher, client.media.imeta_of)
    client.schedule = Schedule(
        client.notes, client.publisher, folder=data / "scheduled" / (me or "nobody"), clock=clock
    )
    client.follows = Follows(client.courier, client.guard, me)
    client.acquaintances = Acquaintances(client.store, client.follows, me)
    client.completion = Completion(
        client.store, client.follows, client.profiles, owner=me, clock=clock
    )
    client.mutes = Mutes(client.courier, client.guard, me, data, client.config.muted_kinds)
    await client.mutes.recall()
    client.bookmarks = Bookmarks(client.courier, client.guard, me)
    client.blocked_relays = BlockedRelays(
        client.courier, client.guard, me, data, partial(_leave, client)
    )
    client.private_relays = PrivateRelays(client.courier, client.guard, me)
    client.courier.private_relays = client.private_relays.urls
    client.synced_drafts = SyncedDrafts(
        client.notes,
        client.publisher,
        owner=me,
        on=client.config.sync_drafts,
        private_relays=client.private_relays.urls,
        folder=data,
        clock=clock,
    )
    client.relays = MyRelays(client.courier, client.guard, me, found_at(data, me))
    client.relay_facts = RelayFactBook(
        data / "relay_facts.json", client.book.policy, client.config.proxy, clock
    )
    client.pool.document_of = client.relay_facts.limits_of
    client.relay_watch = RelayWatch(
        client.pool, own_urls=client._own_urls, pace=client._pace, clock=clock
    )
    client.caught_relays = CaughtRelays(client.store, me, clock)
    client.reserves = Reserves(
        client.store,
        client.relay_facts,
        homes=partial(client.courier.homes, me),
        candidates=client.book.reserve_candidates,
        owner=me,
        wanted=client.config.copies,
        folder=data,
        dead=client.relay_watch.dead,
        doubtful=client.relay_watch.doubtful,
        unfit=partial(_unfit_relays, client),
        minute=60.0 / client._pace.speedup,
        clock=clock,
    )
    client.survivals = Survivals(
        client.store,
        owner=me,
        wanted=client.config.copies,
        homes=partial(client.courier.homes, me),
        reserve=client.reserves.urls,
        facts=client.relay_facts.known,
        own_urls=client._own_urls,
        dead=client.pool.outages.dead,
        caught=client.caught_relays.found,
    )
    client.portraits = RelayPortraits(client.courier, client.relay_facts, client.reserves.urls, me)
    client.lists = ListHistory(client.courier, client.guard, me)
    client.zaps = Zaps(client.profiles, files, clock)
    views = NoteViews(
        *(client.store, client.profiles, me, client.survivals, lambda: client.mutes.matcher),
        zaps=client.zaps,
    )
    client.key_leaks = await enter(
        KeyLeaks(
            client.store,
            client.follows,
            owner=me,
            folder=data,
            own=client._own_keys,
            clock=clock,
        )
    )
    concerns = _furnish_notifications(client)
    trials = NegentropyTrials(data / "negentropy.json", client.relay_facts, clock)
    client.feed_sync = await enter(
        FeedSync(
            client.courier,
            client.follows,
            client.profiles,
            owner=me,
            folder=data,
            comparer=IdComparer(client.store, client.pool, trials, clock),
            concerns=concerns,
            clock=clock,
        )
    )
    searched = SearchRelays(
        client.courier,
        client.guard,
        me,
        facts=client.relay_facts,
        monitors=client.config.monitors,
        clock=clock,
    )
    client.search = Search(
        client.courier,
        views,
        client.profiles,
        client.follows,
        searched,
        acquaintances=client.acquaintances,
        facts=client.relay_facts,
        owner=me,
        own=client._own_keys,
        clock=clock,
    )
    missing = ReferencedEvents(client.courier)
    client.timeline = Timeline(
        client.courier, client.follows, views, missing, owner=me, clock=clock
    )
    client.threads = Threads(client.courier, views, missing, client.acquaintances)
    client.messages = await enter(
        Messages(
            client.courier,
            client.guard,
            client.follows,
            client._writer,
            owner=me,
            folder=data,
            media=files,
            mutes=lambda: client.mutes.matcher,
            encryption=client._encryption,
            clock=clock,
        )
    )
    unwanted = RejectedIds(data / f"unwanted-{me[:16] or 'nobody'}")
    client.comparisons = History(client.courier, trials, owner=me, unwanted=unwanted, clock=clock)
    client.own_history = await enter(
        OwnHistory(
            client.comparisons,
            client.store,
            client.book,
            owner=me,
            folder=data,
            ready=lambda: client.feed_sync.status.is_complete,
            clock=clock,
        )
    )
    client.inquiry = Inquiry(
        client.store, partial(stranger, client), client.book, client.relay_facts, clock
    )
    _keep_copies(client)
    await client.ladder.recall()


def _furnish_notifications(client: ClientRooms) -> ConcernReading:
    """What concerns the account, and what reads it."""
    me, data, clock = client.pubkey, client.paths.data, client._clock
    followers = Followers(data / f"followers-{me[:16] or 'nobody'}.json", me, clock)
    own = OwnThingsFinder(client.store, me)
    client.notifications = Notifications(
        *(client.store, client.mutes, client.zaps),
        acquaintances=client.acquaintances,
        followers=followers,
        own=own,
        owner=me,
        folder=data,
        clock=clock,
    )
    return ConcernReading(
        client.courier,
        acquaintances=client.acquaintances,
        followers=followers,
        own=own,
        owner=me,
        clock=clock,
    )


def _keep_copies(client: ClientRooms) -> None:
    """What sees to it that copies are where they belong, and moves the account."""
    me, data, clock = client.pubkey, client.paths.data, client._clock

    async def place(event: Event, urls: Collection[str]) -> None:
        await client.replication.place(event, urls)

    client.mutual_aid = MutualAid(
        *(client.courier, client.comparisons, client.reserves, client.relay_facts),
        place=place,
        signer=client._writer,
        own=client._own_keys,
        owner=me,
        folder=data,
        most_bytes=client.config.copies_of_others_mb * 10**6,
        clock=clock,
    )
    auditor = Auditor(
        client.store,
        client.pool,
        partial(stranger, client),
        pubkeys=[me],
        others=client.mutual_aid.others.authors,
        folder=data,
        early=FIRST_AUDIT * (1 - 1 / client._pace.speedup),
        refill=REFILL / client._pace.speedup,
        clock=clock,
    )
    journal = EvacuationJournal(data, me, clock)
    client.replication = Replication(
        client.store,
        client.pool,
        CopyPlanner(client.courier, client.reserves, me, journal.told, client.mutual_aid.others),
        reserves=client.reserves,
        watch=client.relay_watch,
        shut=partial(client.courier.key_refusals.shut, me),
        caught=client.caught_relays.found,
        pubkeys=[me] if client._keys.keyed else [],
        folder=data,
        own_urls=client._own_urls,
        auditor=auditor,
        own=client._own_keys,
        pace=client._pace,
        clock=clock,
        others=client.mutual_aid.others,
        under_way=client.courier.under_way,
    )
    client.courier.on_planned = client.replication.kick
    client.messages.pass_on(client.mutual_aid.exchange.hear)
    if client.authenticator is not None:
        client.courier.logins = client.authenticator.logins
        client.authenticator.on_change = client.retry_auth
        client.authenticator.on_signer_back = client.signer_is_back
    client.ladder = Ladder(
        client.store,
        client.pool,
        client.book,
        monitors=client.monitors,
        looks_nearby=client.config.local_network,
        listed=client._listed,
        folder=data,
        on_found=client.replication.replan,
        clock=clock,
    )
    client.evacuation_survey = EvacuationSurvey(
        client.courier,
        stranger=partial(stranger, client),
        facts=client.relay_facts,
        reserves=client.reserves,
        places=partial(_places_of_lists, client),
        private=client.private_relays.urls,
        owner=me,
        caught=client.caught_relays.found,
    )
    client.evacuation = Evacuation(
        client.courier,
        replication=client.replication,
        auditor=auditor,
        relay_list=client.relays,
        message_relays=client.messages.relays,
        private_relays=client.private_relays,
        history=client.comparisons,
        journal=journal,
        owner=me,
        folder=data,
        clock=clock,
    )


async def _unfit_relays(client: ClientRooms) -> set[str]:
    """Those that take nothing of what the account writes, or do not keep it."""
    shut = await client.courier.key_refusals.shut(client.pubkey)
    return {*shut, *await client.caught_relays.found()}


async def _places_of_lists(client: ClientRooms) -> tuple[str, ...]:
    """Where the account's lists may be: they are to be read before they are changed."""
    return client.guard.reader.places(await client.book.relays_of(client.pubkey))


def _leave(client: ClientRooms, urls: Collection[str]) -> None:
    """These are blocked now: what is open to them is closed, and not opened again."""
    for url in urls:
        client.pool.begin_anew(url)
