"""From the key that writes to a note that is kept: the composer, its draft, and the sending."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Final

from nostr_client.errors import NostrError, StoreError
from nostr_client.social import drafts
from nostr_client.social.draft_text import DraftText
from nostr_client.social.writing import Writing
from nostr_client.tui.names import with_names
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.note_compose import NoteComposeScreen, Purpose
from nostr_client.tui.user_interface import UserInterface
from nostr_client.tui.widgets.send_progress import Sending

MOST_SAID: Final = 2_000
"""Characters of what is answered: a few lines of it are shown."""


class Composer:
    """Opens the composer, and sends what was written in it, whoever looks meanwhile."""

    def __init__(self, ui: UserInterface) -> None:
        self._ui = ui
        self._under_way: set[drafts.DraftSaver] = set()

    def screen(self, main: MainScreen, purpose: Purpose) -> NoteComposeScreen:
        """The screen that writes a note from `main`."""
        said = with_names(purpose.about[:MOST_SAID], main.renderer.name_of)
        purpose = replace(purpose, about=said)
        draft = drafts.DraftFile(main.client.paths, main.client.pubkey, purpose.draft_name)

        def submit(text: str, saver: drafts.DraftSaver) -> None:
            body = DraftText.of(text).body
            sending = Sending(main.write_relays, own=main.own_relay_url, text=body)
            main.awaits_note = not purpose.reply_to
            self._ui.follow(sending)
            self._under_way.add(saver)
            self._ui.start(partial(self._send, main, text, saver, sending, purpose), "send")

        async def later(text: str, saver: drafts.DraftSaver, at: int) -> None:
            await main.client.schedule.add(await self._writing(main, text, purpose), at)
            try:
                await saver.sent(text)  # what is scheduled is on disk
            except StoreError as error:
                self._ui.say(f"It is scheduled, and stays a draft, too: {error}", "warning")
            self._follow_to_other_devices(main, purpose, "")

        def kept(text: str) -> None:
            self._follow_to_other_devices(main, purpose, text)

        saver = drafts.DraftSaver(draft)
        return NoteComposeScreen(
            main.client, saver, submit, later=later, kept=kept, purpose=purpose
        )

    def _follow_to_other_devices(self, main: MainScreen, purpose: Purpose, draft: str) -> None:
        """The draft is this now, or none any more; where that is asked for (NIP-37)."""
        synced, name = main.client.synced_drafts, purpose.draft_name

        async def sync() -> None:
            if draft.strip():
                await synced.keep(name, await self._writing(main, draft, purpose))
            else:
                await synced.forget(name)

        if synced.on:
            self._ui.start(sync, "sync")

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
        purpose: Purpose,
    ) -> None:
        """Keep and send a note; its draft goes once the note is kept."""
        try:
            with saver.sending(text):
                await self._post(main, text, saver, sending, purpose)
        except NostrError as error:
            sending.finish("" if sending.kept else str(error))
            if sending.kept:
                self._ui.say(str(error), "warning")
            else:
                await self._not_sent(main, text, saver, purpose, str(error))
        finally:
            self._under_way.discard(saver)

    async def _post(
        self,
        main: MainScreen,
        text: str,
        saver: drafts.DraftSaver,
        sending: Sending,
        purpose: Purpose,
    ) -> None:
        client = main.client
        try:
            await saver.flush()  # so that it is somewhere, should we end before it is a note
            writing = await self._writing(main, text, purpose)
            posted = await client.notes.write(writing, on_answer=sending.add_answer)
        finally:
            if sending.kept:
                await saver.sent(text)
        sending.event_id = posted.id
        sending.kept = True
        await saver.sent(text)
        self._follow_to_other_devices(main, purpose, "")
        for answer in posted.report.answers:
            sending.add_answer(answer)
        sending.finish()

    @staticmethod
    async def _writing(main: MainScreen, draft: str, purpose: Purpose) -> Writing:
        """What a draft says. Raises StoreError."""
        return await main.client.completion.writing(
            draft, reply_to=purpose.reply_to, quote=purpose.quote
        )

    async def _not_sent(
        self,
        main: MainScreen,
        text: str,
        saver: drafts.DraftSaver,
        purpose: Purpose,
        problem: str,
    ) -> None:
        """The note is not kept: its text is the person's again, as a draft, or where the disk takes
        none in the composer."""
        try:
            await saver.put_back(text)
        except StoreError:
            self._ui.say(f"Not sent: {problem}", "error")
            if isinstance(self._ui.screen, NoteComposeScreen):
                await self._ui.screen.give_back(text)
            else:
                await self._ui.ask(self.screen(main, replace(purpose, text=text)))
            return
        screen = self._ui.screen
        if isinstance(screen, NoteComposeScreen) and screen.writes(saver):
            await screen.give_back(text)  # or the next key would write over it
        self._ui.say(f"Not sent, kept as a draft: {problem}", "error")
