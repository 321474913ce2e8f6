"""One run of a command: its options, its output, the account it acts as, the client it opens."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from nostr_client.cli import secret_input
from nostr_client.cli.allocator import share_one_heap
from nostr_client.command_line.context import Context
from nostr_client.command_line.error_log import keep_log
from nostr_client.command_line.waiting import wait_for
from nostr_client.errors import AccountError, NostrError
from nostr_client.exits import CommandError, Exit
from nostr_client.paths import Paths, paths

if TYPE_CHECKING:
    from nostr_client.accounts.account import Account, Accounts
    from nostr_client.accounts.bunker_pairing import BunkerOptions
    from nostr_client.cli.given_key import GivenKey, GivenSigner
    from nostr_client.client import NostrClient
    from nostr_client.config import ClientConfig
    from nostr_client.signing.signer import Signer

EARLIER_LIMIT = 5.0
"""Seconds for what earlier commands could not send: for scripts there is no other occasion."""
MEANWHILE_LIMIT = 2.0
"""The same after a command that reads, which had its own time for it."""
NO_ACCOUNT = (
    "there is no account yet: `nostr-client account create` makes one, `account import` brings "
    "one, `account connect` signs with a bunker, `account watch` reads as somebody"
)

LOGIN_HINT = "it may let you in with your password: --password-fd N, or $NOSTR_CLIENT_PASSWORD"


@dataclass
class ClientContext(Context):
    """What a command is given. `exit_code` is what it ends with unless an error says otherwise."""

    account: str | None = None
    key_fd: int | None = None
    signer_text: str | None = None
    password_fd: int | None = None
    own_relay: bool | None = None
    yes_really: list[str] | None = None
    without_backup: bool = False
    timeout: float | None = None
    leaves_relays: bool = False
    """The command takes the account away from relays that have ended: it is not told of them."""
    login_problem: str = ""
    """Why an own relay is not told who reads, and what changes that; empty when it is told."""

    def __post_init__(self) -> None:
        share_one_heap()
        self._from_environment = secret_input.take_from_environment()
        keep_log(self.error_log)

    @property
    def width(self) -> int:
        """Cells in a line of the terminal that the output goes to; 0 if it goes elsewhere."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else 0

    @cached_property
    def paths(self) -> Paths:
        return paths()

    @cached_property
    def config(self) -> ClientConfig:
        """What the person has set up. Raises ConfigError."""
        from nostr_client.config import load_config

        return load_config(self.paths.config / "config.toml")

    @property
    def wants_own_relay(self) -> bool:
        """As the command says; else as the configuration does."""
        return self.config.own_relay if self.own_relay is None else self.own_relay

    @cached_property
    def accounts(self) -> Accounts:
        from nostr_client.accounts.account import Accounts

        return Accounts(self.paths)

    @property
    def bunkers(self) -> BunkerOptions:
        """How bunkers are reached, and what they ask for is said. Raises ConfigError."""
        from nostr_client.accounts.bunker_pairing import BunkerOptions

        def visit(url: str) -> None:
            self.out.note(f"The bunker asks you to go to {url}", {"auth_url": url})

        return BunkerOptions(
            proxy=self.config.proxy, own_proxies=self.config.own_proxies, on_auth_url=visit
        )

    @cached_property
    def given_password(self) -> str | None:
        """The password that a script gave; read once."""
        if self.password_fd is not None:
            return secret_input.read_descriptor(self.password_fd)
        return self._from_environment.password

    @cached_property
    def given_by(self) -> str:
        """By what the person gave something to sign with for this run, as it was written; empty
        where nothing was given. Raises CommandError for two at once."""
        by = {
            f"--signer {(self.signer_text or '').strip()}": self.signer_text is not None,
            f"--key-fd {self.key_fd}": self.key_fd is not None,
            f"${secret_input.KEY_VARIABLE}": self._from_environment.key is not None,
        }
        given = [name for name, is_there in by.items() if is_there]
        if len(given) > 1:
            words = f"a key is given by {' and by '.join(given)}: take one"
            raise CommandError(words, Exit.USAGE)
        if given and self.account:
            words = f"{given[0]} gives the key: --account cannot name another"
            raise CommandError(words, Exit.USAGE)
        return "".join(given)

    @cached_property
    def given_signer(self) -> GivenSigner | None:
        """What is given for this run to sign with; read once, and a bunker is met. Raises
        CommandError, InvalidCode, SignerError."""
        from nostr_client.cli.given_key import read_given_key, read_given_signer

        if not self.given_by:
            return None
        if self.signer_text is not None:
            self.accounts.bunkers = self.bunkers
            return read_given_signer(
                self.signer_text, self.given_by, self.accounts, self._password_for
            )
        text = self._from_environment.key or ""
        if self.key_fd is not None:
            text = secret_input.read_descriptor(self.key_fd)
        return read_given_key(text, self.given_by, self._password_for)

    @property
    def given_key(self) -> GivenKey | None:
        """The key that a script gave for this run, where it gave one. Raises as `given_signer`."""
        from nostr_client.cli.given_key import GivenKey

        return self.given_signer if isinstance(self.given_signer, GivenKey) else None

    def _password_for(self, what: str) -> str:
        if self.given_password is not None:
            return self.given_password
        return secret_input.ask_hidden(f"Password of {what}")

    def acting(self) -> Account | None:
        """The account to act as: that of the key or signer which was given, else `--account`, else
        the one in use. Raises CommandError."""
        from nostr_client.cli.given_key import account_of

        if self.given_signer is not None:
            return account_of(self.given_signer, self.accounts)
        try:
            return self.accounts.find(self.account) if self.account else self.accounts.current()
        except AccountError as error:
            raise CommandError(str(error), Exit.LOCKED) from error

    def must_act(self) -> Account:
        """`acting`, where there has to be one. Raises CommandError."""
        account = self.acting()
        if account is None:
            raise CommandError(NO_ACCOUNT, Exit.LOCKED)
        return account

    def must_hold_key(self) -> Account:
        """`must_act`, as an account that can sign. Raises CommandError for a watch-only one."""
        account = self.must_act()
        if not account.can_sign:
            raise CommandError(
                f"{account.label} is watch-only: it has no key to sign with", Exit.LOCKED
            )
        return account

    def password_of(self, account: Account) -> str | None:
        """What unlocks `account`: None where no password does."""
        from nostr_client.accounts.keyfiles import Protection

        if account.protection is not Protection.PASSWORD:
            return None
        return self._password_for(account.label)

    def signer(self) -> Signer:
        """What signs for the account. Raises CommandError for a watch-only one, SignerError."""
        account = self.must_hold_key()
        return wait_for(self._signer_of(account, self.password_of(account)))

    async def _signer_of(self, account: Account, password: str | None) -> Signer:
        from nostr_client.cli.given_key import signer_of

        if (found := await signer_of(self.given_signer, self.accounts)) is not None:
            return found
        self.accounts.bunkers = self.bunkers
        return await self.accounts.signer(account, password)

    def signer_at_hand(self) -> Signer | None:
        """The same where it takes no question to the person; else None. Raises SignerError."""
        from nostr_client.accounts.keyfiles import Protection

        account = self.acting()
        if account is None or not account.can_sign:
            return None
        locked = account.protection is Protection.PASSWORD
        return None if locked and self.given_password is None else self.signer()

    def why_no_signer(self) -> str:
        """Why `signer_at_hand` is None, for whoever wants something signed."""
        try:
            self.must_hold_key()
        except CommandError as error:
            return str(error)
        return f"a password is needed: give it {secret_input.BY_SCRIPTS}"

    @asynccontextmanager
    async def writing(
        self, signer: Signer, *, earlier: float = EARLIER_LIMIT
    ) -> AsyncIterator[NostrClient]:
        """A client that signs; `earlier` is how long what waits may take at the end, in seconds."""
        from nostr_client.cli.consent import consent_of
        from nostr_client.client import NostrClient

        account = next((a for a in self.accounts.all() if a.pubkey == signer.pubkey), None)
        is_new = account is not None and account.key_only_here(time.time())
        async with NostrClient.open(
            signer,
            paths=self.paths,
            config=self.config,
            own_relay=self.wants_own_relay,
            key_only_here=is_new,
            consent=consent_of(
                self.yes_really or (),
                without_backup=self.without_backup,
                may_ask=not self.json,
            ),
        ) as client:
            self._alarm(client)
            await self._tell_of_ends(client)
            yield client
            if earlier:
                await client.replication.drain(earlier)
            await self._disclose(client)

    @asynccontextmanager
    async def reading(
        self, account: Account | None, *, offline: bool = False
    ) -> AsyncIterator[NostrClient]:
        """A client that signs nothing but logins to own relays, as `account` or as nobody.

        What the account wrote earlier and no relay has yet is sent meanwhile, unless `offline`.
        """
        from nostr_client.client import NostrClient

        sends = account is not None and account.can_sign and not offline
        login = self._login(account) if account is not None and not offline else None
        async with NostrClient.open(
            pubkey=account.pubkey if account else None,
            paths=self.paths,
            config=self.config,
            own_relay=self.wants_own_relay,
            locked=sends,
            login=login,
        ) as client:
            self._alarm(client)
            if sends:
                await self._tell_of_ends(client)
            yield client
            if sends:
                await client.replication.drain(MEANWHILE_LIMIT)
            await self._disclose(client)

    @asynccontextmanager
    async def asking(self, login: Signer | None = None) -> AsyncIterator[NostrClient]:
        """A client for one question, as the account if there is one: it signs logins alone, with
        `login` or where that takes no question to the person, and does not wait for what waits."""
        from nostr_client.client import NostrClient

        account = self.acting()
        if login is None and account is not None:
            login = self._login(account)
        async with NostrClient.open(
            pubkey=account.pubkey if account else None,
            paths=self.paths,
            config=self.config,
            locked=account is not None and account.can_sign,
            login=login,
        ) as client:
            self._alarm(client)
            yield client
            await self._disclose(client)

    def _alarm(self, client: NostrClient) -> None:
        """Say each time that the account's own key is out, and at once when anybody's is seen."""
        from nostr_client.nips.nip19 import encode_npub
        from nostr_client.social.key_leaks import KeyLeak, leak_words

        def say(leak: KeyLeak) -> None:
            words = leak_words(leak, client.pubkey, encode_npub(leak.pubkey))
            self.out.note(words, {"leaked_key_of": leak.pubkey, "event": leak.event_id})

        client.key_leaks.on_leak = say
        if known := client.key_leaks.of(client.pubkey):
            say(known)

    async def _tell_of_ends(self, client: NostrClient) -> None:
        """Say which relays of the account's lists have ended, and what leads away from them."""
        ended = {} if self.leaves_relays else await client.evacuation_survey.ended()
        for url, why in ended.items():
            words = f"{url}, which your lists name: {why}; `nostr-client relays retire {url}`"
            self.out.note(f"{words} takes you away there", {"ended_relay": url, "why": why})

    async def _disclose(self, client: NostrClient) -> None:
        """Say, once an account, what a relay learned by where this was sent."""
        from nostr_client.routing.auth_policy import disclosure

        authenticator = client.authenticator
        if authenticator is not None and (url := authenticator.disclosed):
            self.out.note(disclosure(url), {"told_who_you_are": url})
            await authenticator.note_disclosed()

    def _login(self, account: Account) -> Signer | None:
        """What tells own relays who reads, if it takes no question to the person."""
        from nostr_client.accounts.keyfiles import Protection
        from nostr_client.cli.login_signer import LoginSigner

        if not account.can_sign:
            self.login_problem = "this account is watch-only: it cannot log in"
            return None
        password = self.given_password if account.protection is Protection.PASSWORD else None
        if account.protection is Protection.PASSWORD and password is None:
            self.login_problem = LOGIN_HINT
            return None

        async def unlock() -> Signer:
            try:
                return await self._signer_of(account, password)
            except NostrError as error:
                self.login_problem = f"not logged in: {error}"
                raise

        return LoginSigner(account.pubkey, unlock)
