"""Mutes: whom and what the account does not want to see, and how to see it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.nips import nip19
from nostr_client.protocol.event import Tag
from nostr_client.protocol.keys import is_hex64
from nostr_client.safe_text import safe_line
from nostr_client.social.lists import CLOSED
from nostr_client.social.views import RelayRow
from nostr_client.tui.acts.muting import mute_word, unmute
from nostr_client.tui.app_messages import ActRequest, Open
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.saying import Say
from nostr_client.tui.targets import NoteTarget, PersonTarget, TagTarget
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

_SORTS: Final = {"p": "person", "t": "hashtag", "word": "word", "e": "thread"}


@dataclass(frozen=True, slots=True)
class MuteRow:
    """An entry of the list, on its side of it."""

    entry: Tag
    private: bool


KEYS: Final = KeyGroup(
    "Mutes",
    (
        Key("x", "unmute", "See it again (asks first)", "unmute"),
        Key("n", "new", "Mute a word or a hashtag", "mute"),
    ),
)


class MuteRenderer(ItemRenderer[MuteRow]):
    """An entry on one line."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        self._name_of = name_of

    def key(self, item: MuteRow) -> str:
        return f"{item.private} {item.entry[0]} {item.entry[1]}"

    def words(self, entry: Tag) -> str:
        """What is muted, on a safe line."""
        name, value = entry[:2]
        if name == "p" and is_hex64(value):
            return safe_line(self._name_of(value), 60)
        if name == "e" and is_hex64(value):
            return nip19.encode_note(value)
        return {"t": "#{}", "word": "“{}”"}.get(name, "{}").format(safe_line(value, 200))

    def lines(self, item: MuteRow, width: int, style: Styles) -> list[Content]:
        sort = _SORTS.get(item.entry[0], safe_line(item.entry[0], 12))
        side = "only you see it" if item.private else "for everybody to see"
        line = Content.assemble(
            (f"{sort:<10}", style("list--dim")),
            (self.words(item.entry), style("list--strong")),
            (f"  {side}", style("list--dim")),
        )
        return [line.truncate(width, ellipsis=True)]


class MuteEntries(WindowedList[MuteRow]):
    """The entries; enter shows the person, the thread or the hashtag."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, renderer: MuteRenderer) -> None:
        super().__init__(renderer, gap=0)
        self._words = renderer.words

    def action_unmute(self) -> None:
        if (row := self.selected) is not None:
            words = self._words(row.entry)
            self.post_message(ActRequest(lambda actions: unmute(actions, row.entry, words)))

    def action_new(self) -> None:
        self.post_message(ActRequest(mute_word))

    def action_choose(self) -> None:
        match self.selected.entry[:2] if self.selected is not None else ():
            case ("p", pubkey) if is_hex64(pubkey):
                self.post_message(Open(PersonTarget(pubkey)))
            case ("e", id) if is_hex64(id):
                self.post_message(Open(NoteTarget(id)))
            case ("t", topic):
                self.post_message(Open(TagTarget(topic)))


class MutesPane(PaneView):
    """The mute list."""

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._client: NostrClient = context.client
        self._names = context.names
        self._shown: object = None
        self._head = Static("", markup=False, classes="head")
        self._foot = Static("", markup=False, classes="foot")
        self.entries = MuteEntries(MuteRenderer(context.names.label))

    def compose(self) -> ComposeResult:
        yield self._head
        yield self.entries
        yield self._foot

    @property
    def front(self) -> MuteEntries:
        return self.entries

    def open(self) -> None:
        start_worker(self, self._open, "mutes", exclusive=True)

    async def _open(self) -> None:
        """Show what is here, then ask relays once for what is newer."""
        try:
            await self._read()
            if (await self._client.mutes.fetch()).new:
                await self._client.mutes.apply()
                await self._read()
        except NostrError as error:
            self.post_message(Say(str(error), "error"))

    def redraw(self, *, shown: bool) -> None:
        self.entries.redraw()

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        if shown and self._shown is not self._client.mutes.matcher:
            await self._read()

    async def _read(self) -> None:
        self._shown = self._client.mutes.matcher
        held = await self._client.mutes.entries()
        rows = [MuteRow(tag, private=True) for tag in held.private if len(tag) > 1]
        rows += [MuteRow(tag, private=False) for tag in held.public if len(tag) > 1]
        await self._names.know({row.entry[1] for row in rows if row.entry[0] == "p"})
        self.entries.renew(FixedItems(rows[::-1], self.entries.renderer.key))
        nothing = with_keys(
            "Nobody and nothing is muted. {note.mute} on a note mutes, {mutes.new} here a word."
        )
        self._head.update(f"{len(rows):,} muted" if rows else nothing)
        self._foot.update(CLOSED if held.closed else "")


PANE: Final = Pane(
    "mutes", "", "Mutes: what you do not want to see", MutesPane, (KEYS, LIST), place=110
)
