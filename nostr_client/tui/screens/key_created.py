"""The save gate: a key that was just made is copied to another place, and the copy is checked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.key_vault import check_password
from nostr_client.accounts.keyfiles import Protection
from nostr_client.errors import AccountError
from nostr_client.tui.keymap import Key, KeyGroup, key_for, with_keys
from nostr_client.tui.screens.dialogs import PromptDialog
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.screens.secret import SecretScreen

CHECKED: Final = 8
"""Letters of the copy that are typed at least, to show that there is one."""


COPY: Final = KeyGroup(
    "Saving a new key",
    (Key("ctrl+o", "show_copy", "Show the copy"),),
    "key_created",
)


class KeyCreatedScreen(FormScreen[bool]):
    """Says where the new key rests, and asks for a copy of it elsewhere, which is checked.
    Dismissed with whether there is one; later will do, and the status line says so until then."""

    HEADING = "Your account is made: save its key"
    KEYS = (
        *(("form.go", "check it"), ("key_created.show_copy", "show the copy")),
        ("form.leave", "later"),
    )
    BINDINGS: ClassVar[list[BindingType]] = COPY.bindings()

    def __init__(self, accounts: Accounts, account: Account) -> None:
        super().__init__()
        self._accounts = accounts
        self._account = account
        self._copy = ""
        """The key as an ncryptsec (NIP-49), once it was asked for."""

    def body(self) -> Iterable[Widget]:
        yield prose(f"This is what you give to others:\n{self._account.npub}")
        if self._account.protection is Protection.PASSWORD:
            file = self._accounts.file_of(self._account)
            yield prose(f"The key rests here, encrypted with your password:\n{file}")
        else:
            yield prose("The key rests in this system's key store.")
        shows = with_keys("{key_created.show_copy} shows it, encrypted")
        yield prose(
            f"There is no office that could restore it. Back it up: {shows}; "
            "write it on paper or copy it to another place, and remember its password. Then type "
            f"here its last {CHECKED} letters, or paste all of it."
        )
        yield field("Its end", "end", hint="from your copy, not from memory")

    def on_mount(self) -> None:
        self.query_one("#end", Input).focus()

    def action_show_copy(self) -> None:
        """Show the copy."""
        if not self.busy:
            self.start(self._show, "")

    async def _show(self) -> None:
        if not self._copy:
            fresh = None
            if self._account.protection is not Protection.PASSWORD:
                fresh = await self._password()
                if fresh is None:
                    return
            self._copy = await self._accounts.encrypted_key(self._account, new_password=fresh)
        keys = "{secret.reveal} shows it for 20 seconds, {secret.copy} copies it."
        words = f"Worth nothing without its password. {with_keys(keys)}"
        await self.app.push_screen_wait(SecretScreen("Your key, encrypted", words, self._copy))

    async def _password(self) -> str | None:
        """A password for the copy, typed twice; None where that was given up or came to nothing."""
        ask, again = "A password for the copy", "The same once more"
        first = await self.app.push_screen_wait(PromptDialog(ask, "", yes="go on", hidden=True))
        if first is None:
            return None
        check_password(first)
        second = await self.app.push_screen_wait(PromptDialog(again, "", yes="go on", hidden=True))
        if second != first:
            raise AccountError("the two passwords differ")
        return first

    def go(self) -> None:
        typed = "".join(self.value("end").split()).lower()
        if not typed:
            self.problem(
                f"The last {CHECKED} letters of your copy; or {key_for('form.leave')}: later."
            )
        else:
            self.start(partial(self._check, typed), "")

    async def _check(self, typed: str) -> None:
        if not self._copy and self._account.protection is Protection.PASSWORD:
            self._copy = await self._accounts.encrypted_key(self._account)
        if not self._copy:
            first = with_keys("{key_created.show_copy} first")
            self.problem(f"{first}: it shows what is to be copied.")
        elif len(typed) < CHECKED or not self._copy.endswith(typed):
            self.problem(f"That is not how it ends. {CHECKED} letters or more, from your copy.")
        else:
            await self._accounts.note_backup(self._account)
            self.dismiss(True)

    def action_leave(self) -> None:
        if not self.busy:
            self.dismiss(False)
