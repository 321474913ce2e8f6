"""Acts that hide: a person, a thread, a hashtag, a word. Nobody else sees what is muted."""

from __future__ import annotations

from typing import Final

from nostr_client.errors import NostrError
from nostr_client.nips import nip27
from nostr_client.protocol.event import Tag
from nostr_client.routing.list_reading import Waiver
from nostr_client.social.mutes import muted_thread, muted_topic, muted_word
from nostr_client.social.views import NoteView, Posted, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct, PersonAct
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog

LIST: Final = "mute list"
MOST_TOPICS: Final = 5
"""Hashtags of a note that are offered."""
WORD: Final = "word"
PRIVATE: Final = "Only you can see what you mute."


async def mute(actions: Actions, note: NoteView) -> None:
    """Hide what is like this note: its author, its thread, its hashtags, a word. Asks which;
    of what tags a crowd, the thread at once."""
    from nostr_client.tui.screens.choice import ChoiceDialog, Offered

    event = note.event
    if note.crowd and not _is_in(muted_thread(event), actions):
        await _mute(actions, muted_thread(event), "this thread")
        return
    offered: dict[str, tuple[Tag, str]] = {}
    if not note.mine:
        offered["p"] = (("p", event.pubkey), note.author.label)
    offered["t"] = (muted_thread(event), "this thread")
    topics = [part.tag for part in note.parts if isinstance(part, nip27.HashtagPart)]
    for topic in dict.fromkeys(t.lower() for t in (*event.values("t"), *topics) if t.strip()):
        if len(offered) < MOST_TOPICS + 2 and len(topic.split()) == 1:
            offered[f"#{topic}"] = (("t", topic), f"#{topic}")
    choices = []
    for name, (entry, words) in offered.items():
        again = "unmute " if _is_in(entry, actions) else ""
        choices.append(Offered(name, f"{again}{words}", name if len(name) == 1 else ""))
    choices.append(Offered(WORD, "a word, or several in a row …", "w"))
    chosen = await actions.ask(ChoiceDialog("Mute", choices, PRIVATE))
    if not chosen:
        return
    if chosen[0] == WORD:
        await mute_word(actions)
        return
    entry, words = offered[chosen[0]]
    if _is_in(entry, actions):
        await unmute(actions, entry, words)
    else:
        await _mute(actions, entry, words)


async def mute_person(actions: Actions, person: Profile) -> None:
    """Hide what somebody writes, or no longer. Asks."""
    if person.pubkey == actions.client.pubkey:
        actions.say("This is you.")
        return
    entry = ("p", person.pubkey)
    if _is_in(entry, actions):
        await unmute(actions, entry, person.label)
        return
    question = ConfirmDialog(f"Mute {person.label}?", PRIVATE, yes="mute")
    if await actions.ask(question):
        await _mute(actions, entry, person.label)


async def mute_word(actions: Actions, _: None = None) -> None:
    """Ask for a word or a hashtag, and hide what it stands in."""
    hint = "a word, or several in a row; or #hashtag"
    text = await actions.ask(PromptDialog("Mute", hint, yes="mute"))
    if not text:
        return
    try:
        entry = muted_topic(text) if text.startswith("#") else muted_word(text)
    except NostrError as error:
        actions.say(str(error), "error")
        return
    words = f"#{entry[1]}" if entry[0] == "t" else f"“{entry[1]}”"
    await _mute(actions, entry, words)


async def unmute(actions: Actions, entry: Tag, words: str) -> bool:
    """Take an entry off the list, after asking."""
    if not await actions.ask(ConfirmDialog(f"Unmute {words}?", yes="unmute")):
        return False
    mutes = actions.client.mutes

    async def edit(empty: bool) -> Posted | None:
        return await mutes.remove(entry, waiver=Waiver(allow_empty=empty))

    return await actions.edit(f"{words} is muted no more", edit, LIST)


async def _mute(actions: Actions, entry: Tag, words: str) -> bool:
    mutes = actions.client.mutes

    async def edit(empty: bool) -> Posted | None:
        return await mutes.add(entry, waiver=Waiver(allow_empty=empty))

    return await actions.edit(f"{words} is muted", edit, LIST)


def _is_in(entry: Tag, actions: Actions) -> bool:
    matcher = actions.client.mutes.matcher
    held = {"p": matcher.people, "e": matcher.threads, "t": matcher.topics}
    return entry[1] in held[entry[0]]


ACTS: Final = (
    NoteAct("mute", "m", "Mute the author, the thread, a hashtag, a word", mute, place=200),
    PersonAct("mute_person", "M", "Mute, or no longer (asks)", mute_person, place=200),
)
