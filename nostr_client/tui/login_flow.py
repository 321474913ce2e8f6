"""The way in: from no account, or a locked one, to an open client."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from textual.screen import Screen

from nostr_client.accounts.account import Account
from nostr_client.accounts.keyfiles import Protection
from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.signing.signer import Signer
from nostr_client.tui.engine import Engine, Who
from nostr_client.tui.environment import Setting
from nostr_client.tui.screens.first_relays import FirstRelays
from nostr_client.tui.screens.first_run import FirstRun, Way
from nostr_client.tui.screens.just_look import JustLook
from nostr_client.tui.screens.own_key import Entry, HaveKey, KeyMade, NewHere
from nostr_client.tui.screens.unlock import Unlock

T = TypeVar("T")


class ShowScreen(Protocol):
    """Shows a screen and waits for what it is dismissed with."""

    async def __call__(self, screen: Screen[T], /) -> T | None: ...


@dataclass(frozen=True)
class Entered:
    """An open client and its account; `fresh` when it was made this minute."""

    client: NostrClient
    account: Account
    fresh: bool = False


class Entering:
    """Leads a person in. `say(text, severity)` shows a word.

    `wait(words)` takes every screen away, so that none is left on a client that is being closed,
    and says what is being waited for.
    """

    def __init__(
        self,
        setting: Setting,
        engine: Engine,
        show: ShowScreen,
        say: Callable[[str, str], None],
        wait: Callable[[str], Awaitable[None]],
    ) -> None:
        self._setting = setting
        self._engine = engine
        self._show = show
        self._say = say
        self._wait = wait

    async def begin(self, *, demo: bool = False) -> Entered:
        """The account last used, or the first run. Raises NostrError."""
        if demo:
            return await self._visit()
        account = self._setting.accounts.current()
        if account is not None:
            return await self.use(account)
        while True:
            entered = await self.first_run()
            if entered is not None:
                return entered

    async def use(self, account: Account) -> Entered:
        """Open an account, unlocking it if need be. Raises NostrError."""
        return await self.open(account, await self.unlock(account))

    async def open(
        self, account: Account, signer: Signer | None, relays: Sequence[str] | None = None
    ) -> Entered:
        """Open an account, with what signs for it or for reading only. Raises NostrError.

        `relays`: what a newcomer chose, so that no others are dialled.
        """
        await self._wait("Opening …")
        who = Who(
            account.pubkey,
            account.name,
            signer,
            key_only_here=account.key_only_here(time.time()),
            locked=signer is None and account.can_sign,
            relays=relays,
        )
        return Entered(await self._engine.use(who), account)

    async def unlock(self, account: Account) -> Signer | None:
        """What signs for the account; None when it can only read, or for now shall only read."""
        if not account.can_sign:
            return None
        if account.protection is Protection.PASSWORD:
            return await self._show(Unlock(self._setting.accounts, account))
        try:
            return await self._setting.accounts.signer(account)
        except NostrError as error:
            self._say(f"{error}. Only reading for now.", "error")
            return None

    async def first_run(self, *, back: bool = False) -> Entered | None:
        """Let a person choose how to come in; None when they go back. Raises NostrError."""
        accounts = self._setting.accounts
        while True:
            way = await self._show(FirstRun(back=back))
            entry: Entry | None = None
            match way:
                case None:
                    return None
                case Way.DEMO:
                    return await self._visit()
                case Way.NEW:
                    entry = await self._show(NewHere(accounts))
                case Way.KEY:
                    entry = await self._show(HaveKey(accounts))
                case Way.LOOK:
                    entry = await self._show(JustLook(self._setting))
            if entry is None:
                continue
            if way is Way.NEW:
                return await self._settle_in(entry)
            return await self.open(entry.account, entry.signer)

    # Inside

    async def _settle_in(self, entry: Entry) -> Entered:
        """A new account: where its key is, its first relays, its name."""
        setting = self._setting
        await self._show(KeyMade(entry.account, str(setting.accounts.file_of(entry.account))))
        urls = await self._show(FirstRelays(setting.offers, setting.dated, setting.probe))
        entered = await self.open(entry.account, entry.signer, urls or ())
        await self._wait("Writing down your relays and your name …")
        client = entered.client
        try:
            await client.relays.first_run(urls or ())
            if entry.account.name:
                await client.profiles.update(name=entry.account.name)
        except NostrError as error:
            self._say(f"Not everything is set up: {error}", "warning")
        return Entered(client, entry.account, fresh=True)

    async def _visit(self) -> Entered:
        await self._wait("Starting five relays and a small community on this machine …")
        client = await self._engine.enter(self._setting.visit())
        guest = Account(
            pubkey=client.pubkey,
            name="you",
            protection=Protection.KEYRING,
            current=False,
            created_at=0,
            backed_up=True,
        )
        return Entered(client, guest)
