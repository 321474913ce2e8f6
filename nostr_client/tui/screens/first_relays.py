"""The newcomer's first relays: a short dated list, each asked whether it is there, all optional."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Final

from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from nostr_client.errors import InvalidData
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Key, KeyGroup, keyed, with_keys
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.widgets.inputs import relay_url
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What became of asking a relay: `ok`, and in a few words."""

    ok: bool
    words: str


Probe = Callable[[str], Awaitable[ProbeResult]]
"""Asks one relay, within a time limit of its own."""


@dataclass(frozen=True, slots=True)
class RelayOffer:
    """A relay on offer. `taken` by the person's own hand stays; before that the probe decides."""

    url: str
    operator: str = ""
    taken: bool = True
    by_hand: bool = False
    probed: ProbeResult | None = None


class _OfferRenderer(ItemRenderer[RelayOffer]):
    def key(self, item: RelayOffer) -> str:
        return item.url

    def lines(self, item: RelayOffer, width: int, style: Styles) -> list[Content]:
        box = "[x] " if item.taken else "[ ] "
        name = safe_line(item.url, 34)
        if item.probed is None:
            state, words = "list--dim", "asking …"
        else:
            state = "list--good" if item.probed.ok else "list--bad"
            words = safe_line(item.probed.words, 60)
        line = Content.assemble(
            (box, style("list--strong" if item.taken else "list--dim")),
            (f"{name:<34} ", style("list--strong" if item.taken else "list--dim")),
            (words, style(state)),
        )
        return [line.truncate(width, ellipsis=True)]


OFFERED_RELAYS: Final = KeyGroup(
    "Relays on offer",
    (
        Key("space", "take", "Take or leave"),
        Key("a", "add", "Add one"),
    ),
    "offered_relays",
)


class RelayOfferList(WindowedList[RelayOffer]):
    """The relays on offer; space takes or leaves the selected one."""

    BINDINGS: ClassVar[list[BindingType]] = OFFERED_RELAYS.bindings()

    class Add(Message):
        """Another relay is to be offered."""

    class Take(Message):
        """Take this one, or leave it."""

        def __init__(self, offer: RelayOffer) -> None:
            super().__init__()
            self.offer = offer

    def action_take(self) -> None:
        if (offer := self.selected) is not None:
            self.post_message(self.Take(offer))

    def action_add(self) -> None:
        self.post_message(self.Add())


class FirstRelaysScreen(FormScreen[tuple[str, ...]]):
    """Dismissed with the relays that were taken, in their order; it may be none."""

    HEADING = "Your first relays"
    KEYS = (
        *(("form.go", "go on"), ("offered_relays.take", "take or leave")),
        ("offered_relays.add", "add one"),
    )

    def __init__(self, offers: Sequence[RelayOffer], dated: str, probe: Probe) -> None:
        """`dated`: the day of the list, in words."""
        super().__init__()
        self._offers = {offer.url: offer for offer in offers}
        self._dated = dated
        self._probe = probe
        self.offers = RelayOfferList(_OfferRenderer(), gap=0, id="offers")

    def body(self) -> Iterable[Widget]:
        yield prose(
            "Relays keep your notes and pass them on. They know nothing of each other, and each "
            f"may vanish: take several. The list is of {self._dated} and can be changed any time."
        )
        yield self.offers
        yield field("Add", "add", hint=with_keys("wss://…   {form.go} adds it"))
        yield prose(id="taken")

    def on_mount(self) -> None:
        self.offers.styles.height = max(min(len(self._offers), 9), 1)
        self.offers.show(FixedItems(list(self._offers.values()), lambda offer: offer.url))
        self.query_one("#add-row").display = False
        self.offers.focus()
        self._count()
        for url in self._offers:
            start_worker(self, partial(self._ask, url), "probe")

    @property
    def taken(self) -> tuple[str, ...]:
        return tuple(offer.url for offer in self._offers.values() if offer.taken)

    async def _ask(self, url: str) -> None:
        probed = await self._probe(url)
        offer = self._offers[url]
        taken = offer.taken if offer.by_hand else probed.ok
        self._change(replace(offer, probed=probed, taken=taken))

    def _change(self, offer: RelayOffer) -> None:
        self._offers[offer.url] = offer
        if self.is_mounted:
            self.offers.update(offer)
            self._count()

    def _count(self) -> None:
        count = len(self.taken)
        asking = sum(1 for offer in self._offers.values() if offer.probed is None)
        if count:
            taken = (offer for offer in self._offers.values() if offer.taken)
            operators = {offer.operator or offer.url for offer in taken}
            by = "one operator" if len(operators) == 1 else f"{len(operators)} operators"
            words = f"{count} taken, of {by}; this machine keeps everything, too."
        elif asking:
            words = "None taken yet."
        elif any(offer.probed.ok for offer in self._offers.values() if offer.probed is not None):
            words = "None taken: your notes stay on this machine until you add a relay."
        else:
            words = with_keys(
                "None answers: is there a network? Your notes stay on this machine until there is "
                "one; {offered_relays.take} takes a relay even so."
            )
        set_text(self, "#taken", f"{words} {asking} still asked …" if asking else words)

    def on_relay_offer_list_take(self, message: RelayOfferList.Take) -> None:
        offer = self._offers[message.offer.url]
        self._change(replace(offer, taken=not offer.taken, by_hand=True))

    def on_relay_offer_list_add(self) -> None:
        self.query_one("#add-row").display = True
        self.query_one("#add").focus()
        keys = keyed(("form.go", "add it"), ("form.leave", "no more"))
        self.query_one("#keys", Static).update(key_words(keys))

    def _close_field(self) -> None:
        self.query_one("#add", Input).clear()
        self.query_one("#add-row").display = False
        self.problem("")
        self.query_one("#keys", Static).update(key_words(keyed(*self.KEYS)))
        self.offers.focus()

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        message.stop()
        self.action_go()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        event.prevent_default()  # or the page's own handler would run as well, and go on
        if not event.value.strip():
            self._close_field()
            return
        try:
            url = relay_url(event.value)
        except InvalidData as error:
            self.problem(str(error))
            return
        if url not in self._offers:
            self._offers[url] = RelayOffer(url, by_hand=True)
            self.offers.styles.height = max(min(len(self._offers), 9), 1)
            self.offers.show(
                FixedItems(list(self._offers.values()), lambda offer: offer.url), select=url
            )
            start_worker(self, partial(self._ask, url), "probe")
        self._close_field()
        self._count()

    def go(self) -> None:
        self.dismiss(self.taken)

    def action_leave(self) -> None:
        if self.query_one("#add").has_focus:
            self._close_field()
