"""Where the person is, and was: which screen shows which target, back and forward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from textual.screen import Screen

from nostr_client.tui.screens.article import ArticleScreen
from nostr_client.tui.screens.feed import FeedScreen
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.named_set import NamedSetScreen
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.screens.room import RoomScreen
from nostr_client.tui.screens.survival import SurvivalScreen
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.screens.thread import ThreadScreen
from nostr_client.tui.screens.why import WhyScreen
from nostr_client.tui.targets import (
    AddressTarget,
    NoteTarget,
    PersonTarget,
    RelayTarget,
    RoomTarget,
    SectionTarget,
    TagTarget,
    Target,
    WhyTarget,
)
from nostr_client.tui.widgets.watched_feed import relay_feed, tag_feed

MOST_OPEN: Final = 20
"""Screens one above the other at most; where one was before them is still known."""
MOST_REMEMBERED: Final = 200
PLACES: Final = (TargetScreen, SurvivalScreen)
"""Screens that going to a section leaves."""


class ScreenStack(Protocol):
    """What of the app moves screens."""

    @property
    def screen(self) -> Screen[Any]: ...

    @property
    def screen_stack(self) -> list[Screen[Any]]: ...

    @property
    def main(self) -> MainScreen | None: ...

    def push_screen(self, screen: Screen[Any]) -> object: ...

    def pop_screen(self) -> object: ...


class Navigation:
    """Opens targets on a stack of screens; `cannot` is told of what has no screen."""

    def __init__(self, stack: ScreenStack, cannot: Callable[[Target], None]) -> None:
        self._stack = stack
        self._cannot = cannot
        self._past: list[Target] = []
        self._future: list[Target] = []

    @property
    def here(self) -> Target | None:
        """What is shown; None while no account is open, or something else is in front."""
        main, screen = self._stack.main, self._stack.screen
        if isinstance(screen, TargetScreen):
            return screen.target
        return SectionTarget(main.pane.name) if main is not None and screen is main else None

    def forget(self) -> None:
        """Another account: nothing of the one before is gone back to."""
        self._past.clear()
        self._future.clear()

    def open(self, target: Target) -> None:
        """Go to a target."""
        here = self.here
        if self._show(target) and here is not None and here != target:
            self._past = [*self._past, here][-MOST_REMEMBERED:]
            self._future.clear()

    def step(self, by: int) -> None:
        """Back (-1) to where one was, or forward (1) again."""
        source, other = (self._past, self._future) if by < 0 else (self._future, self._past)
        here = self.here
        if source and here is not None:
            other.append(here)
            self._return_to(source.pop())

    def leave(self) -> None:
        """Close the target in front; what is below it shows again."""
        left = self.here
        if isinstance(self._stack.screen, TargetScreen) and left is not None:
            self._stack.pop_screen()
            if self._past and self._past[-1] == self.here:
                self._past.pop()
            self._future.append(left)

    # Inside

    def _return_to(self, target: Target) -> None:
        """Show again what is below, as it was; else open it anew."""
        below = self._stack.screen_stack[-2] if len(self._stack.screen_stack) > 1 else None
        if isinstance(self._stack.screen, TargetScreen) and _shows(below, target):
            self._stack.pop_screen()
        else:
            self._show(target)

    def _show(self, target: Target) -> bool:
        main = self._stack.main
        if main is None:
            return False
        if isinstance(target, SectionTarget):
            return self._go_to(main, target.name)
        if isinstance(target, NoteTarget) and isinstance(self._stack.screen, ThreadScreen):
            self._stack.screen.show(target)
            return True
        screen = screen_for(main, target)
        if screen is None:
            self._cannot(target)
            return False
        if len(self._stack.screen_stack) > MOST_OPEN:
            self._stack.pop_screen()
        self._stack.push_screen(screen)
        return True

    def _go_to(self, main: MainScreen, section: str) -> bool:
        while isinstance(self._stack.screen, PLACES):
            self._stack.pop_screen()
        if self._stack.screen is main:
            main.go_to(section)
        return self._stack.screen is main


def screen_for(main: MainScreen, target: Target) -> TargetScreen | None:
    """The screen that shows a target, which is no section; None where there is none."""
    match target:
        case NoteTarget():
            return ThreadScreen(main.client, main.renderer, target)
        case PersonTarget():
            return ProfileScreen(main.client, main.renderer, target)
        case RoomTarget():
            return RoomScreen(main.client, main.names, target)
        case AddressTarget(is_feed=True):
            return NamedSetScreen(main.client, main.renderer, main.names, target)
        case AddressTarget():
            return ArticleScreen(main.client, main.renderer, target)
        case TagTarget(tag=tag):
            return FeedScreen(main.client, main.renderer, target, tag_feed(main.client, tag))
        case RelayTarget(url=url):
            main.client.book.policy.use_from_code([url])
            return FeedScreen(main.client, main.renderer, target, relay_feed(main.client, url))
        case WhyTarget():
            return WhyScreen(main.client, main.names, target)
    return None


def _shows(screen: Screen[Any] | None, target: Target) -> bool:
    if isinstance(screen, TargetScreen):
        return screen.target == target
    here = isinstance(screen, MainScreen) and isinstance(target, SectionTarget)
    return here and screen.pane.name == target.name  # type: ignore[union-attr]
