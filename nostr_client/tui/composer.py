"""From the key that writes to a note that is kept: the composer, its draft, and the sending."""

from __future__ import annotations

from functools import partial

from nostr_client.errors import NostrError, StoreError
from nostr_client.social.views import NoteView
from nostr_client.tui import drafts
from nostr_client.tui.note_renderer import quoted
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.user_interface import UserInterface
from nostr_client.tui.widgets.send_progress import Sending


class Composer:
    """Opens the composer, and sends what was written in it, whoever looks meanwhile."""

    def __init__(self, ui: UserInterface) -> None:
        self._ui = ui
        self._under_way: set[drafts.DraftSaver] = set()

    def screen(
        self, main: MainScreen, reply_to: NoteView | None, *, start: str = ""
    ) -> ComposeScreen:
        """The screen that writes a note from `main`, or an answer to one; with `start` in it, where
        that could not be kept as a draft."""
        name = drafts.NEW_NOTE if reply_to is None else drafts.reply_to(reply_to.event.id)
        draft = drafts.DraftFile(main.client.paths, main.client.pubkey, name)
        saver = drafts.DraftSaver(draft)

        def submit(text: str, saver: drafts.DraftSaver) -> None:
            sending = Sending(main.write_relays, own=main.own_relay_url, text=text)
            main.awaits_note = reply_to is None
            self._ui.follow(sending)
            self._under_way.add(saver)
            self._ui.start(partial(self._send, main, text, saver, sending, reply_to), "send")

        title, answered = "New note", ""
        if reply_to is not None:
            title = f"Answer to {reply_to.author.label}"
            answered = quoted(reply_to.event.content)
        return ComposeScreen(
            saver, submit, title=title, answered=answered, reply_to=reply_to, start=start
        )

    async def flush(self) -> None:
        """Put what is being sent on disk as drafts, should it not be a note yet. Raises
        StoreError."""
        for saver in tuple(self._under_way):
            await saver.flush()

    async def _send(
        self,
        main: MainScreen,
        text: str,
        saver: drafts.DraftSaver,
        sending: Sending,
        reply_to: NoteView | None,
    ) -> None:
        """Keep and send a note; its draft goes once the note is kept."""
        try:
            with saver.sending(text):
                await self._post(main, text, saver, sending, reply_to)
        except NostrError as error:
            sending.finish("" if sending.kept else str(error))
            if sending.kept:
                self._ui.say(str(error), "warning")
            else:
                await self._not_sent(main, text, saver, reply_to, str(error))
        finally:
            self._under_way.discard(saver)

    async def _post(
        self,
        main: MainScreen,
        text: str,
        saver: drafts.DraftSaver,
        sending: Sending,
        reply_to: NoteView | None,
    ) -> None:
        client = main.client
        try:
            await saver.flush()  # so that it is somewhere, should we end before it is a note
            if reply_to is None:
                posted = await client.post(text, on_answer=sending.add_answer)
            else:
                posted = await client.reply(reply_to.event.id, text, on_answer=sending.add_answer)
        finally:
            if sending.kept:
                await saver.sent(text)
        sending.event_id = posted.id
        sending.kept = True
        await saver.sent(text)
        for answer in posted.report.answers:
            sending.add_answer(answer)
        sending.finish()

    async def _not_sent(
        self,
        main: MainScreen,
        text: str,
        saver: drafts.DraftSaver,
        reply_to: NoteView | None,
        problem: str,
    ) -> None:
        """The note is not kept: its text is the person's again, as a draft, or where the disk takes
        none in the composer."""
        try:
            await saver.put_back(text)
        except StoreError:
            self._ui.say(f"Not sent: {problem}", "error")
            if isinstance(self._ui.screen, ComposeScreen) and not self._ui.screen.is_private:
                self._ui.screen.give_back(text)
            else:
                await self._ui.ask(self.screen(main, reply_to, start=text))
            return
        self._ui.say(f"Not sent, kept as a draft: {problem}", "error")
