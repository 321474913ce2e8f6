"""Asks a bunker's person on the terminal, beside all else that the bunker does."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Final

from nostr_client.bunker.questions import Consented, Question
from nostr_client.cli.bunker_words import choice_of, choices, question_text

MOST_TYPED: Final = 4096


class TerminalPrompt:
    """`await prompt.ask(question)`: shown on the terminal, whatever is piped; an end of input is a
    no. What was typed before a question was shown answers none."""

    async def ask(self, question: Question) -> Consented:
        """Cancelled, it says that it is over."""
        self._write(f"\a\n{question_text(question)}\n")
        try:
            while True:
                self._write(choices(question))
                typed = await _typed_line()
                if typed is None:
                    return Consented.NO
                if (answer := choice_of(question, typed)) is not None:
                    return answer
        except asyncio.CancelledError:
            self._write("\n(no longer waiting for an answer)\n")
            raise

    @staticmethod
    def _write(text: str) -> None:
        if sys.platform == "win32":
            sys.stderr.write(text)
            sys.stderr.flush()
            return
        terminal = os.open("/dev/tty", os.O_WRONLY | os.O_NOCTTY)
        try:
            os.write(terminal, text.encode(errors="replace"))
        finally:
            os.close(terminal)


async def _typed_line() -> str | None:
    """One line from the terminal, without a thread that would have to be waited for at the end."""
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
