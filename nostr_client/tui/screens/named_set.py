"""A named list or a pack as a feed: what its people write."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.nips import nip19, nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.filters import Filter
from nostr_client.safe_text import safe_line
from nostr_client.social.sets import NamedSet
from nostr_client.social.views import Cursor, NoteView
from nostr_client.tui.acts.grouping import follow_all, words_of
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.app_messages import ActRequest, Open, Say
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints
from nostr_client.tui.names import NameCache
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.polling import poll
from nostr_client.tui.screens.choice import ChoiceDialog, Offered
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import AddressTarget, PersonTarget
from nostr_client.tui.widgets.feed import NoteFeed
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.workers import start_worker

FETCHED: Final = 100
"""Notes that relays are asked for when a list is opened."""
MOST_LISTED: Final = 500
"""People that are listed."""
FETCH_LIMIT: Final = 8.0

KEYS: Final = KeyGroup(
    "A list of people",
    (
        Key("F", "follow_all", "Follow them all (asks, and says how many)", "follow all"),
        Key("W", "who", "Who is in it", "who"),
    ),
)


class NamedSetScreen(TargetScreen):
    """What the people of a list write, or notes on its topics; from the store, and from relays
    behind it."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()
    key_groups: ClassVar[tuple[KeyGroup, ...]] = (KEYS, LIST, NOTE)

    def __init__(
        self, client: NostrClient, renderer: NoteRenderer, names: NameCache, target: AddressTarget
    ) -> None:
        super().__init__(target)
        self._address, self._relays = target.address, target.relays
        self._client = client
        self._names = names
        self._one: NamedSet | None = None
        """The list, once it is here."""
        self._about = Static("", markup=False, id="about")
        self._feed = NoteFeed("", self._notes, renderer, empty="Nothing of theirs is here yet.")

    def compose(self) -> ComposeResult:
        yield self._about
        yield self._feed
        yield HintLine(hints(KEYS, LIST, NOTE), id="hints")

    async def _notes(self, until: Cursor | None, limit: int) -> list[NoteView]:
        if self._one is None:
            return []
        return await self._client.timeline.matching(_filter(self._one), until=until, limit=limit)

    def on_mount(self) -> None:
        self._feed.notes.focus()
        start_worker(self, self._fetch, "fetch")

        async def refresh() -> str:
            await self._feed.refresh_notes(self._client)
            return ""

        start_worker(self, partial(poll, refresh, self._say_problem), "poll")

    async def _fetch(self) -> None:
        """Find the list, show what is here, and ask relays for the newest."""
        try:
            one = await self._find()
            if one is None:
                return
            wanted = _filter(one).changed(limit=FETCHED)
            self._feed.show_state("asking relays")
            asked = await self._client.courier.fetch([wanted], timeout=FETCH_LIMIT)
            self._feed.show_state("")
            if asked.new:
                self._feed.arrive(await self._notes(None, FETCHED))
        except NostrError as error:
            self._say_problem(str(error))

    async def _find(self) -> NamedSet | None:
        """The list, from here or from relays; then its feed opens."""
        self._about.update("it is looked for")
        if nip22.is_address(self._address):
            kind, pubkey, name = self._address.split(":", 2)
            code = nip19.Naddr(int(kind), pubkey, name, self._relays)
            self._one = await self._client.sets.find(code)
        if self._one is None:
            self._about.update("this list is not here, and no relay that was asked has it")
            return None
        title = Content.styled(safe_line(words_of(self._one), 100), "bold $text-primary")
        says = safe_line(self._one.says, 200)
        self._about.update(title + Content(f"\n{says}" if says else ""))
        self._feed.open()
        return self._one

    def _say_problem(self, words: str) -> None:
        self.post_message(Say(words, "error"))

    def action_follow_all(self) -> None:
        if (one := self._one) is not None:
            self.post_message(ActRequest(lambda actions: follow_all(actions, one)))

    def action_who(self) -> None:
        if self._one is not None:
            start_worker(self, partial(self._choose_person, self._one), "who", exclusive=True)

    async def _choose_person(self, one: NamedSet) -> None:
        people = one.people[:MOST_LISTED]
        await self._names.know(people)
        choices = [Offered(pubkey, self._names.label(pubkey)) for pubkey in people]
        choices += [Offered("", f"#{topic}") for topic in one.topics]
        chosen = await self.app.push_screen_wait(ChoiceDialog(words_of(one), choices))
        if chosen and chosen[0]:
            self.post_message(Open(PersonTarget(chosen[0])))


def _filter(one: NamedSet) -> Filter:
    """What a list's feed holds. One with people and topics is about its people."""
    if one.topics and not one.people:
        return Filter.of(kinds=[kinds.NOTE], t=one.topics)
    return Filter(authors=frozenset(one.people), kinds=kinds.POSTS)
