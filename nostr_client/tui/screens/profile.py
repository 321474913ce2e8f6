"""A person: what they say of themselves, and what they wrote."""

from __future__ import annotations

import time
from enum import StrEnum
from functools import partial
from typing import Any, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import in_words
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, event_address
from nostr_client.protocol.filters import Filter
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.follows import follows_of
from nostr_client.social.views import Cursor, NoteView, Profile
from nostr_client.tui.acts.act import PersonAct
from nostr_client.tui.acts.registry import ACT_BY_ID, NOTE, PERSON
from nostr_client.tui.app_messages import Open
from nostr_client.tui.avatars import HEAD_ACROSS, HEAD_ROWS
from nostr_client.tui.fact_rows import FactRenderer, FactRow
from nostr_client.tui.keymap import LIST, Key, KeyGroup, hints, with_keys
from nostr_client.tui.note_renderer import NoteRenderer, not_the_one
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.polling import poll
from nostr_client.tui.profile_rows import (
    MOST_PEOPLE,
    about_rows,
    follow_rows,
    mutual_words,
    relay_rows_of,
)
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import PersonTarget
from nostr_client.tui.widgets.feed import NoteFeed
from nostr_client.tui.widgets.fetching_list import PersonList
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.list_messages import Chosen
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

FACTS: Final = "profile-facts"
NOTHING: Final = "Nothing of theirs is here yet; it is looked for on relays."
FETCH_LIMIT: Final = 6.0
"""Seconds for relays to send what a part is about."""
ABOUT_CHARACTERS = 300
STATUS_CELLS = 70
PINNED_CELLS = 64
MOST_PINNED = 3
"""Pinned notes of which the beginning is shown."""
_NIP05 = {
    "valid": ("✓ ", "$text-success", ""),
    "invalid": ("✕ ", "$text-error", " (its domain says otherwise)"),
    "unreachable": ("? ", "$text-warning", " (its domain does not answer)"),
    "unchecked": ("? ", "$foreground 60%", " (not checked; {person.check_name} asks its domain)"),
}


CLOSED_PROVIDERS: Final = (
    "Whom you trust to say more of people is partly private: it is read once the account is open."
)
KEYS: Final = KeyGroup(
    "A profile",
    (
        Key("right_square_bracket,l", "turn(1)", "The next part", "next part"),
        Key("left_square_bracket,h", "turn(-1)", "The part before"),
        Key("V", "avatar", "Show their picture"),
    ),
)


class ProfileTab(StrEnum):
    """One part of a profile."""

    NOTES = "notes"
    REPLIES = "replies"
    ABOUT = "about"
    FOLLOWS = "follows"
    RELAYS = "relays"


TABS: Final = tuple(ProfileTab)
_WANTED: Final = {
    ProfileTab.ABOUT: kinds.FAVORITE_SETS,
    ProfileTab.FOLLOWS: kinds.FOLLOWS,
    ProfileTab.RELAYS: kinds.RELAY_LIST,
}
"""What relays are asked for when a part is opened."""
_FEEDS: Final = (ProfileTab.NOTES, ProfileTab.REPLIES)


class ProfileScreen(TargetScreen):
    """One person, in parts, of which only the open one is read: from the store first; relays and
    the NIP-05 domain are asked behind it."""

    BINDINGS: ClassVar[list[BindingType]] = [*KEYS.bindings(), *PERSON.bindings()]
    key_groups: ClassVar[tuple[KeyGroup, ...]] = (KEYS, PERSON, LIST, NOTE)

    def __init__(self, client: NostrClient, renderer: NoteRenderer, target: PersonTarget) -> None:
        super().__init__(target)
        pubkey = target.pubkey
        self._client = client
        self._renderer = renderer.twin()
        self.pubkey = pubkey
        self._profile = Profile(pubkey)
        self._followed = False
        self._status = ""
        self._pinned: list[Event] = []
        self._ranks: list[str] = []
        """What providers that the account chose say of them (NIP-85), in words."""
        self._closed = False
        """Has the list of these providers a part that cannot be read here?"""
        self._asked = ""
        """What relays said when they were asked for the profile, for whom none is here."""
        self._tab = ProfileTab.NOTES
        self._mutual = ""
        self._feeds: dict[ProfileTab, NoteFeed] = {}
        self._pictures = renderer.pictures
        self._avatars = renderer.pictures.avatars if renderer.pictures is not None else None
        self._face = Static("", markup=False, id="face")
        self._facts: WindowedList[FactRow] = PersonList(
            FactRenderer(self._avatars), lambda row: row.person, self._avatars, id=FACTS
        )
        self._drawn: ProfileTab | None = None
        """The part whose facts stand in the list."""
        self._fetched: set[ProfileTab] = set()
        """The parts of which relays were asked."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="person"):
            self._face.display = self._avatars is not None and self._avatars.on
            yield self._face
            yield Static("", markup=False, id="about")
        yield Static(_tab_line(self._tab), markup=False, classes="head", id="parts-line")
        self._switcher = ContentSwitcher(initial=ProfileTab.NOTES, id="parts")
        with self._switcher:
            for tab in _FEEDS:
                yield self._feed(tab)
            yield self._facts
        on_others = () if self.pubkey == self._client.pubkey else (PERSON,)
        yield HintLine(hints(KEYS, *on_others, LIST, NOTE, EVERYWHERE), id="hints")

    async def _notes(
        self, until: Cursor | None, limit: int, *, replies: bool = False
    ) -> list[NoteView]:
        return await self._client.timeline.author(
            self.pubkey, until=until, limit=limit, replies=replies
        )

    def _feed(self, tab: ProfileTab) -> NoteFeed:
        read = partial(self._notes, replies=tab is ProfileTab.REPLIES)
        feed = NoteFeed("", read, self._renderer, empty=NOTHING, muted_too=True)
        feed.id = tab
        self._feeds[tab] = feed
        return feed

    @property
    def _front(self) -> WindowedList[Any]:
        """What takes the keys."""
        return self._feeds[self._tab].notes if self._tab in _FEEDS else self._facts

    def on_mount(self) -> None:
        start_worker(self, self._begin, "begin")
        start_worker(self, self._load, "profile")
        start_worker(self, partial(poll, self._refresh, self._say_problem), "poll")

    async def _begin(self) -> None:
        """What came since the last visit is marked: that is asked for first."""
        try:
            me, visits = self._client.pubkey, self._client.visits
            last = await visits.visit(self.pubkey) if me else None
        except NostrError as error:
            self._say_problem(str(error))
        else:
            self._renderer.fresh_after = last
        self._open_tab()

    def _open_tab(self) -> None:
        set_text(self, "#parts-line", _tab_line(self._tab))
        self._switcher.current = self._tab if self._tab in _FEEDS else FACTS
        if self._tab in _FEEDS:
            self._feeds[self._tab].open()
        else:
            start_worker(self, self._show_facts, "facts", exclusive=True)
        self._front.focus()

    def action_turn(self, by: int) -> None:
        """To another part."""
        self._tab = TABS[(TABS.index(self._tab) + by) % len(TABS)]
        self._open_tab()

    async def _refresh(self) -> str:
        if self._tab in _FEEDS:
            await self._feeds[self._tab].refresh_notes(self._client)
        return ""

    async def _show_facts(self) -> None:
        """The part that is open: what is here, then what relays have."""
        tab = self._tab
        try:
            await self._draw_facts(tab)
            if tab not in self._fetched and (wanted := _WANTED.get(tab)):
                self._fetched.add(tab)
                asked = Filter.of(authors=[self.pubkey], kinds=[wanted])
                if (await self._client.courier.fetch([asked], timeout=FETCH_LIMIT)).new:
                    await self._draw_facts(tab)
        except NostrError as error:
            self._say_problem(str(error))

    async def _draw_facts(self, tab: ProfileTab) -> None:
        rows = await self._facts_of(tab)
        if tab is self._tab and self._facts.is_mounted:
            first = rows[0].key if rows and tab is not self._drawn else ""
            self._drawn = tab
            self._facts.renew(FixedItems(rows, self._facts.renderer.key), select=first)

    async def _facts_of(self, tab: ProfileTab) -> list[FactRow]:
        client, pubkey = self._client, self.pubkey
        if tab is ProfileTab.ABOUT:
            wanted = Filter.of(authors=[pubkey], kinds=[kinds.METADATA, kinds.FAVORITE_SETS])
            claims = await client.store.query([wanted])
            return about_rows(self._profile, self._status, claims)
        if tab is ProfileTab.FOLLOWS:
            people = follows_of(await client.store.get_address(_follow_list(pubkey)))
            known = await client.profiles.get_many(people[:MOST_PEOPLE])
            return follow_rows(people, known, frozenset(await client.follows.pubkeys()))
        relays = await client.book.relays_of(pubkey)
        return relay_rows_of(relays, await client.why.person(pubkey), time.time())

    def on_windowed_list_chosen(self, message: Chosen) -> None:
        if message.list is self._facts and message.item is not None and message.item.opens:
            self.post_message(Open(message.item.opens))

    async def _load(self) -> None:
        try:
            await self.refresh_target()
            await self._look_for_mutuals()
            asked = await self._client.profiles.fetch([self.pubkey])
            self._asked = in_words(asked.ends.values(), found=False)
            await self.refresh_target()
            await self._client.statuses.fetch([self.pubkey])
            await self._client.pins.fetch_of(self.pubkey)
            await self.refresh_target()
            await self._client.lookalikes.refresh()
            if not await self._is_stranger():
                await self._client.profiles.check_nip05(self.pubkey)
            await self.refresh_target()
            await self._client.assertions.fetch(self.pubkey)
            await self.refresh_target()
        except NostrError as error:
            self._say_problem(str(error))

    async def _is_stranger(self) -> bool:
        """Does nobody know them whom the account follows? Then their domain is asked when the
        person wants it: it would learn who looks at them, and when."""
        return bool(await self._client.acquaintances.strangers([self.pubkey]))

    async def _look_for_mutuals(self) -> None:
        """Do they follow the account, and who does of those whom it follows."""
        me, pubkey, known = self._client.pubkey, self.pubkey, self._client.acquaintances
        if not me or pubkey == me:
            return
        theirs = follows_of(await self._client.store.get_address(_follow_list(pubkey)))
        friends = await known.followers_of(pubkey)
        counts = await known.known_by([pubkey]) if friends else {}
        profiles = await self._client.profiles.get_many(friends[:1])
        self._mutual = mutual_words(
            follows_you=me in theirs,
            names=[profiles[friend].label for friend in friends[:1]],
            count=counts.get(pubkey),
        )
        set_text(self, "#about", self._about())

    def _say_problem(self, words: str) -> None:
        self.post_message(Say(words, "error"))

    async def refresh_target(self) -> None:
        self._profile = await self._client.profiles.get(self.pubkey)
        self._followed = self.pubkey in await self._client.follows.pubkeys()
        self._status = (await self._client.statuses.of([self.pubkey])).get(self.pubkey, "")
        self._pinned = await self._client.pins.of(self.pubkey)
        self._draw_head()  # whom the account trusts may be told by a bunker, which takes its time
        if self._tab not in _FEEDS:
            await self._draw_facts(self._tab)
        self._ranks = [
            f"{one.rank}/100 by {(await self._client.profiles.get(one.provider)).label}"
            for one in await self._client.assertions.of(self.pubkey)
        ]
        self._closed = (await self._client.assertions.entries()).closed
        self._draw_head()

    def _draw_head(self) -> None:
        set_text(self, "#about", self._about())
        self._draw_face()

    def _about(self) -> Content:
        profile, dim = self._profile, "$foreground 60%"
        me = self.pubkey == self._client.pubkey
        state = "this is you" if me else "you follow them" if self._followed else "not followed"
        if known := self._client.acquaintances.counted(self.pubkey):
            state += f", {known:,} of those you follow do" if not self._followed and not me else ""
        names = [safe_line(text, 40) for text in (profile.name,) if text.strip()]
        other = f"  {names[0]}" if names and names[0] != profile.label else ""
        lines = [
            Content.assemble(
                (profile.label, "bold $text-primary"), (other, dim), (f"  · {state}", dim)
            )
        ]
        if (namesake := self._client.lookalikes.of(profile)) is not None:
            words = f"{not_the_one(namesake)}: that is {namesake.short_npub}, another key"
            lines.append(Content.styled(words, "$text-warning"))
        if self._ranks:
            lines.append(Content.assemble(("trusted: ", dim), ", ".join(self._ranks)))
        if self._closed:
            lines.append(Content.styled(CLOSED_PROVIDERS, dim))
        if self._mutual:
            lines.append(Content.styled(self._mutual, dim))
        if self._status:
            lines.append(Content.assemble(("now: ", dim), safe_line(self._status, STATUS_CELLS)))
        if profile.nip05:
            mark, colour, words = _NIP05.get(profile.nip05_state, _NIP05["unchecked"])
            shown = safe_line(profile.nip05.removeprefix("_@"), 60)
            lines.append(Content.assemble((mark, colour), shown, (with_keys(words), dim)))
        lines.append(Content.styled(profile.npub, dim))
        if profile.event is None and self._asked:
            lines.append(Content.styled(f"no profile was found: {self._asked}", "$text-warning"))
        about = safe_text(profile.about[:ABOUT_CHARACTERS]).strip()
        if about:
            lines += [Content(""), Content(about)]
        for event in self._pinned[:MOST_PINNED]:
            lines.append(
                Content.assemble(("pinned: ", dim), safe_line(event.content, PINNED_CELLS))
            )
        return Content("\n").join(lines)

    def _draw_face(self) -> None:
        """The picture, in the room that is kept for it; it is fetched where it comes by itself."""
        if self._avatars is None or not self._face.display:
            return
        lines = self._avatars.lines(self._profile, HEAD_ACROSS, HEAD_ROWS)
        self._face.update(Content("\n").join(lines))
        if self._avatars.is_missing(self._profile):
            start_worker(self, self._load_face, "face", exclusive=True)

    async def _load_face(self) -> None:
        if self._avatars is not None:
            problem = await self._avatars.load(self._profile, self._draw_face)
            if problem and self._avatars.was_asked(self._profile):
                self._say_problem(problem)

    def action_avatar(self) -> None:
        """Show their picture, whoever they are."""
        if self._avatars is None or self._pictures is None or not self._pictures.may_be_shown:
            self.post_message(Say(self._pictures.hint if self._pictures else "No pictures here."))
        elif not self._profile.picture:
            self.post_message(Say("They name no picture of themselves."))
        else:
            self._avatars.ask(self._profile)
            self._face.display = True
            self._draw_face()

    def action_act(self, id: str) -> None:
        """An act on the person, or on the selected note."""
        act = ACT_BY_ID[id]
        if isinstance(act, PersonAct):
            self.post_message(act.on(self._profile))


def _tab_line(open_one: ProfileTab) -> str:
    return "".join(f"[{tab}]" if tab is open_one else f" {tab} " for tab in TABS)


def _follow_list(pubkey: str) -> str:
    return event_address(kinds.FOLLOWS, pubkey)
