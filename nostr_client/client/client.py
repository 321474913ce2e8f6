"""NostrClient: the front door of the library. It builds and owns every room below.

    async with NostrClient.open(signer, relays=["wss://relay.example"]) as client:
        posted = await client.post("hi")
        print(posted.report)

What an account writes is stored here before it is sent, and what no relay took yet is tried again
for as long as a client runs on this folder, after a restart too. Closing the client ends every
task it started, within two seconds.
"""

from __future__ import annotations

import time
from collections.abc import (
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from nostr_client.client.former_names import MethodOnceRoom
from nostr_client.client.reading import ClientReading
from nostr_client.config import ClientConfig, load_config
from nostr_client.paths import Paths
from nostr_client.paths import paths as default_paths
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.pace import Pace
from nostr_client.routing.address_policy import relay_urls
from nostr_client.signing.guards import Consent, Guard, nobody
from nostr_client.signing.signer import Signer
from nostr_client.tasks import OwnedTasks, steadily

if TYPE_CHECKING:
    from nostr_client.nips.nip11 import Limitation


class NostrClient(ClientReading):
    """One account at work. Made by `NostrClient.open` only.

    Rooms: `store`, `copies` (which relay holds what), `verifier`, `pool`, `book` (who writes and
    reads where), `courier`, `guard`; `profiles`, `publisher`, `notes`, `schedule` (notes that go
    out at a time), `completion` (of what is being written), `follows`, `mutes`, `bookmarks`,
    `blocked_relays`, `private_relays` and `synced_drafts` (NIP-37), `relays`, `lists` (their
    earlier versions), `timeline`, `threads`, `search`, `messages` (private ones), `key_leaks` (the
    alarm), `feed_sync` (the background reading); `replication`, `comparisons` (what relays hold,
    compared and fetched), `own_history` (all of one's own, brought here by itself), `inquiry`
    (whether they hold somebody's notes back), `mutual_aid` (copies of others), `evacuation` and its
    survey, `own_relay` (None when it is off). On demand: `pins`, `web_bookmarks`, `sets` (lists
    with a name, NIP-51), `interests`, `polls`, `statuses`, `reports`, `memberships` (of relays, by
    invite code).
    """

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

        Raises StoreError, InvalidKey; ConfigError, also for one of `relays` that is not the URL of
        a relay.
        """
        # Every room there is: loaded once a client opens, and not where one is only spoken of.
        from nostr_client.accounts.keyfiles import KeyFiles
        from nostr_client.client.connecting import connect, use_own_relay
        from nostr_client.client.furnishing import furnish
        from nostr_client.client.keys import ClientKeys

        where = paths or default_paths()
        if isinstance(signer, SecretKey):
            from nostr_client.accounts.account import Accounts  # for those alone who need them

            signer = await Accounts(where).signer_given(signer)
        settings = config or load_config(where.config / "config.toml")
        chosen = (
            settings.relays if relays is None else tuple(relay_urls(relays))
        )  # None: the starters
        own = KeyFiles.of(where).own_keys
        keys = ClientKeys.of(
            signer,
            pubkey,
            locked=locked,
            login=login,
            key_only_here=key_only_here,
            own=own,
        )
        async with AsyncExitStack() as stack:
            self = cls(where, settings.for_account(keys.pubkey), keys, own, clock)
            self._encryption = encryption
            self._indexers, self._pace = indexers, pace or Pace()
            self._guards, self.consent = tuple(guards), consent
            if own_relay:
                from nostr_client.resilience.own_relay import OwnRelay  # for those who want it

                self.own_relay = OwnRelay(where)
            if keys.login is not None:  # the signer, where there is one
                await stack.enter_async_context(keys.login)
            await connect(self, stack.enter_async_context, chosen)
            await furnish(self, stack.enter_async_context)
            if self.own_relay is not None:
                await use_own_relay(self, self.own_relay, stack)
            vars(self)["history"] = MethodOnceRoom(cls.history, self, "comparisons")
            self._tasks = tasks = await stack.enter_async_context(OwnedTasks())
            tasks.start(self.pool.outages.keep())
            stack.enter_context(self._learning_limits(tasks))
            for work in self._background(keyed=keys.keyed):
                tasks.start(steadily(work))
            yield self

    @contextmanager
    def _learning_limits(self, tasks: OwnedTasks) -> Iterator[None]:
        """What relays refuse as too much is remembered, and what is remembered is asked for."""

        async def read() -> None:
            await self.relay_facts.known()

        def learn(url: str, limits: Limitation) -> None:
            tasks.start(self.relay_facts.learn(url, limits))

        tasks.start(read())
        before, self.pool.on_limits = self.pool.on_limits, learn
        try:
            yield
        finally:
            self.pool.on_limits = before

    def _background(self, *, keyed: bool) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
        """What goes on for as long as the client runs."""
        if self.pubkey:
            yield self.blocked_relays.keep
            yield self.mutes.keep
            yield self.mutual_aid.keep
        if self.authenticator is not None:
            yield self.authenticator.keep_trying
        yield self.ladder.keep
        yield self.monitors.keep
        if keyed:  # a watched account's events are not ours to spread
            yield self.replication.run
        if self.signer is not None:
            yield self.schedule.keep
