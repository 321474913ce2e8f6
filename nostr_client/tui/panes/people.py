"""People: one's own named lists of people and topics, and packs of those whom one follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.views import RelayRow
from nostr_client.tui.acts.grouping import create, follow_all, strike, words_of
from nostr_client.tui.app_messages import ActRequest, Open
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.targets import AddressTarget
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

if TYPE_CHECKING:
    from nostr_client.social.sets import NamedSet

AUTHORS: Final = 500
"""Whom one follows first, so many, are asked for packs."""


@dataclass(frozen=True, slots=True)
class SetRow:
    """A list, one's own or somebody's."""

    one: NamedSet
    mine: bool


KEYS: Final = KeyGroup(
    "People",
    (
        Key("n", "new", "A new list of people", "new list"),
        Key("F", "follow_all", "Follow everybody in it (asks, and says how many)", "follow all"),
        Key("x", "strike", "Delete your list (asks)", "delete"),
    ),
)


class SetRenderer(ItemRenderer[SetRow]):
    """A list on one line, and what it says of itself."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of

    def key(self, item: SetRow) -> str:
        return item.one.address

    def lines(self, item: SetRow, width: int, style: Styles) -> list[Content]:
        by = "" if item.mine else f"  by {safe_line(self._name_of(item.one.event.pubkey), 30)}"
        first = Content.assemble(
            (safe_line(words_of(item.one), 120), style("list--strong")), (by, style("list--dim"))
        )
        lines = [first.truncate(width, ellipsis=True)]
        if says := safe_line(item.one.says, 200):
            line = Content.styled(f"  {says}", style("list--dim"))
            lines.append(line.truncate(width, ellipsis=True))
        return lines


class SetList(WindowedList[SetRow]):
    """The lists; enter opens one as a feed."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, context: PaneContext) -> None:
        super().__init__(SetRenderer(context.names.label), gap=0)

    def action_new(self) -> None:
        self.post_message(ActRequest(create))

    def action_follow_all(self) -> None:
        if (row := self.selected) is not None:
            self.post_message(ActRequest(lambda actions: follow_all(actions, row.one)))

    def action_strike(self) -> None:
        row = self.selected
        if row is not None and row.mine:
            self.post_message(ActRequest(lambda actions: strike(actions, row.one)))
        elif row is not None:
            self.post_message(Say("This list is somebody else's."))

    def action_choose(self) -> None:
        row = self.selected
        if row is None:
            return
        target = AddressTarget(row.one.address)
        if target.is_feed:
            self.post_message(Open(target))
        else:
            self.post_message(Say(f"A list of {row.one.word} is no feed."))


class PeoplePane(PaneView):
    """One's own lists first, then packs."""

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client = context.client
        self._names = context.names
        self._shown: list[SetRow] = []
        self._head = Static("", markup=False, classes="head")
        self.sets = SetList(context)

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.sets

    @property
    def front(self) -> SetList:
        return self.sets

    def open(self) -> None:
        start_worker(self, self._open, "people", exclusive=True)

    def redraw(self, *, shown: bool) -> None:
        self.sets.redraw()

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if shown:
            await self._read()

    async def _open(self) -> None:
        """Show what is here, then ask relays for the own lists, and for packs."""
        try:
            await self._read()
            await self._client.sets.fetch(self._client.pubkey)
            await self._client.sets.fetch_packs((await self._client.follows.pubkeys())[:AUTHORS])
            await self._read()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    async def _read(self) -> None:
        sets, me = self._client.sets, self._client.pubkey
        authors = [p for p in (await self._client.follows.pubkeys())[:AUTHORS] if p != me]
        rows = [SetRow(one, mine=True) for one in await sets.of(me)]
        rows += [SetRow(one, mine=False) for one in await sets.packs(authors)]
        if rows == self._shown and rows:
            return
        self._shown = rows
        await self._names.know({row.one.event.pubkey for row in rows if not row.mine})
        self.sets.renew(FixedItems(rows, self.sets.renderer.key))
        mine = sum(row.mine for row in rows)
        nothing = with_keys(
            "No list yet. {people.new} makes one; {note.put_author} on a note puts its author in."
        )
        packs = len(rows) - mine
        words = f"{mine} of yours, {packs} pack{'' if packs == 1 else 's'} of those you follow"
        self._head.update(words if rows else nothing)


PANE: Final = Pane(
    "people",
    "",
    "People: your lists of people and topics, packs",
    PeoplePane,
    (KEYS, LIST),
    place=65,
)
