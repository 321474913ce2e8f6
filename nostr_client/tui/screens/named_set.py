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
from nostr_client.safe_text import safe_line
from nostr_client.social.sets import NamedSet
from nostr_client.tui.acts.grouping import follow_all, words_of
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.app_messages import ActRequest, Open
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints
from nostr_client.tui.names import NameCache
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.polling import poll
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.choice import ChoiceDialog, Offered
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import AddressTarget, PersonTarget
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.watched_feed import (
    FeedSource,
    WatchedFeed,
    find_set,
    nothing,
    set_feed,
)
from nostr_client.tui.workers import start_worker

MOST_LISTED: Final = 500
"""People that are listed."""

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
        self._feed = WatchedFeed(client, renderer, FeedSource("", "", nothing))

    def compose(self) -> ComposeResult:
        yield self._about
        yield self._feed
        yield HintLine(hints(KEYS, LIST, NOTE), id="hints")

    def on_mount(self) -> None:
        self._feed.notes.focus()
        start_worker(self, self._find, "find")

        async def refresh() -> str:
            await self._feed.refresh_notes(self._client)
            return ""

        start_worker(self, partial(poll, refresh, self._say_problem), "poll")

    async def _find(self) -> None:
        """Find the list, from here or from relays, and follow what it is about."""
        self._about.update("it is looked for")
        try:
            one = self._one = await find_set(self._client, self._address, self._relays)
        except NostrError as error:
            self._say_problem(str(error))
            return
        if one is None:
            self._about.update("this list is not here, and no relay that was asked has it")
            return
        title = Content.styled(safe_line(words_of(one), 100), "bold $text-primary")
        says = safe_line(one.says, 200)
        self._about.update(title + Content(f"\n{says}" if says else ""))
        self._feed.become(set_feed(self._client, one, ""))
        self._feed.follow()

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
