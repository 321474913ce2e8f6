"""Asks a bunker's person on the terminal, beside all else that the bunker does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from nostr_client.bunker.questions import Consented, Question
from nostr_client.cli.bunker_words import choice_of, choices, question_text
from nostr_client.cli.terminal_lines import typed_line, write_terminal

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
