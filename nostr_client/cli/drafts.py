"""`nostr-client drafts`: what was begun here and is not sent."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.scheduling import At
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.drafts import DraftFile, KeptDraft
    from nostr_client.social.views import Posted

Name = Annotated[str, Argument("NAME", "Which one, by the beginning of its name.")]


def list_drafts(context: ClientContext) -> None:
    """List the drafts of this machine, the newest first."""
    from nostr_client.social.drafts import kept_drafts

    for draft in kept_drafts(context.paths, context.must_act().pubkey):
        context.out.emit(_record(draft, "" if draft.is_private else draft.text), _line(draft))


def show(context: ClientContext, name: Name) -> None:
    """Print a draft; one of a private message is opened with the key."""
    from nostr_client.safe_text import safe_text

    file, draft = _found(context, name)
    text = file.read()
    if draft.is_private:
        signer = context.signer()

        async def opened() -> str:
            async with signer:
                return await signer.nip44_decrypt(signer.pubkey, text)

        text = wait_for(opened())
    context.out.emit(_record(draft, text), safe_text(text))


def delete(context: ClientContext, name: Name) -> None:
    """Throw a draft away; where drafts are synced, on your other devices, too."""
    file, draft = _found(context, name)
    if draft.is_private or not context.config.sync_drafts:
        file.drop()
    else:

        async def act(client: NostrClient) -> None:
            await asyncio.to_thread(file.drop)
            await client.synced_drafts.forget(draft.name)

        _do(context, act)
    context.out.emit({"draft": draft.name, "deleted": True}, "thrown away")


def publish(context: ClientContext, name: Name, *, at: At = "") -> None:
    """Send what a draft says, now or at a time; it is no draft any more."""
    from nostr_client.cli import publish as publishing
    from nostr_client.cli.scheduling import say_scheduled
    from nostr_client.social.when import parse_when

    file, draft = _found(context, name)
    if draft.is_private:
        raise CommandError("a private message is sent by `nostr-client dm send`", Exit.USAGE)
    if draft.is_poll:
        raise CommandError("a poll is asked in the terminal client", Exit.USAGE)
    text, due = file.read(), parse_when(at, time.time()) if at else 0

    async def act(client: NostrClient) -> Posted | None:
        completion, posted = client.completion, None
        writing = await completion.writing(text, reply_to=draft.answers, quote=draft.quotes)
        if due:
            say_scheduled(context, await client.schedule.add(writing, due))
        else:
            posted = await client.notes.write(writing)
        await asyncio.to_thread(file.drop_sent, text)
        await client.synced_drafts.forget(draft.name)
        return posted

    if due:
        _do(context, act)
    else:
        publishing.publish(context, act)


def _do(context: ClientContext, act: Callable[[NostrClient], Awaitable[object]]) -> None:
    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer) as client:
            await act(client)

    wait_for(work())


def _found(context: ClientContext, beginning: str) -> tuple[DraftFile, KeptDraft]:
    from nostr_client.cli.by_beginning import named
    from nostr_client.social.drafts import DraftFile, kept_drafts

    account = context.must_act()
    drafts = {draft.name: draft for draft in kept_drafts(context.paths, account.pubkey)}
    draft = drafts[named(beginning, drafts, "draft")]
    return DraftFile(context.paths, account.pubkey, draft.name), draft


def _record(draft: KeptDraft, text: str) -> dict[str, Any]:
    from nostr_client.social.draft_text import DraftText

    said = DraftText(text) if draft.is_private else DraftText.of(text)
    return {
        "draft": draft.name,
        "at": draft.at,
        "reply_to": draft.answers,
        "quote": draft.quotes,
        "encrypted": draft.is_private,
        "text": said.body,
        "warning": said.warning,
    }


def _line(draft: KeptDraft) -> str:
    from nostr_client.cli.plain_lines import WORDS, when
    from nostr_client.safe_text import first_lines, safe_line
    from nostr_client.social.draft_text import DraftText

    body = "a private message, encrypted" if draft.is_private else DraftText.of(draft.text).body
    first = next(iter(first_lines(body)), "")
    return f"{draft.name}  {when(draft.at)}  {safe_line(first, WORDS)}"


def add_to(root: Group) -> None:
    """They stand in a group of their own."""
    group = root.group("drafts", "What you began to write here and did not send.", "list")
    add_command(group, "list", list_drafts, CLIENT)
    add_command(group, "show", show, CLIENT)
    add_command(group, "delete", delete, CLIENT)
    add_command(group, "publish", publish, CLIENT)
