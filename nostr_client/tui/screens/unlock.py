"""The password of an account, asked for hidden; scrypt runs off the loop."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from nostr_client.accounts.account import Account, Accounts
from nostr_client.errors import DecryptionFailed, NostrError
from nostr_client.safe_text import safe_line
from nostr_client.signing.signer import Signer
from nostr_client.tui.keymap import Key, KeyGroup, keyed
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.inputs import LineInput
from nostr_client.tui.workers import start_worker

KEYS: Final = KeyGroup(
    "Unlocking",
    (Key("escape", "leave", "Only read for now", name="read_only"),),
    "unlock",
)


class UnlockScreen(ModalScreen[Signer | None]):
    """Dismissed with the signer, or with None when the person goes on without it."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, accounts: Accounts, account: Account) -> None:
        super().__init__()
        self._accounts = accounts
        self._account = account
        self._busy = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            title = f"Unlock {safe_line(self._account.label, 40)}"
            yield Static(title, markup=False, classes="card-title")
            text = "Its key rests encrypted on this machine. The password stays with you."
            yield Static(text, markup=False, classes="card-text")
            yield LineInput(password=True, placeholder="password", id="password")
            yield Static("", markup=False, id="problem", classes="problem")
            keys = keyed(("enter", "unlock"), ("unlock.read_only", "only read for now"))
            yield Static(key_words(keys), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self.query_one("#password").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if not self._busy:
            self._busy = True
            self.query_one("#problem", Static).update("Unlocking …")
            start_worker(self, partial(self._unlock, event.value), "unlock")

    async def _unlock(self, password: str) -> None:
        problem = self.query_one("#problem", Static)
        try:
            signer = await self._accounts.signer(self._account, password)
        except DecryptionFailed:
            problem.update("That is not the password of this account.")
            self.query_one("#password", Input).clear()
        except NostrError as error:
            problem.update(safe_line(str(error), 200))
        else:
            self.dismiss(signer)
        finally:
            self._busy = False

    def action_leave(self) -> None:
        if not self._busy:
            self.dismiss(None)
