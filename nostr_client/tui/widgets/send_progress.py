"""A note on its way: one line that fills up, and what each relay answered, in its words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from textual.content import Content
from textual.widgets import Static

from nostr_client.net.report import Answer
from nostr_client.protocol.refusals import FINAL
from nostr_client.protocol.urls import host_of, is_loopback
from nostr_client.safe_text import safe_line
from nostr_client.store.contract import Copy, CopyState
from nostr_client.tui.glyphs import glyphs
from nostr_client.tui.keymap import with_keys

MOST_SHOWN: Final = 24
"""Relays with a line of their own; the summary counts all."""
MOST_MARKS: Final = 12
"""Relays with a mark in the one line."""


class Sending:
    """One note on its way, whoever looks: `asked` relays, their `answers`, where it ended.

    The person's own relay is none of those that are counted: nobody else reads there.
    `kept`: it is in the store of this machine. `problem`: why it was not even kept. `text` is what
    was written, `event_id` its event, once there is one.
    """

    def __init__(self, asked: Sequence[str], own: str = "", text: str = "") -> None:
        """`own` is the URL of the person's own relay, or empty where there is none."""
        self.own = own
        self.text = text
        self.event_id = ""
        self._watchers: list[Callable[[], None]] = []
        self.asked = [url for url in asked if url != own]
        self.answers: dict[str, Answer] = {}
        self.kept = False
        self.done = False
        self.problem = ""

    def watch(self, changed: Callable[[], None]) -> None:
        """Call `changed` after each change."""
        self._watchers.append(changed)

    def unwatch(self, changed: Callable[[], None]) -> None:
        """Call it no longer."""
        self._watchers.remove(changed)

    def _changed(self) -> None:
        for changed in tuple(self._watchers):
            changed()

    def add_answer(self, answer: Answer) -> None:
        """A relay answered; a note is stored before it is sent."""
        self.kept = True
        self.answers[answer.url] = answer
        if answer.url != self.own and answer.url not in self.asked:
            self.asked.append(answer.url)
        self._changed()

    def learn(self, copies: Iterable[Copy]) -> None:
        """What the ledger says by now: a copy may have been placed long after it was sent first."""
        before = dict(self.answers)
        for copy in copies:
            if copy.state is CopyState.CONFIRMED:
                held = self.answers.get(copy.url)
                if held is None or not held.accepted:
                    self.answers[copy.url] = Answer.of_ok(copy.url, True, "")
            elif copy.state is CopyState.REFUSED and copy.url not in self.answers:
                words = f"{copy.prefix}: {copy.reason}" if copy.prefix else copy.reason
                self.answers[copy.url] = Answer.of_ok(copy.url, False, words)
            else:
                continue
            if copy.url != self.own and copy.url not in self.asked:
                self.asked.append(copy.url)
        if self.answers != before:
            self._changed()

    def finish(self, problem: str = "") -> None:
        """No more answers will come; with a `problem` the note was not kept, and not sent."""
        self.kept = self.kept or not problem
        self.problem = problem
        self.done = True
        self._changed()

    @property
    def accepted(self) -> int:
        """Relays that have it."""
        return sum(1 for url in self.asked if url in self.answers and self.answers[url].accepted)

    @property
    def refused(self) -> int:
        """Relays that will not have it."""
        return sum(1 for url in self.asked if url in self.answers and _is_final(self.answers[url]))

    @property
    def waiting(self) -> int:
        return len(self.asked) - self.accepted - self.refused

    @property
    def on_own(self) -> bool:
        """Has the person's own relay it?"""
        return self.own in self.answers and bool(self.answers[self.own].accepted)

    def line(self) -> Content:
        """One line that fills up: `●●●○ 3 of 4, 1 waiting · D shows each answer`."""
        if not self.kept or not self.asked:
            return Content(self.summary())
        marks = Content("").join(_mark(self, url) for url in self.asked[:MOST_MARKS])
        words = f" {self.accepted} of {len(self.asked)}"
        words += f", {self.refused} refused" if self.refused else ""
        words += f", {self.waiting} waiting" if self.waiting else ""
        words += ": tried again by itself" if self.waiting and self.done else ""
        return marks + Content.assemble(
            words, (with_keys(" · {app.sent} shows each answer"), "$foreground 60%")
        )

    def summary(self) -> str:
        """One line: `3 of 4 have it, and the copy here.`"""
        if self.problem:
            return f"Not sent: {self.problem}"
        if not self.kept:
            return "Signing and keeping it here …"
        if not self.asked:
            return (
                f"Kept {here(self.on_own)}. "
                "There is no relay to send it to yet: add one under Relays."
            )
        text = f"{self.accepted} of {len(self.asked)} have it, and the copy {here(self.on_own)}."
        if self.refused:
            text += f" {self.refused} refused."
        if self.waiting:
            text += f" {self.waiting} waiting"
            text += ": tried again by itself." if self.done else " …"
        return text


def here(on_own: bool) -> str:
    """Where a note of one's own is kept before any other relay has it."""
    return "here and on your own relay" if on_own else "here"


class SendProgress(Static):
    """Shows a `Sending`; `refresh_from` after each change."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(markup=False, id=id)

    def refresh_from(self, sending: Sending) -> None:
        self.update(self._content(sending))

    def _content(self, sending: Sending) -> Content:
        lines = [self._line(url, sending) for url in sending.asked[:MOST_SHOWN]]
        if len(sending.asked) > MOST_SHOWN:
            more = len(sending.asked) - MOST_SHOWN
            lines.append(Content.styled(f"  … and {more} more", "$foreground 60%"))
        if sending.own:
            lines.append(self._line(sending.own, sending))
        good = sending.kept and (sending.accepted or not sending.asked)
        style = "bold" if good or not (sending.done or sending.problem) else "bold $text-warning"
        return Content("\n").join([*lines, Content.styled(sending.summary(), style)])

    @staticmethod
    def _line(url: str, sending: Sending) -> Content:
        answer = sending.answers.get(url)
        name = "own relay" if url == sending.own else relay_name(url)
        line = _mark(sending, url) + Content(f" {name}")
        if answer is None:
            word = "no answer yet" if sending.done else glyphs().more
        elif answer.accepted:
            return line
        else:
            word = safe_line(str(answer.cause), 90) or "no reason given"
        return line + Content.styled(f"  {word}", "$foreground 60%")


def _mark(sending: Sending, url: str) -> Content:
    """One cell for one relay: has it the note, will it not have it, or is it waited for?"""
    answer, marks = sending.answers.get(url), glyphs()
    if answer is None:
        return Content.styled(marks.waiting, "$foreground 60%")
    if answer.accepted:
        return Content.styled(marks.there, "$text-success")
    if _is_final(answer):
        return Content.styled(marks.refused, "$text-error")
    return Content.styled(marks.waiting, "$text-warning")


def relay_name(url: str) -> str:
    """A relay's short name: its host, and the port of one on this machine."""
    if is_loopback(url):
        return safe_line(url.split("://", 1)[-1], 40)
    return safe_line(host_of(url), 40)


def _is_final(answer: Answer) -> bool:
    """Did it say no for good? What waits for a calmer hour is tried again."""
    return answer.accepted is False and answer.meaning in FINAL
