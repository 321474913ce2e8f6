"""What a section of the main screen is: how it presents itself, what it needs, what it does.

A new section is one file of this folder, or of a plugin, whose `PANE` is a `Pane`: `registry.PANES`
finds it. The number keys, the help, the command palette, the navigation and the main screen read
that list, and know none by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from textual.containers import Vertical
from textual.widget import Widget

from nostr_client.accounts.account import Account
from nostr_client.client import NostrClient
from nostr_client.social.views import NoteView, RelayRow
from nostr_client.tui.acts.registry import NOTE
from nostr_client.tui.environment import Environment
from nostr_client.tui.held_acts import HeldActs
from nostr_client.tui.keymap import LIST, KeyGroup
from nostr_client.tui.names import NameCache
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.targets import Target
from nostr_client.tui.widgets.list_place import ListPlace
from nostr_client.tui.widgets.note_list import NoteList
from nostr_client.tui.widgets.windowed_list import WindowedList


@dataclass(frozen=True)
class PaneContext:
    """What a section may need: the account that is open, how its notes are drawn, who is who."""

    client: NostrClient
    account: Account
    environment: Environment
    renderer: NoteRenderer
    names: NameCache
    held: HeldActs | None = None
    """Acts that wait a moment before they are done, with those of earlier runs."""


class PaneView(Vertical):
    """A section on the screen."""

    has_mark: ClassVar[bool] = False
    """Does `poll` set a mark also while the section is not in front? Others cost nothing then."""
    mark = ""
    """A few cells beside the section's name, after each `poll`."""

    @property
    def front(self) -> WindowedList[Any]:
        """What takes the keys."""
        raise NotImplementedError

    @property
    def notes(self) -> NoteList | None:
        """The same if it is a list of notes, whose threads can be shown beside it."""
        return None

    def shows(self, target: Target) -> bool:
        """Is this the place for a target, beside the list? Then it stands there, with the keys."""
        return False

    def keys_at(self, widget: Widget) -> tuple[KeyGroup, ...]:
        """The keys that work in a widget which has the focus; none: those of the section."""
        return ()

    def open(self) -> None:
        """The section comes to the front."""

    @property
    def place(self) -> ListPlace | None:
        """Where one is in its list, to be kept over a restart; None while there is nothing."""
        return self.front.place

    def resume(self, place: ListPlace) -> None:
        """Before it is opened for the first time: one was there."""
        self.front.prefer(place.selected)

    def arrive(self, notes: list[NoteView], *, awaited: bool) -> None:
        """What came to the home timeline; `awaited`: the person has just sent a note."""

    def redraw(self, *, shown: bool) -> None:
        """Names or folds have changed; `shown`: the section is in front."""

    async def poll(self, relays: Sequence[RelayRow], *, shown: bool) -> None:
        """Now and then while it is `shown`: look at what changes by itself. Where it is not, a
        section that `has_mark` sets that, and no other is asked. Raises NostrError."""


@dataclass(frozen=True)
class Pane:
    """A section: its name (also its widget's id), its key, its line in the help, how it is made.

    `key` is one digit, or empty: it is gone to by its name alone then. Sections are listed in the
    order of `place`, by their names where it is the same. `key_groups` are the keys that work in
    it, beside those that work everywhere.
    """

    name: str
    key: str
    says: str
    make: Callable[[PaneContext], PaneView]
    key_groups: tuple[KeyGroup, ...] = (LIST, NOTE)
    place: int = 1_000

    @property
    def label(self) -> str:
        return self.name.capitalize()

    @property
    def action(self) -> str:
        """What goes there."""
        return f"section('{self.name}')"

    @property
    def without_key(self) -> Pane:
        return replace(self, key="")
