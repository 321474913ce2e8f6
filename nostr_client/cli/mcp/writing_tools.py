"""Tools that write, each only where the person allowed its verb.

A verb that is asked about shows the person the whole of what would be signed, through the program
(the protocol's elicitation). Where the program cannot ask, nothing is written. What cannot be taken
back (a mass of deletions, a list that would lose much) is refused here, yes or no.
"""

# Annotations are read by the package `mcp`, from closures: they are not put off.
from collections.abc import Iterator
from typing import Annotated, Any

from mcp.server.mcpserver import Elicit, Resolve
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from nostr_client.cli.json_records import posted_record
from nostr_client.cli.mcp.public_tools import Code, Tool, Who
from nostr_client.cli.mcp.session import MOST_CHARACTERS, McpSession, NotToBeHad
from nostr_client.cli.publish import own_url
from nostr_client.errors import NostrError
from nostr_client.nips import nip19
from nostr_client.redact import redacted
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.views import Posted

WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=True)
Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS, description="the text")]


class PublishConsent(BaseModel):
    """The person's word."""

    publish: bool = Field(description="Yes, publish exactly this")


def writing_tools(session: McpSession) -> Iterator[Tool]:
    """Those whose verbs are allowed."""
    made = (*_note_tools(session), *_people_tools(session), _message_tool(session))
    yield from (tool for tool in made if tool.__name__ in session.permissions.verbs)


async def _question(
    session: McpSession, verb: str, words: str, text: str = "", *, note: str = "", who: str = ""
) -> Elicit[PublishConsent] | PublishConsent:
    """What the person is asked, or that nobody is; `{}` in `words` is the `note` or the person.

    Raises ToolError, so for a text that looks other than it is: what is shown must be what is
    signed.
    """
    if safe_text(text) != text:
        raise ToolError("this text has characters that cannot be shown, or a secret key")
    if verb in session.permissions.unasked:
        return PublishConsent(publish=True)
    if not session.questions.take():
        raise ToolError("the person was asked often enough in the last hour")
    try:
        if note:
            words = words.format(await session.note_words(note))
        elif who:
            words = words.format(await session.person_words(who))
    except NostrError as error:
        raise ToolError(safe_line(redacted(str(error)), 500)) from None
    own = nip19.encode_npub(session.client.pubkey)
    return Elicit(f"{words}, as {own}?\n\n{text}".rstrip(), PublishConsent)


def _check(session: McpSession, consent: PublishConsent) -> None:
    """Raises NotToBeHad."""
    if not consent.publish:
        raise NotToBeHad("the person said no: nothing was written")
    if not session.limit.take():
        raise NotToBeHad("enough was written in the last hour: nothing was written")


async def _done(session: McpSession, posted: Posted | None) -> dict[str, Any]:
    if posted is None:
        return {"changed": False}
    return posted_record(posted, await own_url(session.client))


def _note_tools(session: McpSession) -> Iterator[Tool]:
    client = session.client

    async def ask_post(text: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "post", "Publish this note", text)

    async def post(
        text: Text, consent: Annotated[PublishConsent, Resolve(ask_post)]
    ) -> dict[str, Any]:
        """Publish a note. Everybody can read it, and it cannot be taken back."""
        _check(session, consent)
        return await _done(session, await client.post(text))

    yield post

    async def ask_reply(note: str, text: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "reply", "Answer {} with this", text, note=note)

    async def reply(
        note: Code, text: Text, consent: Annotated[PublishConsent, Resolve(ask_reply)]
    ) -> dict[str, Any]:
        """Answer a note. Everybody can read it."""
        found = await session.note_id(note)
        _check(session, consent)
        return await _done(session, await client.reply(found, text))

    yield reply

    async def ask_react(note: str, sign: str = "+") -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "react", "React to {} with this", sign, note=note)

    async def react(
        note: Code,
        consent: Annotated[PublishConsent, Resolve(ask_react)],
        sign: Annotated[str, Field(max_length=50, description="+, - or an emoji")] = "+",
    ) -> dict[str, Any]:
        """React to a note."""
        found = await session.note_id(note)
        _check(session, consent)
        return await _done(session, await client.react(found, sign))

    yield react

    async def ask_repost(note: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "repost", "Pass {} on", note=note)

    async def repost(
        note: Code, consent: Annotated[PublishConsent, Resolve(ask_repost)]
    ) -> dict[str, Any]:
        """Pass a note on."""
        found = await session.note_id(note)
        _check(session, consent)
        return await _done(session, await client.repost(found))

    yield repost

    async def ask_delete(note: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "delete", "Ask relays to delete {}", note=note)

    async def delete(
        note: Code, consent: Annotated[PublishConsent, Resolve(ask_delete)]
    ) -> dict[str, Any]:
        """Ask every relay to delete a note of the account's own."""
        found = await session.note_id(note)
        _check(session, consent)
        return await _done(session, await client.delete(found))

    yield delete


def _people_tools(session: McpSession) -> Iterator[Tool]:
    client = session.client

    async def ask_follow(who: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "follow", "Follow {}", who=who)

    async def follow(
        who: Who, consent: Annotated[PublishConsent, Resolve(ask_follow)]
    ) -> dict[str, Any]:
        """Follow somebody."""
        pubkey = await session.pubkey_of(who)
        _check(session, consent)
        return await _done(session, await client.follows.follow_all([pubkey]))

    yield follow

    async def ask_unfollow(who: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "unfollow", "Stop following {}", who=who)

    async def unfollow(
        who: Who, consent: Annotated[PublishConsent, Resolve(ask_unfollow)]
    ) -> dict[str, Any]:
        """Stop following somebody."""
        pubkey = await session.pubkey_of(who)
        _check(session, consent)
        return await _done(session, await client.follows.unfollow(pubkey))

    yield unfollow


def _message_tool(session: McpSession) -> Tool:
    client = session.client

    async def ask_message(who: str, text: str) -> Elicit[PublishConsent] | PublishConsent:
        return await _question(session, "message", "Send {} this message", text, who=who)

    async def message(
        who: Who, text: Text, consent: Annotated[PublishConsent, Resolve(ask_message)]
    ) -> dict[str, Any]:
        """Send a private message (NIP-17)."""
        room = frozenset({await session.pubkey_of(who), client.pubkey})
        _check(session, consent)
        sent = await client.messages.send(room, text)
        told = await client.messages.delivered(sent.id)
        return {"id": told.id, "delivery": str(told.delivery)}

    return message
