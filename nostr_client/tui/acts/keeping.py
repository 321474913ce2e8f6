"""Acts that keep: bookmarks of notes and of web pages, and notes pinned to one's profile."""

from __future__ import annotations

from typing import Final

from nostr_client.errors import NostrError
from nostr_client.nips import nip27
from nostr_client.routing.list_reading import Waiver
from nostr_client.social.bookmarks import bookmark_entry
from nostr_client.social.views import NoteView, Posted
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct
from nostr_client.tui.screens.dialogs import ConfirmDialog

MOST_LINKS: Final = 9
"""Links of a note that are offered."""
THIS: Final = "this"


async def bookmark(actions: Actions, note: NoteView) -> None:
    """Keep a note, or a page that it links to; a note that is kept is let go of, after asking."""
    from nostr_client.tui.screens.choice import ChoiceDialog, Offered

    links = [part.url for part in note.parts if isinstance(part, nip27.UrlPart)]
    links = list(dict.fromkeys(links))[:MOST_LINKS]
    if links:
        choices = [Offered(THIS, "the note; only you can see that", "b")]
        choices += [Offered(url, f"{url} (everybody can see that)") for url in links]
        chosen = await actions.ask(ChoiceDialog("Bookmark", choices))
        if not chosen:
            return
        if chosen[0] != THIS:
            await _keep_page(actions, chosen[0])
            return
    await _keep_note(actions, note)


async def _keep_note(actions: Actions, note: NoteView) -> None:
    client, event = actions.client, note.event
    entry = bookmark_entry(event, await client.notes.hint(event))
    try:
        held = await client.bookmarks.entries()
    except NostrError as error:
        actions.say(str(error), "error")
        return
    kept = any(tag[:2] == entry[:2] for tag in (*held.public, *held.private))
    if kept and not await actions.ask(ConfirmDialog("Let go of this bookmark?", yes="let go")):
        return

    async def edit(empty: bool) -> Posted | None:
        waiver = Waiver(allow_empty=empty)
        if kept:
            return await client.bookmarks.remove(entry, waiver=waiver)
        return await client.bookmarks.add(entry, waiver=waiver)

    words = "The bookmark is gone" if kept else "Bookmarked, for you alone"
    await actions.edit(words, edit, "list of bookmarks")


async def _keep_page(actions: Actions, url: str) -> None:
    pages = actions.client.web_bookmarks
    try:
        kept = await pages.held(url)
    except NostrError as error:
        actions.say(str(error), "error")
        return
    if kept is not None:
        question = ConfirmDialog(
            "Let go of this page?", "It is deleted, as a note is.", yes="let go"
        )
        if await actions.ask(question):
            await actions.tell("The page is gone", actions.client.delete(kept.id))
        return

    async def edit(_: bool) -> Posted | None:
        return await pages.add(url)

    await actions.edit("The page is kept, for everybody to see", edit, "bookmark of a web page")


async def pin(actions: Actions, note: NoteView) -> None:
    """Pin an own note to the profile, or take it off. Asks."""
    if not note.mine:
        actions.say("Only what you wrote yourself can be pinned to your profile.")
        return
    pins, entry = actions.client.pins, ("e", note.event.id)
    try:
        held = await pins.entries()
    except NostrError as error:
        actions.say(str(error), "error")
        return
    pinned = any(tag[:2] == entry for tag in held.public)
    question = "Take this note off your profile?" if pinned else "Pin this note to your profile?"
    if not await actions.ask(ConfirmDialog(question, yes="take off" if pinned else "pin")):
        return

    async def edit(empty: bool) -> Posted | None:
        waiver = Waiver(allow_empty=empty)
        if pinned:
            return await pins.remove(entry, waiver=waiver)
        return await pins.add(entry, public=True, waiver=waiver)

    words = "It is pinned no more" if pinned else "It is pinned to your profile"
    await actions.edit(words, edit, "list of pinned notes")


ACTS: Final = (
    NoteAct("bookmark", "b", "Bookmark the note or a link; again lets go", bookmark, place=210),
    NoteAct("pin", "P", "Pin your note to your profile, or take it off", pin, place=220),
)
