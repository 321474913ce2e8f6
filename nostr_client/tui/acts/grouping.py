"""Acts that put people into one's named lists, and follow those of a pack."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nostr_client.errors import NostrError
from nostr_client.protocol import kinds
from nostr_client.routing.list_reading import Waiver
from nostr_client.safe_text import safe_line
from nostr_client.social.views import NoteView, Posted, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct, PersonAct
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog

if TYPE_CHECKING:
    from nostr_client.social.sets import NamedSet

NEW: Final = "new"
HOLD_PEOPLE: Final = (kinds.FOLLOW_SET, kinds.STARTER_PACK)


async def put_author(actions: Actions, note: NoteView) -> None:
    """Put the author of a note into a list, or take them out."""
    await put(actions, note.author)


async def put(actions: Actions, person: Profile) -> None:
    """Put somebody into one of one's lists, or take them out; asks which."""
    from nostr_client.tui.screens.choice import ChoiceDialog, Offered

    client = actions.client
    try:
        mine = await client.sets.of(client.pubkey, HOLD_PEOPLE)
    except NostrError as error:
        actions.say(str(error), "error")
        return
    choices = [
        Offered(one.address, f"{'✓' if person.pubkey in one.people else ' '} {words_of(one)}")
        for one in mine
    ]
    choices.append(Offered(NEW, "a new list …", "+"))
    chosen = await actions.ask(ChoiceDialog(f"{person.label}: into which list?", choices))
    if not chosen:
        return
    if chosen[0] == NEW:
        await create(actions, person)
        return
    one = next(one for one in mine if one.address == chosen[0])
    await _change(actions, one, person)


async def _change(actions: Actions, one: NamedSet, person: Profile) -> None:
    """Take somebody out of a list where they are in it, after asking; else put them in."""
    within, title = person.pubkey in one.people, safe_line(one.title, 40) or "the list"
    question = ConfirmDialog(f"Take {person.label} out of {title}?", yes="take out")
    if within and not await actions.ask(question):
        return
    mine = actions.client.sets.list(one.kind, one.identifier)
    # Of a list that is partly closed nobody can tell, and what is private can be told later.
    public = one.kind == kinds.STARTER_PACK or bool(one.people and not one.private | one.closed)

    async def edit(empty: bool) -> Posted | None:
        waiver, entry = Waiver(allow_empty=empty), ("p", person.pubkey)
        if within:
            return await mine.remove(entry, waiver=waiver)
        return await mine.add(entry, public=public, waiver=waiver)

    words = f"{person.label} is {'out of' if within else 'in'} {title}"
    await actions.edit(words, edit, "list of people")


async def create(actions: Actions, person: Profile | None = None) -> bool:
    """Ask for a title, and make a new list; whom it holds only the account sees."""
    title = await actions.ask(
        PromptDialog("A new list: its title", "everybody can read it", yes="make")
    )
    if not title:
        return False
    entries = [("p", person.pubkey)] if person is not None else []
    sets = actions.client.sets
    return await actions.tell("The list is made", sets.create(kinds.FOLLOW_SET, title, entries))


async def strike(actions: Actions, one: NamedSet) -> bool:
    """Delete an own list, after saying what it holds."""
    words = f"Delete your list {safe_line(one.title, 40)}? It holds {one.size}."
    detail = "Whoever has it may keep it."
    if one.closed:
        detail = "It has a private part that cannot be read here, and would go with it."
    if not await actions.ask(ConfirmDialog(words, detail, yes="delete")):
        return False
    return await actions.tell("The list is deleted", actions.client.delete(one.event.id))


async def follow_all(actions: Actions, one: NamedSet) -> bool:
    """Follow everybody in a list or pack, after saying how many that are."""
    client = actions.client
    followed = set(await client.follows.pubkeys())
    new = [p for p in one.people if p not in followed and p != client.pubkey]
    title = safe_line(one.title, 40) or "this list"
    if not new:
        actions.say(f"You follow everybody in {title} already.")
        return False
    already = len(one.people) - len(new)
    detail = f"{already} of {len(one.people)} you follow already." if already else ""
    question = f"Follow {len(new):,} {'person' if len(new) == 1 else 'people'} of {title}?"
    if not await actions.ask(ConfirmDialog(question, detail, yes="follow")):
        return False

    async def edit(empty: bool) -> Posted | None:
        return await client.follows.follow_all(new, allow_empty=empty)

    return await actions.edit(f"You follow {len(new):,} more", edit, "follow list")


def words_of(one: NamedSet) -> str:
    """A list on a line, raw: `Friends · 12 people, 2 that only you see`."""
    title = one.title or "without a title"
    hidden = f", {one.private} only you see" if one.private else ""
    closed = ", and what cannot be read here" if one.closed else ""
    return f"{title} · {one.word}, {one.size}{hidden}{closed}"


ACTS: Final = (
    NoteAct(
        "put_author", "A", "Put the author into a list, or take them out", put_author, place=205
    ),
    PersonAct("put", "a", "Put into a list, or take out", put, place=205),
)
