"""The conversation with somebody, from wherever they are met."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from nostr_client.safe_text import safe_line
from nostr_client.social.views import Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import PersonAct
from nostr_client.tui.screens.dialogs import PromptDialog
from nostr_client.tui.targets import RoomTarget


async def message(actions: Actions, person: Profile) -> None:
    """Open the conversation with a person."""
    await open_conversation(actions, [person.pubkey])


async def new_conversation(actions: Actions, _: None = None) -> None:
    """Ask whom to write to, and open the conversation with them. Raises NostrError."""
    hint = "npub1…, name@domain; several: with spaces"
    whom = await actions.ask(PromptDialog("Write to", hint, yes="go on"))
    if whom:
        profiles = actions.client.profiles
        await open_conversation(actions, [await profiles.resolve(one) for one in whom.split()])


async def open_conversation(actions: Actions, people: Collection[str]) -> None:
    """Open the conversation with people (hex), which is there, or can be begun: each of them can be
    written to. Raises NostrError."""
    client = actions.client
    room = frozenset({*people, client.pubkey})
    there = await client.messages.conversation(room)
    if there is None or there.last is None:
        for pubkey in people:
            if not await _is_reachable(actions, pubkey):
                return
    actions.open(RoomTarget(room))


async def _is_reachable(actions: Actions, pubkey: str) -> bool:
    """Can they be written to? If not, say why, and try again for as long as the person will."""
    from nostr_client.tui.screens.unreachable import UnreachableDialog

    client = actions.client
    reach = await client.messages.can_message(pubkey, fresh=True)
    while not reach:
        name = safe_line((await client.profiles.get(pubkey)).label, 80)
        if not await actions.ask(UnreachableDialog(f"{name}: {reach.words}.")):
            return False
        reach = await client.messages.can_message(pubkey, fresh=True)
    return True


ACTS: Final = (
    PersonAct("message", "d", "Write to them in private", message, hint="message", place=20),
)
