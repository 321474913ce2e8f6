"""Facts as rows of a list: what a row is about stands left of its words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from textual.content import Content

from nostr_client.social.views import Profile
from nostr_client.tui.avatars import INDENT, Avatars
from nostr_client.tui.targets import Target
from nostr_client.tui.widgets.items import ItemRenderer, Styles

LABEL: Final = 14
"""Cells of the column that says what a row is about."""


@dataclass(frozen=True, slots=True)
class FactRow:
    """A row: `words` are safe, `label` heads the first of its sort; `tone` is a component class of
    lists. `opens` is what stands behind it; `person` is whom it is about, if it is about one."""

    key: str
    label: str
    words: str
    tone: str = ""
    opens: Target | None = None
    person: Profile | None = None


class FactRenderer(ItemRenderer[FactRow]):
    """A row on as many lines as its words take; a person's stands beside their picture, where there
    is room for these."""

    def __init__(self, avatars: Avatars | None = None) -> None:
        self._avatars = avatars

    def key(self, item: FactRow) -> str:
        return item.key

    def lines(self, item: FactRow, width: int, style: Styles) -> list[Content]:
        avatars, person = self._avatars, item.person
        if avatars is None or not avatars.on or person is None:
            return self._lines(item, width, style)
        return avatars.beside(person, self._lines(item, width - INDENT, style))

    def _lines(self, item: FactRow, width: int, style: Styles) -> list[Content]:
        room = max(width - LABEL - 1, 16)
        words = Content.styled(item.words, style(item.tone)) if item.tone else Content(item.words)
        label = Content.styled(f"{item.label:<{LABEL}}", style("list--dim"))
        wrapped = words.wrap(room) or [Content("")]
        lines = [label + wrapped[0], *(Content(" " * LABEL) + each for each in wrapped[1:])]
        return [line.truncate(width) for line in lines]


def headed(label: str, rows: Iterable[FactRow]) -> list[FactRow]:
    """Rows of one sort, the first of them labelled."""
    return [replace(row, label="" if place else label) for place, row in enumerate(rows)]
