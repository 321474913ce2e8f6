"""An account whose key is in a bunker (NIP-46): by its code, or by ours, which it scans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from time import monotonic
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static

from nostr_client.accounts.account import Accounts
from nostr_client.accounts.bunker_meeting import SCAN_LIMIT, offer_pairing, pair
from nostr_client.accounts.bunker_pairing import BunkerPairing
from nostr_client.accounts.qr import qr_lines
from nostr_client.errors import NostrError
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Key, KeyGroup, hints, keyed, with_keys
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.screens.key_setup import AddedAccount
from nostr_client.tui.workers import start_worker

BELOW = 2
"""Lines under the code."""


class BunkerScreen(FormScreen[AddedAccount | bool]):
    """Takes a bunker's code, which stays hidden. Dismissed with the account; with True where the
    bunker is to scan a code of ours instead."""

    HEADING = "Sign with a bunker"
    KEYS = (("form.go", "go on"), ("form.leave", "back"))

    def __init__(self, accounts: Accounts) -> None:
        super().__init__()
        self._accounts = accounts

    def body(self) -> Iterable[Widget]:
        yield prose(
            "Your key stays where it is: on your phone, on another machine. The program there, a "
            "bunker, signs when it is asked, and says no when you want it to."
        )
        yield field("Its code", "code", hidden=True, hint="bunker://…")
        yield prose(
            with_keys("Or leave it empty and press {form.go}: then we show a code for the bunker.")
        )

    def on_mount(self) -> None:
        self.query_one("#code").focus()

    def go(self) -> None:
        if self.value("code").strip():
            self.start(self._pair, "Asking the bunker; it may have to be confirmed there …")
        else:
            self.dismiss(True)

    async def _pair(self) -> None:
        uri = BunkerUri.parse(self.value("code"))
        pairing = await pair(uri, self._accounts.bunkers)
        self.dismiss(await added(self._accounts, pairing))

    def action_leave(self) -> None:
        self.dismiss(None)


SCAN: Final = KeyGroup(
    "A code for a bunker",
    (
        Key("escape", "leave", "Back", "back", name="back"),
        Key("c", "copy", "Copy the code", "copy"),
        Key("enter", "again", "Another code, once its time is over"),
    ),
    "scan",
)


class ScanScreen(Screen[AddedAccount]):
    """Shows our code until a bunker has answered it, or its time is over. Dismissed with the
    account."""

    BINDINGS: ClassVar[list[BindingType]] = SCAN.bindings()

    def __init__(self, accounts: Accounts, relays: Sequence[str]) -> None:
        super().__init__()
        self._accounts = accounts
        self._relays = relays
        self._code = ""
        self._ends = 0.0
        self._waits = False
        # Kept, since what waits for a bunker may go on when the screen has lost its children.
        self._qr = Static("", markup=False, id="qr")
        self._left = prose(id="left")
        self._problem = Static("", markup=False, id="problem", classes="problem")

    def compose(self) -> ComposeResult:
        with Horizontal(id="scan"):
            yield self._qr
            with Vertical(id="scan-words"):
                yield Static("Scan this", markup=False, classes="page-title")
                yield prose("with your bunker: the key stays there, and it signs when it is asked.")
                yield self._left
                yield self._problem
                keys = keyed(("scan.copy", "copy"), ("scan.back", "back"))
                yield Static(key_words(keys), markup=False, id="keys", classes="card-keys")

    def on_mount(self) -> None:
        self.set_interval(1.0, self._show_left)
        self.action_again()

    def action_again(self) -> None:
        """A new code, once the one before is over."""
        if not self._waits:
            self._waits = True
            start_worker(self, self._offer, "scan")

    async def _offer(self) -> None:
        self._problem.update("")
        try:
            async with offer_pairing(self._relays, self._accounts.bunkers) as offer:
                self._code, self._ends = offer.uri.format(), monotonic() + SCAN_LIMIT
                lines = qr_lines(offer.uri, self.size.height - BELOW)
                self._qr.update("\n".join(lines))
                self._show_left()
                if not lines:
                    self._problem.update("This window is too small for the code: copy it instead.")
                pairing = await offer.taken()
            entry = await added(self._accounts, pairing)
        except NostrError as error:
            self._code, self._ends = "", 0.0
            again = with_keys("{scan.again} shows another code")
            self._qr.update("")
            self._problem.update(safe_line(f"{error}. {again}.", 300))
        else:
            self.dismiss(entry)
        finally:
            self._waits = False

    def _show_left(self) -> None:
        left = max(0, round(self._ends - monotonic()))
        words = f"{left // 60}:{left % 60:02} left" if self._code else ""
        self._left.update(words)

    def action_copy(self) -> None:
        if self._code:
            self.app.copy_to_clipboard(self._code)
            self.post_message(Say("Copied, as far as this terminal allows it."))

    def action_leave(self) -> None:
        self.dismiss(None)


VISIT: Final = KeyGroup(
    "An address to confirm at",
    (
        Key("c", "copy", "Copy the address", "copy"),
        Key("escape,enter,q", "dismiss(None)", "Close", "close", name="close"),
    ),
    "visit",
)


class VisitDialog(ModalScreen[None]):
    """A bunker wants its person to go to an address, which is shown and never opened."""

    BINDINGS: ClassVar[list[BindingType]] = VISIT.bindings()

    def __init__(self, address: str) -> None:
        """`address` is safe text."""
        super().__init__()
        self._address = address

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            title = "The bunker wants you to confirm, at this address:"
            yield Static(title, markup=False, classes="card-title")
            yield Static(self._address, markup=False, classes="card-text", id="address")
            text = "Open it in a browser, if you expect it. What was asked goes on by itself then."
            yield Static(text, markup=False, classes="card-text")
            yield Static(key_words(hints(VISIT)), markup=False, classes="card-keys")

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._address)
        self.post_message(Say("Copied, as far as this terminal allows it."))


async def added(accounts: Accounts, pairing: BunkerPairing) -> AddedAccount:
    """The account behind a bunker, kept, in use from now on, and what signs for it."""
    account = await accounts.add_bunker(pairing, switch=True)
    return AddedAccount(account, await accounts.signer(account))
