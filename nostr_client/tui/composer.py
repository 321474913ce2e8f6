"""From the key that writes to a note that is kept: the composer, its draft, and the sending."""

from __future__ import annotations

from pathlib import Path

from nostr_client.errors import NostrError
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
        self._under_way: dict[Path, str] = {}
        """Texts that are being sent, by the file of their draft."""

    def screen(self, main: MainScreen, reply_to: NoteView | None) -> ComposeScreen:
        """The screen that writes a note from `main`, or an answer to one."""
        name = drafts.NEW_NOTE if reply_to is None else drafts.reply_to(reply_to.event.id)
        draft = drafts.DraftFile(main.client.paths, main.client.pubkey, name)
        saver = drafts.DraftSaver(draft, under_way=self._under_way.get(draft.path, ""))

        def submit(text: str, saver: drafts.DraftSaver) -> Sending:
            sending = Sending(main.write_relays, own=main.own_relay_url)
            main.awaits_note = reply_to is None
            self._under_way[draft.path] = text

            async def send() -> None:
                try:
                    await self._send(main, text, saver, sending, reply_to)
                finally:
                    if self._under_way.get(draft.path) == text:
                        del self._under_way[draft.path]

            self._ui.start(send, "send")
            return sending

        title, answered = "New note", ""
        if reply_to is not None:
            title = f"Answer to {reply_to.author.label}"
            answered = quoted(reply_to.event.content)
        return ComposeScreen(saver, submit, title=title, answered=answered, reply_to=reply_to)

    async def _send(
        self,
        main: MainScreen,
        text: str,
        saver: drafts.DraftSaver,
        sending: Sending,
        reply_to: NoteView | None,
    ) -> None:
        """Keep and send a note; its draft goes once the note is kept."""
        client = main.client
        try:
            await saver.flush()  # so that it is somewhere, should we end before it is a note
            if reply_to is None:
                posted = await client.post(text, on_answer=sending.add_answer)
            else:
                posted = await client.reply(reply_to.event.id, text, on_answer=sending.add_answer)
        except NostrError as error:
            if sending.kept:
                sending.finish()
                self._ui.say(str(error), "warning")
            else:
                await self._not_sent(text, saver, sending, str(error))
            return
        finally:
            if sending.kept:
                await saver.sent(text)
        await saver.sent(text)
        for answer in posted.report.answers:
            sending.add_answer(answer)
        sending.finish()
        if not isinstance(self._ui.screen, ComposeScreen):
            self._ui.say(sending.summary())

    async def _not_sent(
        self, text: str, saver: drafts.DraftSaver, sending: Sending, problem: str
    ) -> None:
        """The note is not kept: its text is the person's again, in the composer or as a draft."""
        sending.finish(problem)
        screen = self._ui.screen
        if not (isinstance(screen, ComposeScreen) and screen.saver is saver):
            await saver.put_back(text)
            self._ui.say(f"Not sent, kept as a draft: {problem}", "error")
