"""Acts on a person."""

from __future__ import annotations

from typing import Final

from nostr_client.social.views import Posted, Profile
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import PersonAct
from nostr_client.tui.screens.dialogs import ConfirmDialog


async def follow(actions: Actions, person: Profile) -> None:
    """Follow, or no longer; asks first."""
    follows, label = actions.client.follows, person.label
    if person.pubkey == actions.client.pubkey:
        actions.say("This is you.")
        return
    followed = person.pubkey in await follows.pubkeys()
    verb = "unfollow" if followed else "follow"
    if not await actions.ask(ConfirmDialog(f"{verb.capitalize()} {label}?", yes=verb)):
        return

    async def edit(allow_empty: bool) -> Posted | None:
        if followed:
            return await follows.unfollow(person.pubkey)
        return await follows.follow(person.pubkey, allow_empty=allow_empty)

    words = f"{label} is unfollowed" if followed else f"You follow {label}"
    await actions.edit(words, edit, "follow list")


async def check_name(actions: Actions, person: Profile) -> None:
    """Ask the domain of somebody's NIP-05 name whether it is theirs."""
    right = await actions.client.profiles.check_nip05(person.pubkey)
    if right is None:
        actions.say("Its domain does not answer." if person.nip05 else "They have no such name.")


ACTS: Final = (
    PersonAct("check_name", "N", "Ask the domain in their name", check_name, signs=False, place=30),
    PersonAct("follow", "F", "Follow or unfollow (asks first)", follow, hint="follow", place=10),
)
