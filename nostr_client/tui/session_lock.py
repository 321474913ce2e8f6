"""When an unlocked session locks itself, and the way back to where one was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from textual.screen import Screen

from nostr_client.tui.composer import Composer
from nostr_client.tui.navigation import screen_for
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.note_compose import NoteComposeScreen
from nostr_client.tui.screens.target_screen import TargetScreen

LOOK_EVERY = 5.0
"""Seconds between two looks at whether it is time, beside the one at each event."""
Reopen = Callable[[MainScreen], Screen[Any] | None]
"""A screen as it was, over the client of another main screen."""


class IdleTime:
    """The time since somebody was last there, by whichever of `clocks` (in seconds) says more: a
    monotonic one may stand still while a laptop sleeps, and the wall clock may be set."""

    def __init__(self, clocks: Sequence[Callable[[], float]]) -> None:
        self._clocks = clocks
        self.touch()

    def touch(self) -> None:
        """Somebody is there."""
        self._since = [clock() for clock in self._clocks]

    @property
    def seconds(self) -> float:
        now = [clock() for clock in self._clocks]
        return max(later - before for later, before in zip(now, self._since, strict=True))

    @property
    def minutes(self) -> float:
        return self.seconds / 60


def way_back(screens: Iterable[Screen[Any]], composer: Composer) -> list[Reopen]:
    """What of `screens` is opened again after unlocking; nothing private is held meanwhile.

    A private message that was being written is a draft of its room, and the room is what comes
    back. A question that stood open is to be asked again by who wants to.
    """
    ways = [_reopen(screen, composer) for screen in screens]
    return [way for way in ways if way is not None]


def _reopen(screen: Screen[Any], composer: Composer) -> Reopen | None:
    match screen:
        case TargetScreen():
            target = screen.target
            return lambda main: screen_for(main, target)
        case NoteComposeScreen():
            purpose = replace(screen.purpose, text="")  # which is a draft by now
            return lambda main: composer.screen(main, purpose)
    return None
