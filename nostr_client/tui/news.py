"""The one line in which the client speaks, on whichever screen is in front.

It stands where the keys are named otherwise, so that nothing that is being read is covered: first
what is to be said, else how far the note has come that was sent last.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from textual.app import App
from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer

from nostr_client.tui.message_log import MessageLog
from nostr_client.tui.widgets.message_line import MessageLine
from nostr_client.tui.widgets.send_progress import Sending

LOOK_EVERY: Final = 0.25
"""Seconds between two looks at whether a message has had its time; only while there is one."""
AFTER_ALL: Final = 5.0
"""Seconds that the line of a note stays after its last answer."""
COLOURS: Final = {"information": "$foreground", "warning": "$text-warning", "error": "$text-error"}


class News:
    """Says things on an app's screens, and shows how `sending` goes on.

    `clock` is a monotonic one, in seconds.
    """

    def __init__(self, app: App[Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._clock = clock
        self.log = MessageLog()
        self.sending: Sending | None = None
        """The note that was sent last."""
        self._gone_at = 0.0
        self._timer: Timer | None = None

    def begin(self) -> None:
        """The app runs: follow it from screen to screen."""
        self._app.screen_change_signal.subscribe(self._app, self._screen_changed)

    def say(self, text: str, severity: str) -> None:
        """Say something, in its turn."""
        self.log.say(text, severity, now=self._clock(), at=time.time())
        self._show()

    def key(self) -> None:
        """The person pressed a key."""
        if self.log.key(self._clock()):
            self._show()

    def hush(self) -> None:
        """Forget all that was said, and what was sent."""
        self.log.hush()
        self.sending = None
        self._show()

    def follow(self, sending: Sending) -> None:
        """Show how a note goes on its way, until it has arrived."""
        self.sending = sending
        self._gone_at = float("inf")
        sending.watch(self._moved)
        self._show()

    def _moved(self) -> None:
        sending = self.sending
        if sending is not None and sending.done and self._gone_at == float("inf"):
            self._gone_at = self._clock() + AFTER_ALL
        self._show()

    @property
    def line(self) -> Content | None:
        """What stands in the line now."""
        said = self.log.shown
        if said is not None:
            more = f"  (+{self.log.waiting})" if self.log.waiting else ""
            return Content.assemble(
                (f" {said.words}", COLOURS[said.severity]), (more, "$foreground 60%")
            )
        sending = self.sending
        if sending is None or sending.problem or self._clock() >= self._gone_at:
            return None
        return Content(" ") + sending.line()

    def _screen_changed(self, _: Screen[Any]) -> None:
        self._show()

    def _look(self) -> None:
        self.log.look(self._clock())
        self._show()

    def _show(self) -> None:
        line = self.line
        self._keep_looking(line is not None)
        if not self._app.is_running or not self._app.screen_stack:
            return
        said, screen = self.log.shown, self._app.screen
        short = said is None or said.severity == "information"
        held = screen.query_children(MessageLine)
        if held:
            held.first().show(line, short=short)
        elif line is not None and screen.is_attached:
            screen.mount(MessageLine(line, short=short))

    def _keep_looking(self, needed: bool) -> None:
        if needed and self._timer is None and self._app.is_running:
            self._timer = self._app.set_interval(LOOK_EVERY, self._look)
        elif not needed and self._timer is not None:
            self._timer.stop()
            self._timer = None
