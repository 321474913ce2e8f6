"""Writing in a private conversation: the composer, what is sent, and what becomes of a failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.app import App

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.social.drafts import DraftFile, DraftSaver, SealedDraftSaver, private_room
from nostr_client.social.messages.views import PrivateMessage
from nostr_client.tui.note_renderer import quoted
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.private_compose import MessageOptions, PrivateComposeScreen
from nostr_client.tui.workers import start_worker


class PrivateWriter:
    """Writes messages in the room of `members` (hex); what is written rests encrypted. `sent` is
    told when something was sent. The subject and the end that were chosen stay."""

    def __init__(
        self,
        app: App[Any],
        client: NostrClient,
        members: frozenset[str],
        sent: Callable[[], object],
    ) -> None:
        self._app = app
        self._client = client
        self._members = members
        self._sent = sent
        self._options = MessageOptions()

    async def write(self, answers: PrivateMessage | None = None) -> None:
        """Write a message, an answer to one. Raises NostrError."""
        await self._compose(answers, None)

    async def edit(self, message: PrivateMessage) -> None:
        """Put another text in place of an own message's. Raises NostrError."""
        await self._compose(None, message)

    async def _compose(
        self, answers: PrivateMessage | None, edited: PrivateMessage | None, start: str = ""
    ) -> None:
        """The composer. `start`: what could not be kept as a draft."""
        signer = self._client.signer
        if signer is None:
            return
        what = f"edit-{edited.id[:16]}" if edited else answers.id[:16] if answers else ""
        name = f"{private_room(self._members)}-{what}".strip("-")
        draft = DraftFile(self._client.paths, self._client.pubkey, name)
        saver = SealedDraftSaver(draft, signer, start=edited.text if edited else "")

        def submit(text: str, saver: DraftSaver) -> None:
            start_worker(self._app, partial(self._send, text, saver, answers, edited), "send")

        title = "Answer, private" if answers else "Private message"
        screen = PrivateComposeScreen(
            saver,
            submit,
            None if edited else self._options,
            title="Edit a private message" if edited else title,
            answered=quoted(answers.text) if answers else "",
            start=start,
        )
        await self._app.push_screen(screen)

    async def _send(
        self,
        text: str,
        saver: DraftSaver,
        answers: PrivateMessage | None,
        edited: PrivateMessage | None,
    ) -> None:
        messages, options = self._client.messages, self._options
        subject = options.subject
        if edited is None:
            options.subject = ""
        try:
            with saver.sending(text):
                await saver.flush()
                if edited is not None:
                    await messages.edit(edited.id, text)
                else:
                    self._sent()
                    await messages.send(
                        self._members,
                        text,
                        reply_to=answers.id if answers else "",
                        subject=subject,
                        expires_in=options.expires_in,
                    )
                await saver.sent(text)
        except NostrError as error:
            options.subject = options.subject or subject
            await self._keep(text, saver, str(error), answers, edited)

    async def _keep(
        self,
        text: str,
        saver: DraftSaver,
        problem: str,
        answers: PrivateMessage | None,
        edited: PrivateMessage | None,
    ) -> None:
        """It was not sent: it is a draft again, or stands in the composer if it cannot be."""
        try:
            await saver.put_back(text)
        except NostrError:
            self._app.post_message(Say(f"Not sent: {problem}", "error"))
            await self._compose(answers, edited, start=text)
        else:
            screen = self._app.screen
            if isinstance(screen, PrivateComposeScreen) and screen.writes(saver):
                await screen.give_back(text)  # or the next key would write over it
            self._app.post_message(Say(f"Not sent, kept as a draft: {problem}", "error"))
