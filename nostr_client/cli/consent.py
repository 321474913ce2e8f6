"""What a person says to what a guard objects to: on the terminal, or beforehand in a script."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from nostr_client.cli import secret_input
from nostr_client.cli.terminal_lines import typed_line, write_terminal
from nostr_client.exits import CommandError, Exit
from nostr_client.safe_text import safe_line
from nostr_client.signing.guards import Consent, Objection, consent_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nostr_client.protocol.event import Draft

ANSWER_LIMIT: Final = 120.0
"""Seconds to type it."""


def consent_of(said: Sequence[str], *, without_backup: bool, may_ask: bool) -> Consent:
    """`said` with --yes-really; what is not is asked for on the terminal, if it `may` be."""
    beforehand = consent_to(*said, without_backup=without_backup)

    async def consent(draft: Draft, objection: Objection) -> bool:
        """Raises CommandError where there is nobody to ask."""
        if await beforehand(draft, objection):
            return True
        words = safe_line(str(objection))
        if not objection.word:
            return False
        if not (may_ask and secret_input.can_ask()):
            flags = f"--yes-really {objection.word}"
            flags += "" if objection.has_backup else " --without-backup"
            raise CommandError(f"{words}. Say so with {flags}.", Exit.USAGE)
        write_terminal(f"{words}\nType “{objection.phrase}” to go on: ")
        try:
            async with asyncio.timeout(ANSWER_LIMIT):
                typed = await typed_line()
        except TimeoutError:
            raise CommandError("nobody answered in time: nothing was signed", Exit.USAGE) from None
        return typed is not None and typed.strip() == objection.phrase

    return consent
