"""Asks a bunker's person on the terminal, beside all else that the bunker does."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from typing import Final

from nostr_client.bunker.questions import Consented, Question
from nostr_client.cli.bunker_words import choice_of, choices, question_text

MOST_TYPED: Final = 4096
MOST_HELD: Final = 200
"""Lines that wait while a question is on the terminal."""


class TerminalPrompt:
    """`await prompt.ask(question)`: shown on the terminal, whatever is piped; an end of input is a
    no. What was typed before a question was shown answers none.

    What is to be told by `say` waits while a question is shown, so that nothing stands between it
    and its answer; `note` writes it.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._asks = False
        self._held: list[str] = []
        self._dropped = 0

    def say(self, words: str) -> None:
        """Write a line, now or after the question that is shown."""
        if not self._asks:
            self._note(words)
        elif len(self._held) < MOST_HELD:
            self._held.append(words)
        else:
            self._dropped += 1

    async def ask(self, question: Question) -> Consented:
        """Cancelled, it says that it is over."""
        self._asks = True
        try:
            return await self._answer_to(question)
        finally:
            self._asks = False
            held, self._held = self._held, []
            dropped, self._dropped = self._dropped, 0
            for words in held:
                self._note(words)
            if dropped:
                self._note(f"and {dropped} lines more: `nostr-client bunker log` has them")

    async def _answer_to(self, question: Question) -> Consented:
        write_terminal(f"\a\n{question_text(question)}\n")
        try:
            while True:
                write_terminal(choices(question))
                typed = await typed_line()
                if typed is None:
                    return Consented.NO
                if (answer := choice_of(question, typed)) is not None:
                    return answer
        except asyncio.CancelledError:
            write_terminal("\n(no longer waiting for an answer)\n")
            raise


def write_terminal(text: str) -> None:
    """Write on the terminal, whatever is piped."""
    if sys.platform == "win32":
        sys.stderr.write(text)
        sys.stderr.flush()
        return
    terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
    try:
        os.write(terminal, text.encode(errors="replace"))
    finally:
        os.close(terminal)


async def typed_line() -> str | None:
    """One line from the terminal, None where its input ends; without a thread, which would have to
    be waited for."""
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str | None] = loop.create_future()
    if sys.platform == "win32":

        def read() -> None:
            text = sys.stdin.readline()
            loop.call_soon_threadsafe(lambda: line.done() or line.set_result(text or None))

        threading.Thread(target=read, daemon=True).start()
        return await line
    import termios

    terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY)
    try:
        termios.tcflush(terminal, termios.TCIFLUSH)

        def readable() -> None:
            text = os.read(terminal, MOST_TYPED).decode(errors="replace")
            if not line.done():
                line.set_result(text or None)

        loop.add_reader(terminal, readable)
        try:
            return await line
        finally:
            loop.remove_reader(terminal)
    finally:
        os.close(terminal)
