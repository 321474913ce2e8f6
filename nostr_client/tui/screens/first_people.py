"""Topics and people to begin with, so that the home of a newcomer is not empty. All optional."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input

from nostr_client.errors import NostrError
from nostr_client.safe_text import safe_line
from nostr_client.social.beginnings import Beginning, Beginnings
from nostr_client.tui.keymap import Key, KeyGroup, key_for, with_keys
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

MOST_TOPICS: Final = 10


@dataclass(frozen=True, slots=True)
class FirstPeople:
    """What was chosen: hashtags without `#`, and people (hex) to follow."""

    topics: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedPeople:
    """A beginning on offer, `taken` or not."""

    beginning: Beginning
    taken: bool = False


class _BeginningRenderer(ItemRenderer[OfferedPeople]):
    def key(self, item: OfferedPeople) -> str:
        return item.beginning.name

    def lines(self, item: OfferedPeople, width: int, style: Styles) -> list[Content]:
        one, look = item.beginning, style("list--strong" if item.taken else "list--dim")
        count = "1 person" if len(one.people) == 1 else f"{len(one.people):,} people"
        line = Content.assemble(
            ("[x] " if item.taken else "[ ] ", look),
            (f"{safe_line(one.title, 36):<36} ", look),
            (f"{count}, {one.why}", style("list--dim")),
        )
        return [line.truncate(width, ellipsis=True)]


OFFERED: Final = KeyGroup(
    "On offer",
    (Key("space", "take", "Take or leave"),),
    "on_offer",
)


class BeginningList(WindowedList[OfferedPeople]):
    """What is on offer; space takes or leaves the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = OFFERED.bindings()

    class Take(Message):
        """Take this one, or leave it."""

        def __init__(self, offer: OfferedPeople) -> None:
            super().__init__()
            self.offer = offer

    def action_take(self) -> None:
        if (offer := self.selected) is not None:
            self.post_message(self.Take(offer))


class FirstPeopleScreen(FormScreen[FirstPeople]):
    """Dismissed with what was chosen, with None where that is left for later."""

    HEADING = "Topics, and people to follow"
    KEYS = (
        *(("form.go", "look up, go on"), ("form.focus_next", "next")),
        *(("on_offer.take", "take"), ("form.leave", "skip")),
    )

    def __init__(self, beginnings: Beginnings) -> None:
        super().__init__()
        self._beginnings = beginnings
        self._offers: dict[str, OfferedPeople] = {}
        self._topics: dict[str, None] = {}
        self._asking = 0
        self._list = BeginningList(_BeginningRenderer(), gap=0, id="beginnings")

    def body(self) -> Iterable[Widget]:
        yield prose("Home shows whom you follow. Take what you like; all can be changed any time.")
        enter = key_for("form.go")
        yield field(
            "Topics", "topics", hint=f"art books music   {enter} looks who writes about them"
        )
        yield field(
            "A friend", "friend", hint=f"npub1… or name@domain   {enter} finds whom they follow"
        )
        yield self._list
        yield prose(id="state")

    def on_mount(self) -> None:
        self._list.styles.height = 8
        self._show()
        self.query_one("#topics", Input).focus()
        self._ask(self._packs)

    def _ask(
        self, work: Callable[[], Awaitable[Sequence[Beginning]]], *, taken: bool = False
    ) -> None:
        self._asking += 1
        start_worker(self, partial(self._find, work, taken), "ask")
        self._say()

    async def _find(self, work: Callable[[], Awaitable[Sequence[Beginning]]], taken: bool) -> None:
        try:
            found = await work()
        except NostrError as error:
            found = ()
            self.problem(str(error))
        self._asking -= 1
        for one in found:
            self._offers.setdefault(one.name, OfferedPeople(one, taken))
        if self.is_mounted:
            self._show()

    async def _packs(self) -> Sequence[Beginning]:
        return await self._beginnings.packs()

    async def _topic(self, tag: str) -> Sequence[Beginning]:
        found = await self._beginnings.topic(tag)
        return (found,) if found is not None else ()

    def _show(self) -> None:
        offers = sorted(self._offers.values(), key=lambda offer: not offer.taken)
        self._list.renew(FixedItems(offers, lambda offer: offer.beginning.name))
        self._say()

    def _say(self) -> None:
        people = len(self.chosen.people)
        words = [f"taken: {people:,}" if people else "nobody taken yet"]
        if self._topics:
            words.append(" ".join(f"#{tag}" for tag in self._topics))
        if self._asking:
            words.append("asking your relays …")
        elif not self._offers:
            words.append(with_keys("your relays offer no packs; later: {app.find} finds people"))
        set_text(self, "#state", safe_line(" · ".join(words), 200))

    @property
    def chosen(self) -> FirstPeople:
        taken = (offer.beginning.people for offer in self._offers.values() if offer.taken)
        people = dict.fromkeys(pubkey for some in taken for pubkey in some)
        return FirstPeople(tuple(self._topics), tuple(people))

    def on_beginning_list_take(self, message: BeginningList.Take) -> None:
        offer = replace(message.offer, taken=not message.offer.taken)
        self._offers[offer.beginning.name] = offer
        self._list.update(offer)
        self._say()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.action_go()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        event.prevent_default()  # or the page's own handler would run as well, and go on
        self.problem("")
        typed = event.value.strip()
        if not typed:
            self.action_go()
            return
        event.input.clear()
        if event.input.id == "friend":
            self._ask(partial(self._beginnings.friend, typed), taken=True)
            return
        for word in typed.replace(",", " ").split():
            tag = word.lstrip("#").lower()
            if tag and tag not in self._topics and len(self._topics) < MOST_TOPICS:
                self._topics[tag] = None
                self._ask(partial(self._topic, tag), taken=True)

    def go(self) -> None:
        self.dismiss(self.chosen)
