"""The help as rows: what keys do, in parts that fold. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from textual.content import Content

from nostr_client.tui.keymap import COLUMNS, LIST, Key, KeyGroup, with_keys
from nostr_client.tui.widgets.items import ItemRenderer, Styles

KEYS_WIDTH: Final = 19
OPENED: Final = "▼ "
FOLDED: Final = "▶ "
AROUND: Final = frozenset({LIST.place, COLUMNS.place})
"""What works in many places: folded, where something else does."""


@dataclass(frozen=True, slots=True)
class HelpRow:
    """A line of the part `part`: its title, which says whether it is `open`, or a key."""

    part: str
    id: str
    keys: str
    says: str
    is_title: bool = False
    open: bool = True


class HelpRenderer(ItemRenderer[HelpRow]):
    """A key and what it does."""

    def key(self, item: HelpRow) -> str:
        return item.id

    def lines(self, item: HelpRow, width: int, style: Styles) -> list[Content]:
        if item.is_title:
            mark = OPENED if item.open else FOLDED
            title = Content.assemble(
                (f"{mark}{item.says}", style("list--strong")),
                (f"  {item.keys}", style("list--dim")),
            )
            return [title.truncate(width, ellipsis=True)]
        room = max(width - KEYS_WIDTH - 2, 10)
        said = Content(item.says).wrap(room) or [Content("")]
        heads = [f"  {item.keys:<{KEYS_WIDTH}}", *[" " * (KEYS_WIDTH + 2)] * (len(said) - 1)]
        return [
            Content.styled(head, style("list--good")) + line
            for head, line in zip(heads, said, strict=True)
        ]


def help_rows(
    groups: Sequence[KeyGroup], texts: Sequence[tuple[str, str]], opened: Collection[str], word: str
) -> list[HelpRow]:
    """All parts, those that are `opened` (by their titles) with their lines; with a `word` only
    what holds it, of all parts. `texts` are titles and paragraphs, which come last."""
    found: list[HelpRow] = []
    for group in groups:
        keys = [key for key in group.keys if key.bound and _holds(key, word)]
        rows = [HelpRow(group.title, key.id, key.shown, with_keys(key.says)) for key in keys]
        found += _part(group.title, rows, opened, word)
    for title, text in texts:
        rows = [HelpRow(title, f"text {title}", "", text)]
        found += _part(title, rows if word.casefold() in text.casefold() else [], opened, word)
    return found


def opened_first(here: Sequence[KeyGroup]) -> set[str]:
    """The titles of the parts that are open at the beginning: what the focus can do."""
    own = [group.title for group in here if group.place not in AROUND]
    return set(own or [group.title for group in here])


def _part(
    title: str, rows: Sequence[HelpRow], opened: Collection[str], word: str
) -> Iterator[HelpRow]:
    if rows:
        is_open = bool(word) or title in opened
        count = "" if is_open or not rows[0].keys else f"{len(rows)}"
        yield HelpRow(title, f"part {title}", count, title, is_title=True, open=is_open)
        if is_open:
            yield from rows


def _holds(key: Key, word: str) -> bool:
    return word.casefold() in with_keys(key.says).casefold() or word in key.shown.split()
