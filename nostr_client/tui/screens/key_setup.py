"""A key of one's own: made here, or brought along; and how it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input, Static

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.key_import import is_encrypted, read_key
from nostr_client.accounts.key_vault import SHORTEST_PASSWORD, check_password
from nostr_client.accounts.keyfiles import Protection
from nostr_client.errors import AccountError, InvalidKey
from nostr_client.signing.signer import Signer
from nostr_client.tui.keymap import FORM, with_keys
from nostr_client.tui.screens.form import FormScreen, field, prose


@dataclass(frozen=True)
class AddedAccount:
    """An account that was just set up, and what signs for it; None for one that is watched."""

    account: Account
    signer: Signer | None


class _KeyProtectionForm(FormScreen[AddedAccount]):
    """The fields that say how a key is kept: by a password, or by the system's key store."""

    BINDINGS: ClassVar[list[BindingType]] = FORM.bindings()

    def __init__(self, accounts: Accounts) -> None:
        super().__init__()
        self.accounts = accounts
        self._in_store = False
        self._no_store = "not looked for yet"

    def protection_fields(self) -> Iterable[Widget]:
        yield field("Password", "password", hidden=True, hint="encrypts the key on this disk")
        yield field("Once more", "again", hidden=True)
        yield prose(id="keeping")

    async def on_mount(self) -> None:
        self.query(Input).first().focus()
        self._no_store = await self.accounts.keyring.problem()
        self._show_protection()

    def _show_protection(self) -> None:
        self.query_one("#password-row").display = not self._in_store
        self.query_one("#again-row").display = not self._in_store
        if self._no_store:
            words = "This system has no key store that encrypts, so the key needs a password."
        elif self._in_store:
            words = "The key goes into this system's key store. {form.key_store}: a password."
        else:
            words = "{form.key_store}: no password, keep it in this system's key store instead."
        self.query_one("#keeping", Static).update(with_keys(words))

    def action_key_store(self) -> None:
        if not self._no_store and not self.busy:
            self._in_store = not self._in_store
            self._show_protection()

    def protection(self) -> tuple[Protection, str | None] | None:
        """How to keep the key, with the password if any; None after saying what is wrong."""
        if self._in_store:
            return Protection.KEYRING, None
        password = self.value("password")
        try:
            check_password(password)
        except AccountError:
            self.problem(f"The password needs at least {SHORTEST_PASSWORD} characters.")
            return None
        if password != self.value("again"):
            self.problem("The two passwords differ.")
        else:
            return Protection.PASSWORD, password
        return None

    def next_empty(self, *names: str) -> bool:
        """Go to the first field that is still empty; true if there was one."""
        for name in names:
            box = self.query_one(f"#{name}", Input)
            if box.parent is not None and box.parent.display and not box.value:
                box.focus()
                return True
        return False


class CreateKeyScreen(_KeyProtectionForm):
    """Makes a key. Dismissed with its account."""

    HEADING = "New here"
    KEYS = (("form.go", "make my key"), ("form.leave", "back"))

    def body(self) -> Iterable[Widget]:
        yield prose(
            "Your account is a key, made on this machine and kept here, encrypted. Nobody gives "
            "it to you, and nobody can take it away or restore it."
        )
        yield field("Name", "name", hint="how others see you; may be changed, may be empty")
        yield from self.protection_fields()

    def go(self) -> None:
        name = self.query_one("#name", Input)
        if name.has_focus and self.next_empty("password", "again"):
            return
        if self.next_empty("again") and self.value("password"):
            return
        protection = self.protection()
        if protection is not None:
            self.start(
                partial(self._make, self.value("name").strip(), *protection), "Making your key …"
            )

    async def _make(self, name: str, protection: Protection, password: str | None) -> None:
        account = await self.accounts.create(
            name, protection=protection, password=password, switch=True
        )
        self.dismiss(AddedAccount(account, await self.accounts.signer(account, password)))


class ImportKeyScreen(_KeyProtectionForm):
    """Takes a key that exists. What is typed stays hidden, and is never quoted back."""

    HEADING = "I have a key"
    KEYS = (("form.go", "keep it here"), ("form.leave", "back"))

    def body(self) -> Iterable[Widget]:
        yield prose(
            "Paste it: it stays hidden, is kept on this machine encrypted, and goes nowhere."
        )
        yield field("Key", "key", hidden=True, hint="nsec1…, ncryptsec1…, hex or words")
        yield field("Its password", "backup", hidden=True, hint="only an ncryptsec has one")
        yield field("Name", "name", hint="what to call it on this machine; may be empty")
        yield from self.protection_fields()

    async def on_mount(self) -> None:
        self._show_backup()  # Textual calls the base class's handler as well

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "key":
            self._show_backup()

    def _show_backup(self) -> None:
        try:
            wanted = is_encrypted(self.value("key"))
        except InvalidKey:  # several keys: said when the form is sent
            wanted = False
        self.query_one("#backup-row").display = wanted

    def go(self) -> None:
        if self.focused is self.query_one("#key") and self.next_empty("backup", "name", "password"):
            return
        if self.next_empty("key", "backup", "password", "again"):
            self.problem("Still empty: the field where you are now.")
            return
        protection = self.protection()
        if protection is not None:
            self.start(partial(self._bring, *protection), "Reading and encrypting your key …")

    async def _bring(self, protection: Protection, password: str | None) -> None:
        backup = self.value("backup") or None
        brought = await asyncio.to_thread(read_key, self.value("key"), backup)
        account = await self.accounts.import_key(
            brought.key,
            self.value("name").strip(),
            security=brought.security,
            protection=protection,
            password=password,
            switch=True,
        )
        brought.key.wipe()
        self.dismiss(AddedAccount(account, await self.accounts.signer(account, password)))
