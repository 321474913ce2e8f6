"""The line that says that a relay wants to know who asks (NIP-42). It takes no keys."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static

from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import key_for


class AuthBar(Static):
    """Shown while there is a question; the key on it opens it."""

    KEY = "!"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self.display = False

    def ask(self, url: str, account: str, purpose: str, waiting: int) -> None:
        """The relay at `url` wants to know that `account` asks; so many questions wait in all."""
        others = f" (+{waiting - 1})" if waiting > 1 else ""
        self.update(
            Content.assemble(
                (f" {key_for('app.auth_question')} ", "$text-warning"),
                (safe_line(url, 60), "bold"),
                f" wants to know who you are{others}: {safe_line(account, 24)}, "
                f"{safe_line(purpose, 120)}",
            )
        )
        self.display = True

    def rest(self) -> None:
        """There is no question."""
        self.display = False
