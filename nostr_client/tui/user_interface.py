"""How what is no widget reaches the person: a word, a screen that is answered, work beside it."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

from textual.message import Message
from textual.screen import Screen

from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.targets import Target
from nostr_client.tui.widgets.send_progress import Sending
from nostr_client.tui.workers import Work

T = TypeVar("T")


class UserInterface(Protocol):
    """What the app offers."""

    @property
    def screen(self) -> Screen[Any]:
        """The screen in front."""

    def say(self, text: str, severity: str = "information") -> None:
        """Show a short word; `severity`: information, warning, error."""

    def follow(self, sending: Sending) -> None:
        """Show how a note goes on its way."""

    async def ask(self, screen: Screen[T]) -> T | None:
        """Show a screen and wait for what it is dismissed with."""

    async def show_only(self, words: str) -> None:
        """Take every screen away, so that none is left on a client that is being closed, and say
        what is being waited for."""

    def start(self, work: Work, group: str) -> None:
        """Run work off the keys' path; an error of ours is said and ends nothing else."""

    def open(self, target: Target) -> None:
        """Show what a target points at."""

    def post_message(self, message: Message) -> bool:
        """Ask for something that a screen may ask for."""

    async def hold(self, act: HeldAct) -> None:
        """Do an act once it was not taken back for a moment; returns when it is settled."""

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text on the terminal's clipboard (OSC 52)."""

    def name_of(self, pubkey: str) -> str:
        """How a person is called here, short and safe."""
