"""The accounts on this machine."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from nostr_client.accounts.account import Account
from nostr_client.accounts.keyfiles import Protection
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Where, bindings
from nostr_client.tui.widgets.items import FixedItems, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList

_KEPT = {
    Protection.PASSWORD: "key encrypted here",
    Protection.KEYRING: "key in the key store",
    Protection.WATCH_ONLY: "watched, read only",
}


class AccountRenderer:
    """An account: its name, how its key is kept, its npub."""

    tail: ClassVar[int] = 0

    def key(self, item: Account) -> str:
        return item.pubkey

    def order(self, item: Account) -> int:
        return 0

    def lines(self, item: Account, width: int, style: Styles) -> list[Content]:
        kept = _KEPT[item.protection]
        bare = item.can_sign and not item.backed_up
        first = Content.assemble(
            (safe_line(item.label, 30), style("list--strong")),
            ("  in use" if item.current else "", style("list--good")),
            (f"  {kept}", style("list--dim")),
            ("  no backup yet" if bare else "", style("list--warn")),
        )
        second = Content.styled(item.npub, style("list--dim"))
        return [line.truncate(width, ellipsis=True) for line in (first, second)]


class AccountList(WindowedList[Account]):
    """The accounts; enter uses the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(Where.ACCOUNTS)

    class Add(Message):
        """Another account is to be set up."""

    class Use(Message):
        """This account is to be used from now on."""

        def __init__(self, account: Account) -> None:
            super().__init__()
            self.account = account

    class Forget(Use):
        """This account is to leave this machine."""

    def action_choose(self) -> None:
        if (account := self.selected) is not None:
            self.post_message(self.Use(account))

    def action_add_account(self) -> None:
        self.post_message(self.Add())

    def action_remove_account(self) -> None:
        if (account := self.selected) is not None:
            self.post_message(self.Forget(account))


class AccountsPane(Vertical):
    """All accounts on this machine."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._renderer = AccountRenderer()
        self.accounts = AccountList(self._renderer, gap=1)

    def compose(self) -> ComposeResult:
        yield Static("accounts · enter uses one", markup=False, classes="head")
        yield self.accounts
        text = "Back a key up with `nostr-client account export`: nobody can restore it for you."
        yield Static(text, markup=False, classes="foot")

    def show(self, accounts: list[Account]) -> None:
        self.accounts.renew(FixedItems(accounts, self._renderer.key))
