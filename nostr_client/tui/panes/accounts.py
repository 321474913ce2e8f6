"""Accounts: those on this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from nostr_client.accounts.account import Account
from nostr_client.accounts.keyfiles import Protection
from nostr_client.errors import AccountError, NostrError
from nostr_client.safe_text import safe_line
from nostr_client.tui.app_messages import AddAccount, Open, UseAccount
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.secret import SecretScreen
from nostr_client.tui.targets import SectionTarget
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

_PROTECTION = {
    Protection.PASSWORD: "key encrypted here",
    Protection.KEYRING: "key in the key store",
    Protection.WATCH_ONLY: "watched, read only",
    Protection.BUNKER: "signed by a bunker",
}


class AccountRenderer(ItemRenderer[Account]):
    """An account: its name, how its key is kept, its npub."""

    def key(self, item: Account) -> str:
        return item.pubkey

    def lines(self, item: Account, width: int, style: Styles) -> list[Content]:
        kept = _PROTECTION[item.protection]
        bare = item.can_sign and not item.backed_up
        first = Content.assemble(
            (safe_line(item.label, 30), style("list--strong")),
            ("  in use" if item.current else "", style("list--good")),
            (f"  {kept}", style("list--dim")),
            ("  no backup yet" if bare else "", style("list--warn")),
        )
        second = Content.styled(item.npub, style("list--dim"))
        return [line.truncate(width, ellipsis=True) for line in (first, second)]


KEYS: Final = KeyGroup(
    "Accounts",
    (
        Key("a", "add_account", "Add an account", "add"),
        Key("e", "export('')", "Back up the key, encrypted (ncryptsec)", "back up"),
        Key("E", "export('plain')", "Show the bare key (nsec; asks first)", name="show_key"),
        Key("x", "remove_account", "Forget the account here (asks first)", "forget"),
    ),
    "accounts",
)


class AccountList(WindowedList[Account]):
    """The accounts; enter uses the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    class Forget(Message):
        """This account is to leave this machine."""

        def __init__(self, account: Account) -> None:
            super().__init__()
            self.account = account

    class Export(Message):
        """The key of this account is to be taken away, encrypted or `plain`."""

        def __init__(self, account: Account, *, plain: bool) -> None:
            super().__init__()
            self.account = account
            self.plain = plain

    def action_export(self, how: str) -> None:
        if (account := self.selected) is not None:
            self.post_message(self.Export(account, plain=how == "plain"))

    def action_choose(self) -> None:
        if (account := self.selected) is not None:
            self.post_message(UseAccount(account))

    def action_add_account(self) -> None:
        self.post_message(AddAccount())

    def action_remove_account(self) -> None:
        if (account := self.selected) is not None:
            self.post_message(self.Forget(account))


class AccountsPane(PaneView):
    """All accounts on this machine."""

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._accounts = context.environment.accounts
        self._in_use = context.account
        self.accounts = AccountList(AccountRenderer(), gap=1)

    def compose(self) -> ComposeResult:
        yield Static(with_keys("accounts · {list.choose} uses one"), markup=False, classes="head")
        yield self.accounts
        text = with_keys(
            "{accounts.export} backs a key up, encrypted: nobody can restore it for you."
        )
        yield Static(text, markup=False, classes="foot")

    @property
    def front(self) -> AccountList:
        return self.accounts

    def open(self) -> None:
        self.accounts.renew(FixedItems(self._accounts.all(), self.accounts.renderer.key))

    def on_account_list_forget(self, message: AccountList.Forget) -> None:
        if message.account.pubkey == self._in_use.pubkey:
            words = "This account is in use: switch to another one first."
            self.post_message(Say(words, "warning"))
        else:
            start_worker(self, partial(self._forget, message.account), "account")

    def on_account_list_export(self, message: AccountList.Export) -> None:
        export = self._export_plain if message.plain else self._export
        start_worker(self, partial(self._said, partial(export, message.account)), "account")

    async def _said(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
        self.open()

    async def _export(self, account: Account) -> None:
        """Show the key encrypted. Raises AccountError, SignerError."""
        password: str | None = None
        fresh: str | None = None
        if account.protection is Protection.PASSWORD:
            password = await self._password("Its password", account)
            if password is None:
                return
        elif account.protection is Protection.KEYRING:
            fresh = await self._password("A password for the backup", account)
            if fresh is None:
                return
            if await self._password("The same once more", account) != fresh:
                raise AccountError("the two passwords differ")
        code = await self._accounts.export(account, password, new_password=fresh)
        words = "Encrypted by that password: keep both, apart from each other and from here."
        await self.app.push_screen_wait(SecretScreen("A backup of your key", words, code))

    async def _export_plain(self, account: Account) -> None:
        """Show the bare key, once its account's name was typed. Raises as `_export` does."""
        if account.protection in (Protection.PASSWORD, Protection.KEYRING):
            question = ConfirmDialog(
                f"Show the bare secret key of {safe_line(account.label, 40)}?",
                "Whoever sees it has this account for ever, and no one can take it back.",
                yes="go on",
                word=account.name or account.npub,
            )
            if not await self.app.push_screen_wait(question):
                return
        password: str | None = None
        if account.protection is Protection.PASSWORD:
            password = await self._password("Its password", account)
            if password is None:
                return
        nsec = await self._accounts.export_plain(account, password)
        words = "Look around first. Nobody who helps you needs it, and no website does."
        await self.app.push_screen_wait(SecretScreen("Your bare secret key", words, nsec))

    async def _password(self, what: str, account: Account) -> str | None:
        hint = safe_line(account.label, 40)
        return await self.app.push_screen_wait(PromptDialog(what, hint, yes="go on", hidden=True))

    async def _forget(self, account: Account) -> None:
        """Take it off this machine, after asking; by a typed word if its key may be lost."""
        alone = account.can_sign and not account.backed_up
        detail = "Its key was never exported: this may be the only copy in the world."
        if account.protection is Protection.BUNKER:
            detail = "Its key stays in the bunker, which is told that this client is gone."
        question = ConfirmDialog(
            f"Forget {account.label} on this machine?",
            detail if alone or account.protection is Protection.BUNKER else "",
            yes="forget",
            word="forget" if alone else "",
        )
        if not await self.app.push_screen_wait(question):
            return
        try:
            await self._accounts.remove(account.pubkey)
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
        else:
            self.post_message(Open(SectionTarget(PANE.name)))


PANE: Final = Pane(
    "accounts", "9", "Accounts: your keys on this machine", AccountsPane, (KEYS, LIST), place=90
)
