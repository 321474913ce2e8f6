"""Acts on a note that answer it or pass it on."""

from __future__ import annotations

from typing import Final

from nostr_client.safe_text import safe_line
from nostr_client.social.views import NoteView, Posted
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct
from nostr_client.tui.app_messages import OpenCopies, Write
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.screens.choice import ChoiceDialog, Offered
from nostr_client.tui.screens.dialogs import PromptDialog
from nostr_client.tui.targets import PersonTarget

LIKE: Final = "+"
USUAL: Final = ("👍", "🔥", "😂", "🙏", "😢", "🎉", "🤔", "-")
MOST_OWN: Final = 20
"""Own emoji that are offered; any can be typed."""
_WORDS: Final = 40
"""Characters of a note that say which one."""


async def reply(actions: Actions, note: NoteView) -> None:
    """Write an answer."""
    actions.post(Write(note))


async def quote(actions: Actions, note: NoteView) -> None:
    """Write a note that quotes it."""
    actions.post(Write(quote=note))


async def react(actions: Actions, note: NoteView) -> None:
    """Like a note, once."""
    if LIKE in note.tally.mine:
        actions.say("You have reacted to this note already.")
        return
    await actions.hold(HeldAct("react", note.event.id, LIKE, words=f"♥ for {_named(note)}"))


async def react_with(actions: Actions, note: NoteView) -> None:
    """React with an emoji: a usual one, one of the account's own, or any that is typed."""
    custom = (await actions.client.completion.vocabulary()).emoji
    offered = [Offered(sign, sign) for sign in USUAL]
    offered += [Offered(f":{name}:", f":{name}:") for name in list(custom)[:MOST_OWN]]
    question = ChoiceDialog("React with", [*offered, Offered("", "another one …")])
    chosen = await actions.ask(question)
    if not chosen:
        return
    content = chosen[0]
    if not content:
        typed = await actions.ask(PromptDialog("React with", "one emoji, or a word", yes="react"))
        content = (typed or "").strip()
    if content:
        tag = custom.get(content.strip(":"), ()) if content.startswith(":") else ()
        words = f"{content} for {_named(note)}"
        picture = tag[2] if tag else ""
        await actions.hold(HeldAct("react_with", note.event.id, content, words, picture))


async def send_reaction(actions: Actions, held: HeldAct) -> Posted:
    return await actions.client.react(held.event, held.content, picture=held.picture)


async def repost(actions: Actions, note: NoteView) -> None:
    """Pass a note on to everybody who follows."""
    if note.tally.reposted:
        actions.say("You have reposted this note already.")
        return
    await actions.hold(HeldAct("repost", note.event.id, words=f"repost of {_named(note)}"))


async def send_repost(actions: Actions, held: HeldAct) -> Posted:
    return await actions.client.repost(held.event)


async def profile(actions: Actions, note: NoteView) -> None:
    """Show the author."""
    actions.open(PersonTarget(note.author.pubkey))


async def copies(actions: Actions, note: NoteView) -> None:
    """Show where an own note is."""
    if note.mine:
        actions.post(OpenCopies(note))
    else:
        actions.say("Copies are counted of what you wrote yourself.")


def _named(note: NoteView) -> str:
    text = safe_line(note.event.content, _WORDS).strip()
    return f"{note.author.label}: {text}" if text else f"a note of {note.author.label}"


ACTS: Final = (
    NoteAct("reply", "r", "Reply", reply, hint="reply", place=10),
    NoteAct(
        "react",
        "f",
        "React with ♥ ({app.take_back} takes it back)",
        react,
        hint="react",
        place=20,
        finish=send_reaction,
    ),
    NoteAct(
        "react_with",
        "e",
        "React with another emoji, or your own",
        react_with,
        place=25,
        finish=send_reaction,
    ),
    NoteAct(
        "repost",
        "t",
        "Repost ({app.take_back} takes it back)",
        repost,
        hint="repost",
        place=30,
        finish=send_repost,
    ),
    NoteAct("quote", "Q", "Quote it in a note of your own", quote, place=35),
    NoteAct(
        "profile",
        "p",
        "The author's profile",
        profile,
        hint="profile",
        place=40,
        signs=False,
        absent_too=True,
    ),
    NoteAct(
        "copies",
        "C",
        "Where your note is, and what it survives",
        copies,
        hint="copies",
        place=50,
        signs=False,
    ),
)
