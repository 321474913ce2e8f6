"""Asking for what one wrote to be deleted."""

from __future__ import annotations

from typing import Final

from nostr_client.errors import NostrError
from nostr_client.net.report import PublishReport
from nostr_client.protocol.kinds import REPOSTS
from nostr_client.protocol.urls import host_of
from nostr_client.social.views import NoteView
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.act import NoteAct
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog

KEPT: Final = (
    "It goes from here, and its relays are asked to delete it. Whoever has it may keep it."
)
NAMED: Final = 4
"""Relays that are named in one sentence."""


async def delete(actions: Actions, note: NoteView) -> None:
    """Delete an own note, or take back an own repost. Asks, and asks why."""
    client = actions.client
    repost = note.entry.kind in REPOSTS and note.entry.pubkey == client.pubkey
    if not (repost or note.mine):
        actions.say("Only what you wrote yourself can be deleted.")
        return
    event, what = (note.entry, "your repost") if repost else (note.event, "this")
    if not await actions.ask(ConfirmDialog(f"Delete {what}?", KEPT, yes="delete")):
        return
    prompt = PromptDialog("Why? Everybody can read it.", "may stay empty", yes="delete", blank=True)
    reason = await actions.ask(prompt)
    if reason is None:
        return
    try:
        posted = await client.delete(event.id, reason)
    except NostrError as error:
        actions.say(str(error), "error")
        return
    actions.say(f"Deleted here. {who_took_it(posted.report, client.book.policy.own_relay)}")


def who_took_it(report: PublishReport, own: str) -> str:
    """Which relays took what was sent, and which did not, in one sentence; without the own relay.
    Hosts are those of URLs in their one spelling."""
    answers = [answer for answer in report.answers if answer.url != own]
    if not answers:
        return "There was no relay to ask yet."
    took = [host_of(answer.url) for answer in answers if answer.accepted]
    others = [host_of(answer.url) for answer in answers if not answer.accepted]
    words = [f"{_hosts(took)} took it"] if took else []
    words += [f"{_hosts(others)} not yet"] if others else []
    return f"{'; '.join(words)}."


def _hosts(hosts: list[str]) -> str:
    more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
    return f"{', '.join(hosts[:NAMED])}{more}"


ACTS: Final = (NoteAct("delete", "x", "Delete what you wrote (asks)", delete, place=230),)
