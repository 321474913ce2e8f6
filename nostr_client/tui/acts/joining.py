"""Being let into a relay by an invite code, and leaving it (NIP-43)."""

from __future__ import annotations

from nostr_client.errors import NostrError
from nostr_client.net.report import Answer
from nostr_client.safe_text import safe_line
from nostr_client.social.views import RelayRow
from nostr_client.tui.actions import Actions
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog

JOIN, LEAVE = "join", "leave"

LEAVES = (
    "It takes you off its members. It stays in your relay list: {relays.remove_relay} removes it "
    "there."
)


async def join_or_leave(actions: Actions, row: RelayRow) -> None:
    """Ask which, and do it."""
    from nostr_client.tui.screens.choice import ChoiceDialog, Offered

    if row.own:
        actions.say("Your own relay is yours: nobody joins it.")
        return
    choices = [
        Offered(JOIN, "join, by an invite code"),
        Offered(LEAVE, "leave: it strikes you off"),
    ]
    chosen = await actions.ask(ChoiceDialog(row.url, choices))
    if chosen:
        await (join_relay if chosen[0] == JOIN else leave_relay)(actions, row)


async def join_relay(actions: Actions, row: RelayRow) -> None:
    """Ask for an invite code, and show it to the relay, if it takes any."""
    code = await actions.ask(PromptDialog(f"Join {row.url}", "the invite code", yes="show it"))
    if code:
        try:
            answer = await actions.client.memberships.join(row.url, code)
        except NostrError as error:
            actions.say(str(error), "error")
        else:
            actions.say(_words(answer, "It lets you in"))


async def leave_relay(actions: Actions, row: RelayRow) -> None:
    """Ask the relay to take one off its list of members, after asking."""
    question = ConfirmDialog(
        f"Leave {row.url}?",
        with_keys(LEAVES),
        yes="leave",
    )
    if not await actions.ask(question):
        return
    try:
        answer = await actions.client.memberships.leave(row.url)
    except NostrError as error:
        actions.say(str(error), "error")
    else:
        actions.say(_words(answer, "It lets you go"))


def _words(answer: Answer, done: str) -> str:
    if answer.accepted:
        said = safe_line(answer.reason, 120)
        return f"{answer.url}: {said or done}"
    return str(answer)
