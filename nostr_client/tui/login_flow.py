"""The way in: from no account, or a locked one, to an open client."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from nostr_client.accounts.account import Account
from nostr_client.accounts.keyfiles import Protection
from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.signing.signer import Signer
from nostr_client.tui.client_holder import ClientHolder, Identity
from nostr_client.tui.consent import typed_consent
from nostr_client.tui.environment import Environment
from nostr_client.tui.screens.bunker import BunkerScreen, ScanScreen
from nostr_client.tui.screens.first_people import FirstPeopleScreen
from nostr_client.tui.screens.first_relays import FirstRelaysScreen
from nostr_client.tui.screens.first_run import FirstRunChoice, FirstRunScreen
from nostr_client.tui.screens.found_account import FoundAccountScreen
from nostr_client.tui.screens.key_created import KeyCreatedScreen
from nostr_client.tui.screens.key_setup import AddedAccount, CreateKeyScreen, ImportKeyScreen
from nostr_client.tui.screens.unlock import UnlockScreen
from nostr_client.tui.screens.watch_account import WatchAccountScreen
from nostr_client.tui.user_interface import UserInterface

MOST_RELAYS = 3
"""Relays at which a code of ours is answered by a bunker."""


@dataclass(frozen=True)
class LoggedIn:
    """An open client and its account; `fresh` when it was made this minute."""

    client: NostrClient
    account: Account
    fresh: bool = False


class LoginFlow:
    """Leads a person in."""

    def __init__(self, environment: Environment, holder: ClientHolder, ui: UserInterface) -> None:
        self._environment = environment
        self._holder = holder
        self._ui = ui

    async def begin(self, *, demo: bool = False) -> LoggedIn:
        """The account last used, or the first run. Raises NostrError."""
        if demo:
            return await self._enter_demo()
        account = self._environment.accounts.current()
        if account is not None:
            return await self.use(account)
        while True:
            logged_in = await self.first_run()
            if logged_in is not None:
                return logged_in

    async def use(self, account: Account) -> LoggedIn:
        """Open an account, unlocking it if need be. Raises NostrError."""
        return await self.open(account, await self.unlock(account))

    async def open(
        self, account: Account, signer: Signer | None, relays: Sequence[str] | None = None
    ) -> LoggedIn:
        """Open an account, with what signs for it or for reading only. Raises NostrError.

        `relays`: what a newcomer chose, so that no others are dialled.
        """
        await self._ui.show_only("Opening …")
        identity = Identity(
            account.pubkey,
            signer,
            key_only_here=account.key_only_here(time.time()),
            locked=signer is None and account.can_sign,
            relays=relays,
        )
        client = await self._holder.use(identity)
        client.consent = typed_consent(self._ui)
        return LoggedIn(client, account)

    async def unlock(self, account: Account) -> Signer | None:
        """What signs for the account; None when it can only read, or for now shall only read."""
        if not account.can_sign:
            return None
        if account.protection is Protection.PASSWORD:
            return await self._ui.ask(UnlockScreen(self._environment.accounts, account))
        try:
            return await self._environment.accounts.signer(account)
        except NostrError as error:
            self._ui.say(f"{error}. Only reading for now.", "error")
            return None

    async def first_run(self, *, back: bool = False) -> LoggedIn | None:
        """Let a person choose how to come in; None when they go back. Raises NostrError."""
        accounts = self._environment.accounts
        while True:
            way = await self._ui.ask(FirstRunScreen(back=back))
            entry: AddedAccount | None = None
            match way:
                case None:
                    return None
                case FirstRunChoice.DEMO:
                    return await self._enter_demo()
                case FirstRunChoice.NEW:
                    entry = await self._ui.ask(CreateKeyScreen(accounts))
                case FirstRunChoice.KEY:
                    entry = await self._ui.ask(ImportKeyScreen(accounts))
                case FirstRunChoice.BUNKER:
                    entry = await self._meet_bunker()
                case FirstRunChoice.LOOK:
                    entry = await self._ui.ask(WatchAccountScreen(self._environment))
            if entry is None:
                continue
            if way is FirstRunChoice.NEW:
                return await self._set_up(entry)
            logged_in = await self.open(entry.account, entry.signer)
            if way is FirstRunChoice.KEY:
                await self._ui.ask(FoundAccountScreen(logged_in.client))
            return logged_in

    # Inside

    async def _meet_bunker(self) -> AddedAccount | None:
        environment = self._environment
        entry = await self._ui.ask(BunkerScreen(environment.accounts))
        if not isinstance(entry, bool):
            return entry
        urls = environment.config.relays or [offer.url for offer in environment.offers]
        return await self._ui.ask(ScanScreen(environment.accounts, urls[:MOST_RELAYS]))

    async def _set_up(self, entry: AddedAccount) -> LoggedIn:
        """A new account: where its key is, its first relays, its name."""
        environment = self._environment
        await self._ui.ask(KeyCreatedScreen(environment.accounts, entry.account))
        urls = await self._ui.ask(
            FirstRelaysScreen(environment.offers, environment.dated, environment.probe)
        )
        logged_in = await self.open(entry.account, entry.signer, urls or ())
        await self._ui.show_only("Writing down your relays and your name …")
        client = logged_in.client
        try:
            await client.relays.first_run(urls or ())
            if entry.account.name:
                await client.profiles.update(name=entry.account.name)
        except NostrError as error:
            self._ui.say(f"Not everything is set up: {error}", "warning")
        if urls:  # without a relay nobody can be found
            await self._begin(client)
        return LoggedIn(client, entry.account, fresh=True)

    async def _begin(self, client: NostrClient) -> None:
        """Topics, and people to follow, so that home has something to show."""
        chosen = await self._ui.ask(FirstPeopleScreen(client.beginnings))
        if chosen is None:
            return
        await self._ui.show_only("Writing down what you chose …")
        try:
            if chosen.people:
                await client.follows.follow_all(chosen.people)
            for topic in chosen.topics:
                await client.interests.add(("t", topic))
        except NostrError as error:
            self._ui.say(f"Not everything is followed: {error}", "warning")

    async def _enter_demo(self) -> LoggedIn:
        await self._ui.show_only("Starting five relays and a small community on this machine …")
        client = await self._holder.enter(self._environment.demo())
        guest = Account(
            pubkey=client.pubkey,
            name="you",
            protection=Protection.KEYRING,
            current=False,
            created_at=0,
            backed_up=True,
        )
        return LoggedIn(client, guest)
