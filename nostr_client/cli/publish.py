"""What every command that publishes does: unlock, open, act, and say what the relays answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from nostr_client.cli.json_records import posted_record
from nostr_client.cli.note_refs import find_note, note_ref
from nostr_client.cli.outcomes import untold_hint
from nostr_client.cli.plain_lines import posted_lines
from nostr_client.command_line.waiting import wait_for
from nostr_client.errors import ListNotRead, ListNotUnderstood
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.views import Posted


def publish(
    context: ClientContext,
    act: Callable[[NostrClient], Awaitable[Posted | None]],
    *,
    unchanged: str = "nothing was changed",
) -> None:
    """Do `act` as the account, and report it. `act` returns None when nothing was to be done."""
    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer) as client:
            try:
                posted = await act(client)
            except ListNotUnderstood as error:
                raise CommandError(f"{error} (--start-over replaces it)", Exit.NOT_READ) from error
            except ListNotRead as error:
                hint = "the options --without URL and --start-empty say so"
                if error.none_found:
                    hint = "where no program wrote one with this key: --start-empty begins it"
                if error.may_begin:
                    hint = "the options --begin, --without URL and --start-empty say so"
                words = f"{error} ({hint}){untold_hint(client)}"
                raise CommandError(words, Exit.NOT_READ) from error
            if posted is None:
                context.out.emit({"changed": False, "reason": unchanged}, unchanged)
            else:
                own = await own_url(client)
                context.out.emit(posted_record(posted, own), posted_lines(posted, own))
                if not reached_somebody(posted, own):
                    context.exit_code = Exit.NOT_ACCEPTED

    wait_for(work())


def publish_about(
    context: ClientContext, ref: str, act: Callable[[NostrClient, str], Awaitable[Posted | None]]
) -> None:
    """The same about the note that `ref` names, which is fetched if it is not here."""
    note = note_ref(ref)

    async def found_and_done(client: NostrClient) -> Posted | None:
        return await act(client, await find_note(context, client, note))

    publish(context, found_and_done)


def reached_somebody(posted: Posted, own: str) -> bool:
    """Has any relay but the person's own taken it, for good?"""
    return not posted.report.overtaken and any(url != own for url in posted.report.accepted)


async def own_url(client: NostrClient) -> str:
    """Where the own relay listens; empty while there is none."""
    return (await client.book.client_relays()).own_relay
