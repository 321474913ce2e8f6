"""What may be meant by the word that is being typed: a few lines over the text."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from nostr_client.tui.completing import Offer

NAME_CELLS = 28


class CompletionList(Static):
    """Shows `offers`, one of them chosen; it takes no keys itself."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)
        self.display = False
        self._offers: tuple[Offer, ...] = ()
        self._chosen = 0
        self.moved = False
        """Has the person chosen by hand?"""

    @property
    def is_open(self) -> bool:
        return bool(self._offers)

    @property
    def chosen(self) -> Offer | None:
        return self._offers[self._chosen] if self._offers else None

    def offer(self, offers: Sequence[Offer]) -> None:
        """Offer these; none: close."""
        if tuple(offers) == self._offers:
            return
        self._offers, self._chosen, self.moved = tuple(offers), 0, False
        self.display = bool(offers)
        self._draw()

    def move(self, by: int) -> None:
        """Choose the next one, or the one before."""
        self._chosen = (self._chosen + by) % len(self._offers)
        self.moved = True
        self._draw()

    def _draw(self) -> None:
        lines = [
            Content.assemble(
                ("› " if place == self._chosen else "  ", "$primary"),
                (offer.text.ljust(NAME_CELLS), "bold" if place == self._chosen else ""),
                (f" {offer.beside}", "$foreground 55%"),
            )
            for place, offer in enumerate(self._offers)
        ]
        self.update(Content("\n").join(lines))
