"""What can be done on a thing that is selected: a note, a person.

An act is one value: lists, help, palette and `:` commands are made from it. `registry` finds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from nostr_client.social.views import NoteView, Posted, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.app_messages import ActRequest
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.keymap import Key

T = TypeVar("T")


@dataclass(frozen=True)
class Act(Generic[T]):
    """One act: its name for good (in `:` commands and in the configuration), Textual's names of its
    keys, its line in the help, and what it does to a thing.

    `hint` is its word in the hint line, if it stands there; `place` its place among the others.
    `signs`: it needs the account's key, which is asked for first. `absent_too`: it can be done on a
    repost whose note is not here. `finish` does what was held back and not taken back
    (`Actions.hold`).
    """

    id: str
    keys: str
    says: str
    run: Callable[[Actions, T], Awaitable[object]]
    hint: str = ""
    place: int = 1_000
    signs: bool = True
    absent_too: bool = False
    finish: Callable[[Actions, HeldAct], Awaitable[Posted]] | None = None

    @property
    def key(self) -> Key:
        """Its binding, for what has an `action_act`."""
        return Key(self.keys, f"act('{self.id}')", self.says, self.hint, name=self.id)

    def on(self, thing: T) -> ActRequest:
        """Asks the app to do it."""
        return ActRequest(lambda actions: self.run(actions, thing), signs=self.signs)


class NoteAct(Act[NoteView]):
    """An act on a note."""


class PersonAct(Act[Profile]):
    """An act on a person."""


class AccountAct(Act[None]):
    """An act on nothing in particular: it stands in the palette, and has no key."""
