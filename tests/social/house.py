"""The rooms of an account put together over a real store, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from nostr_client.net.dial import DialOptions
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.courier import Courier
from nostr_client.routing.id_comparison import IdComparer
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import ListReader
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Signer
from nostr_client.social.acquaintances import Acquaintances
from nostr_client.social.concern_reading import ConcernReading
from nostr_client.social.feed_sync import FeedSync
from nostr_client.social.followers import Followers
from nostr_client.social.follows import Follows
from nostr_client.social.mutes import Mutes
from nostr_client.social.my_relays import MyRelays
from nostr_client.social.note_views import NoteViews
from nostr_client.social.notes import Notes
from nostr_client.social.notifications import Notifications
from nostr_client.social.own_things import OwnThingsFinder
from nostr_client.social.profiles import Profiles
from nostr_client.social.publisher import Publisher
from nostr_client.social.referenced_events import ReferencedEvents
from nostr_client.social.threads import Threads
from nostr_client.social.timeline import Timeline
from nostr_client.social.zaps import Zaps
from nostr_client.store.contract import EventStore
from tests.routing.rooms import (
    ANA,
    BEN,
    CY,
    DEAD,
    LIMIT,
    START,
    Clock,
    Relay,
    Rooms,
    relay_list,
    rooms,
    signed,
)

ME = ANA.public_key.hex
BEN_KEY = BEN.public_key.hex
CY_KEY = CY.public_key.hex


@dataclass
class House:
    rooms: Rooms
    store: EventStore
    courier: Courier
    clock: Clock
    guard: ListGuard
    profiles: Profiles
    notes: Notes
    follows: Follows
    mutes: Mutes
    relays: MyRelays
    views: NoteViews
    sync: FeedSync
    timeline: Timeline
    threads: Threads
    acquaintances: Acquaintances
    followers: Followers
    concerns: ConcernReading
    notifications: Notifications
    zaps: Zaps

    async def keep(self, *events: Event) -> None:
        await self.store.save(list(events))


async def verify_all(events: Sequence[Event]) -> list[bool]:
    return [event.verify() for event in events]


@asynccontextmanager
async def house(
    folder: Path,
    *,
    key: SecretKey = ANA,
    fallback: Sequence[str] = (),
    indexers: Sequence[str] = (),
    own_relay: str = "",
    private: Sequence[str] = ("127.0.0.1",),
    can_sign: bool = True,
    signer: Signer | None = None,
    only_here: bool = True,
    minds_outages: bool = False,
    search: bool = False,
    media: DialOptions | None = None,
) -> AsyncIterator[House]:
    me = key.public_key.hex
    async with rooms(
        folder,
        owner=key,
        fallback=fallback,
        indexers=indexers,
        own_relay=own_relay,
        private=private,
        minds_outages=minds_outages,
        search=search,
    ) as r:
        courier, clock = r.courier, r.clock
        signer = (signer or LocalSigner(key, clock)) if can_sign else None
        reader = ListReader(courier, pubkey=me, folder=folder, only_here=only_here)
        guard = ListGuard(reader, signer, clock=clock)
        profiles = Profiles(courier, guard, owner=me, clock=clock)
        follows = Follows(courier, guard, me)
        mutes = Mutes(courier, guard, me, folder)
        await mutes.recall()
        zaps = Zaps(profiles, media, clock)
        views = NoteViews(r.store, profiles, me, mutes=lambda: mutes.matcher, zaps=zaps)
        missing = ReferencedEvents(courier, clock)
        facts = RelayFactBook(folder / "facts.json", r.policy, clock=clock)
        trials = NegentropyTrials(folder / "negentropy.json", facts, clock)
        followers = Followers(folder / "followers.json", me, clock)
        acquaintances = Acquaintances(r.store, follows, me, clock)
        own = OwnThingsFinder(r.store, me, clock)
        concerns = ConcernReading(
            courier,
            acquaintances=acquaintances,
            followers=followers,
            own=own,
            owner=me,
            clock=clock,
        )
        async with FeedSync(
            courier,
            follows,
            profiles,
            owner=me,
            folder=folder,
            comparer=IdComparer(r.store, r.pool, trials, clock),
            concerns=concerns,
            clock=clock,
        ) as sync:
            yield House(
                rooms=r,
                store=r.store,
                courier=courier,
                clock=clock,
                guard=guard,
                profiles=profiles,
                notes=Notes(Publisher(guard, signer, verify_all)),
                follows=follows,
                mutes=mutes,
                relays=MyRelays(courier, guard, me),
                views=views,
                sync=sync,
                timeline=Timeline(courier, follows, views, missing, owner=me, clock=clock),
                threads=Threads(courier, views, missing, acquaintances),
                acquaintances=acquaintances,
                followers=followers,
                concerns=concerns,
                notifications=Notifications(
                    *(r.store, mutes, zaps),
                    acquaintances=acquaintances,
                    followers=followers,
                    own=own,
                    owner=me,
                    folder=folder,
                    clock=clock,
                ),
                zaps=zaps,
            )


__all__ = [
    "ANA",
    "BEN",
    "BEN_KEY",
    "CY",
    "CY_KEY",
    "DEAD",
    "LIMIT",
    "ME",
    "START",
    "House",
    "Relay",
    "house",
    "relay_list",
    "signed",
]
