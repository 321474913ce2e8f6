"""A person: what they say of themselves, and what they wrote."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.net.outcome import in_words
from nostr_client.protocol.event import Event
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.views import Cursor, NoteView, Profile
from nostr_client.tui.acts.act import PersonAct
from nostr_client.tui.acts.registry import ACT_BY_ID, NOTE, PERSON
from nostr_client.tui.app_messages import Say
from nostr_client.tui.keymap import LIST, KeyGroup, hints
from nostr_client.tui.note_renderer import NoteRenderer, not_the_one
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.polling import poll
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import PersonTarget
from nostr_client.tui.widgets.feed import NoteFeed
from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.static_text import set_text
from nostr_client.tui.workers import start_worker

ABOUT_CHARACTERS = 600
STATUS_CELLS = 70
PINNED_CELLS = 64
MOST_PINNED = 3
"""Pinned notes of which the beginning is shown."""
_NIP05 = {
    "valid": ("✓ ", "$text-success", ""),
    "invalid": ("✕ ", "$text-error", " (its domain says otherwise)"),
    "unreachable": ("? ", "$text-warning", " (its domain does not answer)"),
    "unchecked": ("? ", "$foreground 60%", " (not checked; N asks its domain)"),
}


class ProfileScreen(TargetScreen):
    """One person. Read from the store first; relays and the NIP-05 domain are asked behind it."""

    BINDINGS: ClassVar[list[BindingType]] = PERSON.bindings()
    key_groups: ClassVar[tuple[KeyGroup, ...]] = (PERSON, LIST, NOTE)

    def __init__(self, client: NostrClient, renderer: NoteRenderer, target: PersonTarget) -> None:
        super().__init__(target)
        pubkey = target.pubkey
        self._client = client
        self._renderer = renderer
        self.pubkey = pubkey
        self._profile = Profile(pubkey)
        self._followed = False
        self._status = ""
        self._pinned: list[Event] = []
        self._ranks: list[str] = []
        """What providers that the account chose say of them (NIP-85), in words."""
        self._asked = ""
        """What relays said when they were asked for the profile, for whom none is here."""

    def compose(self) -> ComposeResult:
        yield Static("", markup=False, id="about")
        empty = "Nothing of theirs is here yet; it is looked for on relays."
        yield NoteFeed("notes", self._notes, self._renderer, empty=empty, muted_too=True)
        yield HintLine(hints(PERSON, LIST, NOTE, EVERYWHERE), id="hints")

    async def _notes(self, until: Cursor | None, limit: int) -> list[NoteView]:
        return await self._client.timeline.author(self.pubkey, until=until, limit=limit)

    def on_mount(self) -> None:
        feed = self.query_one(NoteFeed)
        feed.open()
        feed.notes.focus()
        start_worker(self, self._load, "profile")

        async def refresh() -> str:
            await feed.refresh_notes(self._client)
            return ""

        start_worker(self, partial(poll, refresh, self._say_problem), "poll")

    async def _load(self) -> None:
        try:
            await self.refresh_target()
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

    def _say_problem(self, words: str) -> None:
        self.post_message(Say(words, "error"))

    async def refresh_target(self) -> None:
        self._profile = await self._client.profiles.get(self.pubkey)
        self._followed = self.pubkey in await self._client.follows.pubkeys()
        self._status = (await self._client.statuses.of([self.pubkey])).get(self.pubkey, "")
        self._pinned = await self._client.pins.of(self.pubkey)
        self._ranks = [
            f"{one.rank}/100 by {(await self._client.profiles.get(one.provider)).label}"
            for one in await self._client.assertions.of(self.pubkey)
        ]
        set_text(self, "#about", self._about())

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
        if self._status:
            lines.append(Content.assemble(("now: ", dim), safe_line(self._status, STATUS_CELLS)))
        if profile.nip05:
            mark, colour, words = _NIP05.get(profile.nip05_state, _NIP05["unchecked"])
            shown = safe_line(profile.nip05.removeprefix("_@"), 60)
            lines.append(Content.assemble((mark, colour), shown, (words, dim)))
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

    def action_act(self, id: str) -> None:
        """An act on the person, or on the selected note."""
        act = ACT_BY_ID[id]
        if isinstance(act, PersonAct):
            self.post_message(act.on(self._profile))
