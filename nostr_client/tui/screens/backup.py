"""A backup of the account is made: one encrypted file, opened again and compared."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from textual.widget import Widget
from textual.widgets import Input

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.key_vault import check_password
from nostr_client.accounts.keyfiles import Protection
from nostr_client.client import NostrClient
from nostr_client.errors import AccountError
from nostr_client.kit.account_parts import opens_key_too, start_of
from nostr_client.kit.making import KitDraft
from nostr_client.kit.restoring import RestoreReport
from nostr_client.kit.secret import KitSecret, Passphrase, Shares
from nostr_client.kit.share_files import shares_of, write_shares
from nostr_client.safe_text import safe_line
from nostr_client.tui.screens.dialogs import PromptDialog
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.widgets.inputs import typed_path


class BackupScreen(FormScreen[str]):
    """Asks where it goes and what opens it. Dismissed with what was made, in words."""

    HEADING = "A backup of your account"
    KEYS = (("form.go", "make it"), ("form.leave", "back"))

    def __init__(self, client: NostrClient, accounts: Accounts, account: Account) -> None:
        super().__init__()
        self._client = client
        self._accounts = accounts
        self._account = account

    def body(self) -> Iterable[Widget]:
        name = safe_line(self._account.name or "account", 20).replace("/", "-")
        file = f"~/nostr-{name}-{time.strftime('%Y-%m-%d')}.kit"
        yield prose("Key, notes, lists, messages: one file, encrypted. Nothing is overwritten.")
        yield field("File", "file", value=file)
        yield field("Passphrase", "passphrase", hidden=True, hint="opens the file, keep it apart")
        yield field("Once more", "again", hidden=True)
        yield prose("Or no passphrase, and friends: 3/5 makes five shares, any three open it.")
        yield field("Shares", "shares", hint="3/5")
        yield field("Into folder", "folder", hint="one file a share, to give away and delete")

    def on_mount(self) -> None:
        self.query_one("#passphrase", Input).focus()

    def go(self) -> None:
        try:
            secret = self._secret()
        except AccountError as error:
            self.problem(str(error))
            return
        if secret is not None:
            self.start(partial(self._make, secret), "Making it …")

    def _secret(self) -> KitSecret | str | None:
        """What is to open it: a passphrase, or how many shares; None after going to what lacks."""
        shares, typed = self.value("shares").strip(), self.value("passphrase")
        if shares and typed:
            raise AccountError("a passphrase or shares: one of them")
        if shares:
            if not self.value("folder").strip():
                self.query_one("#folder", Input).focus()
                return None
            return shares
        check_password(typed)
        again = self.query_one("#again", Input)
        if not again.value:
            again.focus()
            return None
        if typed != again.value:
            raise AccountError("the two passphrases differ")
        return Passphrase(typed)

    async def _make(self, secret: KitSecret | str) -> None:
        """Raises NostrError, and then nothing is left of it."""
        if isinstance(secret, str):
            secret = await asyncio.to_thread(shares_of, secret)
        password = await self._password(secret)
        if password is None and self._needs_password(secret):
            self.problem("")
            return
        path = typed_path(self.value("file"))
        with KitDraft(self._client.paths, path, self._account.pubkey) as draft:
            report, has_key = await self._fill(draft, secret, password)
            files: list[Path] = []
            if isinstance(secret, Shares):
                folder = typed_path(self.value("folder"))
                files = await asyncio.to_thread(write_shares, secret, folder)
            try:
                await asyncio.to_thread(draft.finish)
            except BaseException:
                for file in files:
                    file.unlink(missing_ok=True)
                raise
        if has_key:
            await self._accounts.note_backup(self._account)
        counts = report.counts
        words = f"Backup made, opened again and compared: {counts.events:,} events"
        self.dismiss(f"{words}, {counts.messages:,} messages. {_opens(secret)}")

    async def _fill(
        self, draft: KitDraft, secret: KitSecret, password: str | None
    ) -> tuple[RestoreReport, bool]:
        """What is in it now, and whether a key is."""
        client, account = self._client, self._account
        start = await start_of(
            self._accounts, account, secret, client.config, time.time(), password=password
        )
        await draft.write(start, secret, client.store)
        self.problem("Opening it again, and comparing …")
        return await draft.check(), bool(start.ncryptsec)

    def _needs_password(self, secret: KitSecret) -> bool:
        protected = self._account.protection is Protection.PASSWORD
        return protected and opens_key_too(self._account, secret)

    async def _password(self, secret: KitSecret) -> str | None:
        """The account's own, where shares are to open its key, too."""
        if not self._needs_password(secret):
            return None
        hint = safe_line(self._account.label, 40)
        ask = PromptDialog("The account's password", hint, yes="go on", hidden=True)
        return await self.app.push_screen_wait(ask)


def _opens(secret: KitSecret) -> str:
    if isinstance(secret, Shares):
        return f"Any {secret.threshold} of {len(secret.lines)} shares open it: give them away."
    return "The passphrase opens it: nobody can restore that for you."
