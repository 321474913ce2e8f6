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
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from nostr_client.accounts.keyfiles import KeyFiles
from nostr_client.config import ClientConfig, load_config
from nostr_client.errors import NostrError
from nostr_client.kit.last_kit import last_kit
from nostr_client.net.addresses import KnownAddresses
from nostr_client.net.dial import DialOptions
from nostr_client.net.outages import Outages
from nostr_client.net.pool import RelayPool
from nostr_client.net.rejected_ids import RejectedIds
from nostr_client.net.report import Answer
from nostr_client.net.session.paging import Paging
from nostr_client.nips import nip19
from nostr_client.paths import Paths, private_folder
from nostr_client.paths import paths as default_paths
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey, SecretKey
from nostr_client.protocol.refusals import AUTH_REQUIRED
from nostr_client.resilience.audits import REFILL, Auditor
from nostr_client.resilience.copy_planning import CopyPlanner
from nostr_client.resilience.evacuation import Evacuation
from nostr_client.resilience.evacuation_journal import EvacuationJournal
from nostr_client.resilience.evacuation_survey import EvacuationSurvey
from nostr_client.resilience.history import History
from nostr_client.resilience.inquiry import Inquiry
from nostr_client.resilience.kept_people import kept_by_anyone
from nostr_client.resilience.ladder import Ladder
from nostr_client.resilience.mutual_aid import MutualAid
from nostr_client.resilience.own_history import OwnHistory
from nostr_client.resilience.own_relay import OwnRelay
from nostr_client.resilience.pace import Pace
from nostr_client.resilience.relay_watch import RelayWatch
from nostr_client.resilience.replication import Replication
from nostr_client.resilience.reserves import Reserves
from nostr_client.routing.address_policy import AddressPolicy, relay_url
from nostr_client.routing.auth_choices import auth_choices
from nostr_client.routing.authentication import Authenticator
from nostr_client.routing.caught_relays import CaughtRelays
from nostr_client.routing.courier import Courier
from nostr_client.routing.fetch_results import FetchResult
from nostr_client.routing.id_comparison import IdComparer
from nostr_client.routing.kill_switches import MassDeletion, vanishing
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_loss import ListLoss
from nostr_client.routing.list_reading import ListReader
from nostr_client.routing.negentropy_trials import NegentropyTrials
from nostr_client.routing.private_part import PrivatePart
from nostr_client.routing.relay_book import RelayBook
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.routing.relay_monitors import RelayMonitors
from nostr_client.routing.saved_relays import found_at
from nostr_client.routing.starter_relays import starter_relays
from nostr_client.routing.survival import Survivals
from nostr_client.signing.gate import OwnKeys
from nostr_client.signing.gated import gated
from nostr_client.signing.guards import Confirmation, Consent, Guard, Guarded, Objection, nobody
from nostr_client.signing.signer import Signer, WatchOnly
from nostr_client.signing.verifier import Verifier
from nostr_client.social.blocked_relays import BlockedRelays, known_blocks
from nostr_client.social.bookmarks import Bookmarks
from nostr_client.social.feed_sync import FeedSync
from nostr_client.social.follows import Follows
from nostr_client.social.key_leaks import KeyLeaks
from nostr_client.social.list_history import ListHistory
from nostr_client.social.messages.messages import Messages
from nostr_client.social.mutes import Mutes
from nostr_client.social.my_relays import MyRelays
from nostr_client.social.note_views import NoteViews
from nostr_client.social.notes import Notes
from nostr_client.social.private_relays import PrivateRelays
from nostr_client.social.profiles import Profiles
from nostr_client.social.publisher import Publisher
from nostr_client.social.referenced_events import ReferencedEvents
from nostr_client.social.relay_portraits import RelayPortraits
from nostr_client.social.threads import Threads
from nostr_client.social.timeline import Timeline
from nostr_client.social.views import Posted, SyncStatus
from nostr_client.store.contract import (
    FIRST_AUDIT,
    CopyLedger,
    EventStore,
    QuotaLimits,
    StoreOptions,
)
from nostr_client.store.opening import open_store
from nostr_client.tasks import OwnedTasks

log = logging.getLogger(__name__)


def _check_filters(filters: Sequence[object]) -> None:
    for item in filters:
        if not isinstance(item, Filter):
            raise TypeError(
                f"a filter is a Filter, as Filter.of(kinds=[1]) or Filter.from_dict(...) make it,"
                f" and not a {type(item).__name__}; several are several arguments"
            )


OWN_RELAY_LIMIT: Final = 15.0
"""Seconds that the own relay may take to be found or started before the client goes on without."""
EXHAUSTIVE: Final = Paging(exhaustive=True, most=20_000)
"""A fetch reads on until a page brings nothing new, so many events of one relay at most."""


_Enter = Callable[[AbstractAsyncContextManager[Any]], Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class _ClientKeys:
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
    ) -> _ClientKeys:
        """As `NostrClient.open` is told. Raises InvalidKey."""
        who = signer.pubkey if signer else PublicKey(pubkey).hex if pubkey else ""
        writer = gated(signer, own) if signer and not isinstance(signer, WatchOnly) else None
        return cls(who, writer, writer or login, writer is not None or locked, key_only_here)


class NostrClient:
    """One account at work. Made by `NostrClient.open` only.

    Rooms: `store`, `copies` (which relay holds what), `verifier`, `pool`, `book` (who writes and
    reads where), `courier`, `guard`; `profiles`, `publisher`, `notes`, `follows`, `mutes`,
    `bookmarks`, `blocked_relays`, `private_relays` (NIP-37), `relays`, `lists` (their earlier
    versions), `timeline`, `threads`, `messages` (private ones), `key_leaks` (the alarm),
    `feed_sync` (the background reading);
    `replication`, `history` (what relays hold, compared and fetched), `own_history` (all of one's
    own, brought here by itself), `inquiry` (whether they hold somebody's notes back), `mutual_aid`
    (copies of others), `evacuation` and its survey, `own_relay` (None when it is off).
    """

    pubkey: str
    """The account's public key in hex; empty when the client was opened without any."""
    signer: Guarded | None
    """What signs for the account, behind its guards; None for one that is only watched."""
    consent: Consent
    """Who is asked about what a guard objects to; a face puts itself here."""
    paths: Paths
    config: ClientConfig
    store: EventStore
    copies: CopyLedger
    verifier: Verifier
    pool: RelayPool
    book: RelayBook
    courier: Courier
    guard: ListGuard
    profiles: Profiles
    publisher: Publisher
    notes: Notes
    follows: Follows
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
    threads: Threads
    messages: Messages
    replication: Replication
    history: History
    own_history: OwnHistory
    evacuation_survey: EvacuationSurvey
    evacuation: Evacuation
    inquiry: Inquiry
    mutual_aid: MutualAid
    authenticator: Authenticator | None
    """Who is told who we are (NIP-42); None where there is no key to say it with."""
    media: DialOptions | None
    """How files that events name are fetched (`net.http.fetch_file`); None: they are not."""
    own_relay: OwnRelay | None
    own_relay_problem: str
    """Why the own relay is not there although it should be; empty when all is well."""

    def __init__(
        self, paths: Paths, config: ClientConfig, keys: _ClientKeys, clock: Callable[[], float]
    ) -> None:
        """Use `NostrClient.open`."""
        self.paths = paths
        self.config = config
        self.pubkey = keys.pubkey
        self.signer = None
        self.consent = nobody
        self._writer: Guarded | None = None
        self.own_relay = None
        self.own_relay_problem = ""
        self.authenticator = None
        self._keys = keys
        self._own_keys = KeyFiles.of(paths).own_keys
        self._encryption: Signer | None = None
        self._indexers: Sequence[str] | None = None
        self._pace = Pace()
        self._guards: tuple[Guard, ...] = ()
        self._clock = clock

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        signer: Signer | SecretKey | None = None,
        *,
        pubkey: str | None = None,
        paths: Paths | None = None,
        config: ClientConfig | None = None,
        relays: Sequence[str] | None = None,
        own_relay: bool = False,
        key_only_here: bool = False,
        locked: bool = False,
        login: Signer | None = None,
        guards: Sequence[Guard] = (),
        consent: Consent = nobody,
        encryption: Signer | None = None,
        indexers: Sequence[str] | None = None,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.time,
    ) -> AsyncIterator[NostrClient]:
        """A client at work until the block ends.

        `signer` writes. A `SecretKey` in its place signs, too, and is kept nowhere; nothing that
        is signed lets it out, nor the key of any account of the folder. With `pubkey` (hex)
        instead the account is only watched.
        `relays` are asked and written to where nobody's relay list says better: by default those
        of the configuration, and else the packaged starter relays; an empty list, in either place,
        means none at all.
        `locked` says that the key of `pubkey` is on this machine, though not unlocked: the relay
        list is then the person's own word, and its relays are dialled wherever they lead.
        `login` signs for a client without a `signer`, and nothing but the answer to an own relay
        that wants to know who reads (NIP-42).
        `encryption` has the separate encryption key that others may write to (NIP-4E, a draft).
        `own_relay` has the relay of one's own found or started: a process that stays a little
        longer than this one. `key_only_here` says that the key was made by this
        program and never left this machine, so that nobody else can have written lists with it
        (`Account.key_only_here`); otherwise they must be read before they are changed.
        `indexers` keep profiles and relay lists of everybody: by default the package's, or none
        where `relays` are given. `pace` is that of the replication, for rehearsals.
        `guards` are asked before anything is signed, beside those on what cannot be taken back
        (`routing.kill_switches`, `routing.list_loss`). What one objects to is signed if `consent`
        says so, and else refused (NotConfirmed); `signing.guards.consent_to` is one for scripts.

        Raises StoreError, ConfigError, InvalidKey.
        """
        where = paths or default_paths()
        if isinstance(signer, SecretKey):
            from nostr_client.accounts.account import Accounts  # for those alone who need them

            signer = await Accounts(where).signer_given(signer)
        settings = config or load_config(where.config / "config.toml")
        chosen = settings.relays if relays is None else tuple(relays)  # None: the starters
        keys = _ClientKeys.of(
            signer,
            pubkey,
            locked=locked,
            login=login,
            key_only_here=key_only_here,
            own=KeyFiles.of(where).own_keys,
        )
        async with AsyncExitStack() as stack:
            self = cls(where, settings.for_account(keys.pubkey), keys, clock)
            self._encryption = encryption
            self._indexers, self._pace = indexers, pace or Pace()
            self._guards, self.consent = tuple(guards), consent
            if own_relay:
                self.own_relay = OwnRelay(where)
            if keys.login is not None:  # the signer, where there is one
                await stack.enter_async_context(keys.login)
            await self._build(stack.enter_async_context, chosen)
            if self.own_relay is not None:
                await self._use_own_relay(self.own_relay, stack)
            tasks = await stack.enter_async_context(OwnedTasks())
            tasks.start(self.pool.outages.keep())
            if self.pubkey:
                tasks.start(self.blocked_relays.keep())
                tasks.start(self.mutual_aid.keep())
            if self.authenticator is not None:
                tasks.start(self.authenticator.keep_trying())
            tasks.start(self.ladder.keep())
            tasks.start(self.monitors.keep())
            if keys.keyed:  # a watched account's events are not ours to spread
                tasks.start(self.replication.run())
            yield self

    # What an account does

    async def post(
        self,
        text: str,
        *,
        tags: Iterable[Sequence[str]] = (),
        warning: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Write a note. It is stored first; the report says which relays took it.

        `tags` come beside those of what the text mentions. `warning` marks it as sensitive
        (NIP-36), with a reason or "". `on_answer` is told of each relay's answer as it comes.
        Raises InvalidEvent, SignerError, StoreError; that no relay answers is no error
        (`posted.report.raise_if_failed()` makes it one).
        """
        return await self.notes.post(text, tags=tags, warning=warning, on_answer=on_answer)

    async def reply(
        self,
        parent: str,
        text: str,
        *,
        tags: Iterable[Sequence[str]] = (),
        warning: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Answer the note `parent` (NIP-10): an id in hex, a note1 or a nevent1, as wherever an
        event is named here. Raises InvalidCode, and InvalidEvent when it is not a kind 1."""
        parent_id = nip19.event_of(parent).id
        return await self.notes.reply(
            parent_id, text, tags=tags, warning=warning, on_answer=on_answer
        )

    async def repost(
        self, event: str, *, on_answer: Callable[[Answer], None] | None = None
    ) -> Posted:
        """Pass an event on (NIP-18)."""
        return await self.notes.repost(nip19.event_of(event).id, on_answer=on_answer)

    async def react(
        self,
        event: str,
        content: str = "+",
        *,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """React to an event (NIP-25): "+" likes, "-" dislikes, or an emoji."""
        return await self.notes.react(nip19.event_of(event).id, content, on_answer=on_answer)

    async def delete(
        self,
        event: str,
        reason: str = "",
        *,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Ask every relay that holds the own `event` to delete it (NIP-09)."""
        return await self.notes.delete(nip19.event_of(event).id, reason, on_answer=on_answer)

    async def publish(
        self, what: Draft | Event, *, on_answer: Callable[[Answer], None] | None = None
    ) -> Posted:
        """Store and publish any event; a draft is signed first.

        A replaceable event of the account (profile, follow list, any list) is refused here: it
        goes through its own room (`profiles`, `follows`, `relays`) or `guard.edit`, which read the
        newest version first, so that nothing is overwritten unread.
        Raises InvalidEvent, SignerError, StoreError.
        """
        if isinstance(what, Event):
            return await self.publisher.publish_signed(what, on_answer=on_answer)
        return await self.publisher.publish(what, on_answer=on_answer)

    async def fetch(
        self,
        *filters: Filter,
        relays: Sequence[str] | None = None,
        timeout: float = 10.0,  # noqa: ASYNC109 - it ends in an answer, not in an error
    ) -> FetchResult:
        """Ask relays and the store: what is known then, newest first. `outcome` of the answer says
        what it came to, `missed` which relays did not send all they have, and why, and `ends` for
        each relay what it did.

        Without `relays` the filters' authors are asked for where they write, and all else at
        the client's own relays. `relays` count as given by the person and are dialled wherever
        they lead: hand on a stranger's only through `book.policy.from_stranger`. Takes at most
        `timeout` seconds; offline it is what the store has. Raises TypeError for what is no
        Filter (`Filter.of(kinds=[1])`, `Filter.from_dict({...})`), StoreError.
        """
        _check_filters(filters)
        urls = self._given(relays)
        asked = await self.courier.fetch(filters, urls, timeout=timeout, paging=EXHAUSTIVE)
        return FetchResult(await self.store.query(filters), asked.ends)

    async def feed(
        self, *filters: Filter, relays: Sequence[str] | None = None
    ) -> AsyncIterator[Event]:
        """Events that match, as they arrive; without filters, the home timeline's.

        Each comes once, verified and stored. They are those created from now on, so that a bot does
        not answer yesterday's; a filter with a `since` begins there: first comes what the store
        has since then, oldest first. Ends when the iteration is left or the client closes.
        `relays` and errors are as for `fetch`.
        """
        _check_filters(filters)
        earlier = [f for f in filters if f.since is not None]
        wanted = filters or (await self.timeline.home_filter(),)
        now = int(self._clock())
        wanted = tuple(f.changed(since=now, limit=None) if f.since is None else f for f in wanted)
        urls = self._given(relays)
        async with AsyncExitStack() as stack:
            watch = await stack.enter_async_context(self.store.watch(wanted))
            held = await self.store.query(earlier) if earlier else []
            for event in reversed(held):
                yield event
            seen = {event.id for event in held}
            if urls is None:
                await stack.enter_async_context(self.courier.subscribe_to_authors(wanted))
            for url in urls or ():
                await stack.enter_async_context(self.courier.subscribe(wanted, [url]))
            async for event in watch:
                if event.id not in seen:
                    yield event

    def sync(self) -> SyncStatus:
        """Start the background reading (home, mentions, own lists), if it does not run already;
        once that is complete, all of the own history follows (`own_history`)."""
        self.own_history.start()
        return self.feed_sync.start()

    async def signer_is_back(self) -> None:
        """The account was unlocked, or its bunker answers again: what waited for it goes on at
        once. Raises StoreError."""
        await self.retry_auth()
        self.messages.retry()

    async def retry_auth(self, url: str = "") -> None:
        """The relay at `url`, or any, may be told now who we are (NIP-42): what relays refused for
        want of it is asked, and sent, again at once. Raises StoreError."""
        if self.authenticator is not None and self.authenticator.is_taken_back(url):
            self.pool.begin_anew(url)
        self.pool.ask_auth_again([url] if url else None)
        await self.copies.hurry(AUTH_REQUIRED)
        self.replication.kick()
        self.own_history.hurry()

    # Building

    async def _build(self, enter: _Enter, relays: Sequence[str] | None) -> None:
        """Every room, from the ground up; what must be ended is entered.

        `relays` None: the starter relays.
        """
        await self._connect(enter, relays)
        await self._furnish(enter)

    async def _connect(self, enter: _Enter, relays: Sequence[str] | None) -> None:
        """The rooms that keep and carry events."""
        me, data, config = self.pubkey, private_folder(self.paths.data), self.config
        self.store = await enter(
            open_store(data / "events.db", StoreOptions(keep_history_of=[me] if me else []))
        )
        self.copies = self.store.ledger
        self.store.quotas.limits = QuotaLimits(
            relay=config.relay_quota_mb * 2**20, stranger=config.stranger_quota_mb * 2**20
        )
        self.store.quotas.also_spared = partial(kept_by_anyone, data)
        outages = Outages(data / "outages.json", self._clock)
        self.book = await self._relay_book(relays, outages)
        if self._keys.login or self._keys.keyed:
            choices = auth_choices(data, me)
            self.authenticator = Authenticator(self._keys.login, self.book, choices)
            self.authenticator.on_change = self.retry_auth
            self.authenticator.on_signer_back = self.signer_is_back
        self.verifier = await enter(Verifier())
        self.pool = await enter(
            RelayPool(
                verifier=self.verifier,
                proxy=config.proxy,
                compression=config.compression,
                known=self.store.known,
                authenticate=self.authenticator,
                dial=self.book.policy,
                outages=outages,
                own=[me] if me else [],
                addresses=KnownAddresses(data / "addresses.json", self._clock),
            )
        )
        self.courier = await enter(
            Courier(
                self.store,
                self.pool,
                self.book,
                folder=data,
                own=self._own_keys,
                clock=self._clock,
            )
        )
        self.monitors = RelayMonitors(self.courier, chosen=config.monitors, clock=self._clock)
        self.courier.scores.lowered = self.monitors.lowered
        reader = ListReader(
            self.courier,
            pubkey=me,
            folder=data,
            only_here=self._keys.key_only_here,
            introduced=self.authenticator.introduced if self.authenticator else (),
        )
        confirmation = self._put_guards(reader)
        self.guard = ListGuard(
            reader,
            self._writer,
            own_urls=self._own_urls,
            confirmation=confirmation,
            clock=self._clock,
        )

    def _put_guards(self, reader: ListReader) -> Confirmation:
        """What is signed here passes the guards; lists, which are read before they are changed, are
        compared there (`ListGuard`), and where somebody signs one with `signer` itself."""
        me, data = self.pubkey, self.paths.data
        confirmation = Confirmation(self._ask, partial(_backup_age, data, me, self._clock))
        if (signer := self._keys.signer) is not None:
            deletions = MassDeletion(me, data, self._held, self._clock)
            guards: list[Guard] = [vanishing, deletions, *self._guards]
            losses = ListLoss(reader.newest, PrivatePart(signer).text_of)
            self._writer = Guarded(signer, guards, confirmation)
            self.signer = Guarded(signer, [*guards, losses], confirmation)
        return confirmation

    async def _ask(self, draft: Draft, objection: Objection) -> bool:
        return await self.consent(draft, objection)

    def _leave(self, urls: Collection[str]) -> None:
        """These are blocked now: what is open to them is closed, and not opened again."""
        for url in urls:
            self.pool.begin_anew(url)

    async def _held(self, ids: Collection[str]) -> list[Event]:
        return await self.store.query([Filter(ids=frozenset(ids))]) if ids else []

    async def _relay_book(self, relays: Sequence[str] | None, outages: Outages) -> RelayBook:
        """The relays that the account, the person and the package name."""
        me, config = self.pubkey, self.config
        starters = starter_relays()
        policy = AddressPolicy(
            config.allow_private_relays,
            (*(relays or ()), *(self._indexers or ())),
            config.relays_of_strangers,
            [relay.url for relay in starters.gone],
        )
        if me:
            blocks = await asyncio.to_thread(known_blocks, self.paths.data, me)
            policy.blocked = frozenset(blocks.urls)
        self._listed = () if relays is not None and not relays else starters.urls("general")
        indexers = starters.urls("indexer") if relays is None else ()
        book = RelayBook(
            self.store,
            policy,
            owner=me,
            keyed=self._keys.keyed,
            fallback=starters.urls("general") if relays is None else relays,
            starters=relays is None,
            indexers=indexers if self._indexers is None else self._indexers,
            down=outages.down,
            clock=self._clock,
        )
        if me and not self._keys.keyed:  # a key of ours has a list of its own, signed by it
            found = await asyncio.to_thread(found_at(self.paths.data, me).read) or ()
            policy.allow(found)
            book.add_found(me, found)
        await book.client_relays()  # from the start the policy knows what the own list opens
        return book

    async def _furnish(self, enter: _Enter) -> None:
        """The rooms of an account, on top of those that carry events."""
        me, data, clock = self.pubkey, self.paths.data, self._clock
        self.profiles = Profiles(
            self.courier, self.guard, owner=me, proxy=self.config.proxy, clock=clock
        )
        self.media = DialOptions.through(self.config.proxy) if self.config.media else None
        self.publisher = Publisher(self.guard, self._writer, self.verifier.verify)
        self.notes = Notes(self.publisher)
        self.follows = Follows(self.courier, self.guard, me)
        self.mutes = Mutes(self.courier, self.guard, me)
        self.bookmarks = Bookmarks(self.courier, self.guard, me)
        self.blocked_relays = BlockedRelays(self.courier, self.guard, me, data, self._leave)
        self.private_relays = PrivateRelays(self.courier, self.guard, me)
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
        views = NoteViews(self.store, self.profiles, me, self.survivals)
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
        trials = NegentropyTrials(data / "negentropy.json", self.relay_facts, clock)
        self.feed_sync = await enter(
            FeedSync(
                self.courier,
                self.follows,
                self.profiles,
                owner=me,
                folder=data,
                comparer=IdComparer(self.store, self.pool, trials, clock),
                clock=clock,
            )
        )
        missing = ReferencedEvents(self.courier)
        self.timeline = Timeline(self.courier, self.follows, views, missing, owner=me, clock=clock)
        self.threads = Threads(self.courier, views, missing)
        self.messages = await enter(
            Messages(
                self.courier,
                self.guard,
                self.follows,
                self._writer,
                owner=me,
                folder=data,
                media=self.media,
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
        )
        self.courier.on_planned = self.replication.kick
        self.messages.pass_on(self.mutual_aid.exchange.hear)
        if self.authenticator is not None:
            self.courier.logins = self.authenticator.logins
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

    async def _use_own_relay(self, own: OwnRelay, stack: AsyncExitStack) -> None:
        """Find or start the own relay; without it the client works all the same, and says so."""
        try:
            stack.enter_context(own.folder.in_use())
            async with asyncio.timeout(OWN_RELAY_LIMIT):
                self.book.policy.own_relay = await own.ensure()
        except TimeoutError:
            self.own_relay_problem = f"the own relay did not start within {OWN_RELAY_LIMIT:g} s"
        except NostrError as error:
            self.own_relay_problem = str(error)
        self.book.policy.own_headers = own.folder.headers
        if self.own_relay_problem:
            log.warning("%s", self.own_relay_problem)

    def _stranger(self) -> RelayPool:
        """A pool that no relay can tell is ours: other connections, other circuits, no key."""
        return RelayPool(
            verifier=self.verifier,
            proxy=self.config.proxy,
            compression=self.config.compression,
            dial=self.book.policy,
        )

    def _own_urls(self) -> tuple[str, ...]:
        """Every URL that the own relay has had, the present one first."""
        return self.own_relay.folder.urls() if self.own_relay else ()

    # Small questions

    def _given(self, urls: Collection[str] | None) -> list[str] | None:
        """Relay URLs that whoever calls gives for this one question: they may be dialled."""
        if urls is None:
            return None
        self.book.policy.allow(urls)
        return [url for text in urls if (url := relay_url(text))]


def _backup_age(data: Path, pubkey: str, clock: Callable[[], float]) -> float | None:
    """Seconds since the account's last backup; None if none is known of. Raises StoreError."""
    last = last_kit(data, pubkey)
    return None if last is None else clock() - last.made_at
