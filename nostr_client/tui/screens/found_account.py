"""What relays know of a key that was brought along, and whether its lists may be changed yet."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from textual.content import Content
from textual.widget import Widget

from nostr_client.client import NostrClient
from nostr_client.errors import ListNotRead
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.list_reading import ListAnswer, name_of
from nostr_client.safe_text import safe_line
from nostr_client.social.follows import follows_of
from nostr_client.social.profiles import parse_profile
from nostr_client.tui.screens.form import FormScreen, prose
from nostr_client.tui.time_format import date
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

LOOKED_FOR: Final = (
    *(kinds.RELAY_LIST, kinds.METADATA, kinds.FOLLOWS, kinds.MUTES, kinds.DM_RELAYS),
)
"""The relay list first: it says where the others are."""


@dataclass(frozen=True, slots=True)
class FoundList:
    """One of them: `words` say what was found; `settled`: it may be changed; None while asking."""

    kind: int
    words: str = "asking …"
    settled: bool | None = None


class _FoundRenderer(ItemRenderer[FoundList]):
    def key(self, item: FoundList) -> str:
        return str(item.kind)

    def lines(self, item: FoundList, width: int, style: Styles) -> list[Content]:
        state = {None: "list--dim", True: "list--good", False: "list--warn"}[item.settled]
        mark = {None: "…", True: "✓", False: "!"}[item.settled]
        head = Content.assemble(
            (f"{mark} ", style(state)), (f"{name_of(item.kind):<24}", style("list--strong"))
        )
        rest = Content.styled(safe_line(item.words, 300), style("list--dim")).wrap(
            max(width - head.cell_length, 8)
        )
        blank = Content(" " * head.cell_length)
        return [(head if not n else blank) + line for n, line in enumerate(rest)] or [head]


class FoundAccountScreen(FormScreen[bool]):
    """Asks the places where the lists of the account may be, and says what each brought."""

    HEADING = "What is known of your account"
    KEYS = (("form.go", "go on"),)

    def __init__(self, client: NostrClient) -> None:
        super().__init__()
        self._client = client
        self._rows: WindowedList[FoundList] = WindowedList(_FoundRenderer(), gap=0, id="found")

    def body(self) -> Iterable[Widget]:
        yield prose(
            "Nothing is written for now. A list that could not be read everywhere it may be is not "
            "changed either, so that nothing in it is lost; it is read again when you change it."
        )
        yield self._rows

    def on_mount(self) -> None:
        rows = [FoundList(kind) for kind in LOOKED_FOR]
        self._rows.styles.height = 2 * len(rows)
        self._rows.show(FixedItems(rows, lambda row: str(row.kind)))
        self._rows.focus()
        start_worker(self, self._look, "look")

    async def _look(self) -> None:
        for kind in LOOKED_FOR:
            found = await self._read(FoundList(kind))
            if self.is_mounted:
                self._rows.update(found)

    async def _read(self, row: FoundList) -> FoundList:
        try:
            read = await self._client.guard.reader.read(row.kind)
        except ListNotRead as error:
            held = await self._client.store.query([_mine(self._client.pubkey, row.kind)])
            what = f"{_says(held[0])}; " if held else ""
            why = str(error).partition(": ")[2] or str(error)
            return replace(row, words=f"{what}not to be changed yet: {why}", settled=False)
        answered = sum(answer is ListAnswer.ANSWERED for answer in read.answers.values())
        where = f"{answered} of {len(read.answers)} relays answered"
        said = _says(read.version) if read.version else "none"
        return replace(row, words=f"{said} · {where}", settled=True)

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.action_go()

    def go(self) -> None:
        self.dismiss(True)

    def action_leave(self) -> None:
        self.dismiss(True)


def _mine(pubkey: str, kind: int) -> Filter:
    return Filter(authors=frozenset({pubkey}), kinds=frozenset({kind}))


def _says(event: Event) -> str:
    """What a version holds, and of what day it is."""
    of = f"of {date(event.created_at)}"
    if event.kind == kinds.METADATA:
        name = parse_profile(event.content).get("name", "")
        return f"{safe_line(name, 30)}, {of}" if name else of
    if event.kind == kinds.FOLLOWS:
        count, word = len(follows_of(event)), "people"
    else:
        count, word = len(event.tags), "entries"
        if event.kind in (kinds.RELAY_LIST, kinds.DM_RELAYS):
            word = "relays"
    private = " and a private part" if event.kind == kinds.MUTES and event.content else ""
    return f"{count:,} {word}{private}, {of}"
