"""What is typed and pasted is dealt with in the order in which it came.

Textual hands a key to the focused widget's own queue, but runs a binding with `priority` at once,
and moves the focus while keys still wait: what is typed fast, by a macro or over a slow line would
be cut by the binding that follows it, or land in another field. The rules here:

- A key that may be a binding is looked at only after all that came before it has had its effect:
  text stands in its field, screens that were opened are there and take keys.
- Text that follows text waits for nothing, so that typing costs nothing more.
- A key that only moves within the list that has the focus moves at once, so that a held key is
  kept up with: `move_by_key` of that widget. It waits for the page that the list is reading.
- Digits before a key that moves in a list are its count (`5j`), shown in the hint line meanwhile.
  A single digit is a key of its own after `COUNT_WAIT`, or before any other key; several wait
  `COUNT_LIMIT` for theirs. Escape takes them back, and any other key.
- Nothing waits longer than `SETTLE_LIMIT`: whatever hangs, keys go on.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.timer import Timer

from nostr_client.tui.widgets.hint_line import HintLine
from nostr_client.tui.widgets.message_line import MessageLine

SETTLE_LIMIT: Final = 2.0
"""Seconds that a key waits at most for what came before it."""
LOOK_AGAIN: Final = 0.01
"""Seconds between two looks at a widget or screen that is on its way in or out."""
COUNT_WAIT = 0.25
"""Seconds in which a digit may become a count; a person types `5j` faster, and a section that comes
so much later is not seen to be late. 0: there are no counts."""
COUNT_LIMIT = 5.0
"""Seconds after which several digits are given up."""
MOST_COUNT: Final = 999
MOST_WAITING: Final = 200_000
"""Keys that wait at most; more were not typed by anybody."""
HOPS: Final = 3
"""Times that a message may set off another one: key, its action's message, and that one's."""


class InputQueue:
    """Holds an app's keys and pastes back until their turn comes.

    `run` is its one task. A screen, or what has the focus, may have `takes_keys`, an asyncio.Event:
    until it is set, keys wait for it.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._wake = asyncio.Event()
        self._let_go: events.Event | None = None
        self._settling = False
        self._typed = False
        self._target: DOMNode = app
        self._digits: list[events.Key] = []
        """What may become a count."""
        self._counted: list[HintLine] = []
        """Where it is shown."""
        self._covering: list[MessageLine] = []
        """What lies over that otherwise."""
        self._no_count: events.Event | None = None
        """A digit that did not."""
        self._count_timer: Timer | None = None

    @property
    def idle(self) -> bool:
        """Has all that came had its effect?"""
        return not (self._waiting or self._settling or self._digits)

    def holds(self, event: events.Event) -> bool:
        """True when a key or paste has to wait: it is posted to the app again in its turn."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            return False
        if event is self._let_go:
            self._let_go = None
            return False
        if self._waiting and not self._settling:  # those are being let go, one after the other
            self._wait(event)
            return True
        if self._settling or self._is_blocked or (self._typed and not self._is_text(event)):
            self._wait(event)
            self._settle()
            return True
        if self._moves(event):
            return True
        self._goes(event)
        return False

    def _wait(self, event: events.Key | events.Paste) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(event)
        else:
            self._app.bell()

    async def run(self) -> None:
        """Let one event go after the other, for as long as the app runs."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._settling:
                patient = False
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(SETTLE_LIMIT):
                        await self._settled()
                        patient = True
                self._settling = self._typed = False
                while self._waiting and not self._settling:
                    must_settle = self._typed and not self._is_text(self._waiting[0])
                    if must_settle or (patient and self._is_blocked):
                        self._settling = True
                        break
                    event = self._waiting.popleft()
                    if self._moves(event):
                        continue
                    self._goes(event)
                    self._let_go = event
                    self._app.post_message(event)
                    await _flush([self._app])

    def _settle(self) -> None:
        self._settling = True
        self._wake.set()

    def _goes(self, event: events.Key | events.Paste) -> None:
        self._target = self._front
        if self._is_text(event):
            self._typed = True
        else:
            self._settle()

    def _is_text(self, event: events.Key | events.Paste) -> bool:
        if isinstance(event, events.Paste):
            return True
        focused = self._app.focused
        return focused is not None and focused.check_consume_key(event.key, event.character)

    def _moves(self, event: events.Key | events.Paste) -> bool:
        """Was it a key that only moves within what has the focus? Then it has had its effect."""
        if self._typed or isinstance(event, events.Paste):
            return False
        move: Callable[[str, int], bool] | None = getattr(self._app.focused, "move_by_key", None)
        if move is None and not self._digits:
            return False
        if move is not None and self._is_counting(event):
            if len(self._digits) < len(str(MOST_COUNT)):
                self._digits.append(event)
            self._show_count()
            self._wait_for_count()
            return True
        digits = self._take_digits()
        if move is not None and move(event.key, _number(digits)):
            return True
        if digits and event.key == "escape":
            return True
        if len(digits) == 1:
            self._let_digit_go(digits[0], event)
            return True
        return False

    def _is_counting(self, event: events.Key) -> bool:
        """Is it a digit of a count? Where it means something nearer than to the app, it is not."""
        if event is self._no_count or not event.key.isdecimal() or not COUNT_WAIT:
            return False
        if event.key == "0" and not self._digits:
            return False
        active = self._app.screen.active_bindings.get(event.key)
        return active is None or active.node is self._app

    def _wait_for_count(self) -> None:
        if self._count_timer is not None:
            self._count_timer.stop()
        wait = COUNT_WAIT if len(self._digits) == 1 else max(COUNT_LIMIT, COUNT_WAIT)
        self._count_timer = self._app.set_timer(wait, self._count_is_over)

    def _take_digits(self) -> list[events.Key]:
        """The count is over: nothing shows it any more."""
        digits, self._digits = self._digits, []
        if digits:
            self._show_count()
        return digits

    def _show_count(self) -> None:
        """Say how far a count is typed, where there is a line for it."""
        if self._digits:
            self._counted = list(self._app.screen.query(HintLine))
            self._covering = list(self._app.screen.query_children(MessageLine))
        for message in self._covering:
            message.give_way(bool(self._digits))
        for line in self._counted:
            line.count = "".join(each.key for each in self._digits)

    def _count_is_over(self) -> None:
        """No key that moves came: one digit is a key like any other, several are nothing."""
        digits = self._take_digits()
        if len(digits) == 1:
            self._let_digit_go(digits[0])

    def _let_digit_go(self, digit: events.Key, *then: events.Key) -> None:
        """Deal with a digit for itself, before all that waits."""
        self._no_count = digit
        self._waiting.extendleft((*reversed(then), digit))
        self._settle()

    @property
    def _is_blocked(self) -> bool:
        takes_keys: asyncio.Event | None = getattr(self._app.focused, "takes_keys", None)
        return takes_keys is not None and not takes_keys.is_set()

    @property
    def _front(self) -> DOMNode:
        """What has the keys."""
        return self._app.focused or self._app.screen

    async def _settled(self) -> None:
        """Wait until nothing is on its way any more, and the screen takes keys."""
        target = self._target.ancestors_with_self
        for _ in range(HOPS):
            await _flush(dict.fromkeys([*target, *self._front.ancestors_with_self]))
        for node in (self._app.screen, self._app.focused):
            takes_keys: asyncio.Event | None = getattr(node, "takes_keys", None)
            if takes_keys is not None:
                await takes_keys.wait()
        # A screen that has mounted asks the app for the focus.
        await _flush([*self._front.ancestors_with_self, self._app])


def _number(digits: Iterable[events.Key]) -> int:
    """The count that digits make; none: 1."""
    return min(int("".join(each.key for each in digits) or "1"), MOST_COUNT)


async def _flush(nodes: Iterable[DOMNode]) -> None:
    """Wait until each has dealt with what is in its queue: in this order, as events bubble."""
    for node in nodes:
        done = asyncio.Event()
        there = node.call_later(done.set)
        while there and not done.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_AGAIN):
                    await done.wait()
            there = isinstance(node, App) or node.is_attached
