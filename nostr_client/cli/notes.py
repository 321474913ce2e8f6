"""`nostr-client post`, `reply`, `react`, `repost`, `delete`, `send`: what you write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import CLIENT, CONSENTING, add_command
from nostr_client.cli.scheduling import At
from nostr_client.cli.text_input import text_of
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext

SEND_LIMIT = 30.0
"""Seconds for what waits to be sent."""

Text = Annotated[
    str, Argument(metavar="[TEXT]", help="The text; - or nothing reads standard input.")
]
NoteId = Annotated[str, Argument(metavar="ID", help="note1, nevent1, nostr: or hex.")]
Warning_ = Annotated[
    str | None, Option("--warning", metavar="REASON", help="Mark it as sensitive (NIP-36).")
]


def post(context: ClientContext, text: Text = "-", warning: Warning_ = None, at: At = "") -> None:
    """Write a note, to go out now or at a time."""
    content = text_of(text, "note")
    if at:
        from nostr_client.cli.scheduling import schedule_note
        from nostr_client.social.draft_text import DraftText

        schedule_note(context, str(DraftText(content, warning)), at)
        return
    from nostr_client.cli.publish import publish

    publish(context, lambda client: client.post(content, warning=warning))


def reply(context: ClientContext, note: NoteId, text: Text = "-", warning: Warning_ = None) -> None:
    """Answer a note."""
    content = text_of(text, "note")
    from nostr_client.cli.publish import publish_about

    publish_about(
        context, note, lambda client, found: client.reply(found, content, warning=warning)
    )


def react(
    context: ClientContext,
    note: NoteId,
    sign: Annotated[str, Argument(metavar="[SIGN]", help="+, - or an emoji.")] = "+",
) -> None:
    """React to a note."""
    from nostr_client.cli.publish import publish_about

    publish_about(context, note, lambda client, found: client.react(found, sign))


def repost(context: ClientContext, note: NoteId) -> None:
    """Pass a note on."""
    from nostr_client.cli.publish import publish_about

    publish_about(context, note, lambda client, found: client.repost(found))


def delete(
    context: ClientContext,
    note: NoteId,
    reason: Annotated[str, Option("--reason", help="Why; everybody can read it.")] = "",
) -> None:
    """Ask every relay to delete a note of yours."""
    from nostr_client.cli.publish import publish_about

    publish_about(context, note, lambda client, found: client.delete(found, reason))


def send(context: ClientContext) -> None:
    """Send what waits now, instead of when it would be tried again."""
    from nostr_client.cli import json_records, plain_lines
    from nostr_client.cli.outcomes import untold_hint

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            before = await client.replication.pending()
            left = await client.replication.send_now(SEND_LIMIT)
            unsent = await client.replication.pending()
            context.out.emit(
                {
                    "sent": before - unsent,
                    "unsent": unsent,
                    "waiting": [json_records.waiting_record(copy) for copy in left],
                },
                plain_lines.sent_lines(before - unsent, unsent, left),
            )
            if unsent:
                context.exit_code = Exit.NOT_ACCEPTED
                if hint := untold_hint(client):
                    context.out.note(f"not every relay took it{hint}")

    wait_for(work())


def add_to(root: Group) -> None:
    """The commands of this file stand at the top level."""
    for function in (post, reply, react, repost, delete):
        options = CONSENTING if function is delete else CLIENT
        add_command(root, function.__name__, function, options)
    add_command(root, "send", send, CLIENT)
