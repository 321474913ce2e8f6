"""Tools that read what is private, each only where the person allowed it."""

# Annotations are read by the package `mcp`, from closures: they are not put off.
import asyncio
from collections.abc import Iterator
from typing import Any

from nostr_client.cli.mcp.public_tools import Count, Tool, Who
from nostr_client.cli.mcp.session import McpSession, person_record, text_of
from nostr_client.paths import Paths
from nostr_client.safe_text import safe_text
from nostr_client.social.messages.views import PrivateMessage


def private_tools(session: McpSession, paths: Paths) -> Iterator[Tool]:
    """Those for what `session.permissions.private` names."""
    allowed = session.permissions.private
    if "messages" in allowed:
        yield from _message_tools(session)
    if "drafts" in allowed:
        yield _drafts_tool(session, paths)
    if "lists" in allowed:
        yield _lists_tool(session)


def _message_tools(session: McpSession) -> Iterator[Tool]:
    client = session.client

    async def conversations(limit: Count = 20) -> dict[str, Any]:
        """Private conversations, the newest first; not what strangers wrote."""
        rooms = (await client.messages.conversations())[:limit]
        people = await client.profiles.get_many({one for room in rooms for one in room.members})
        return {
            "conversations": [
                {
                    "with": [person_record(people[one]) for one in room.others(client.pubkey)],
                    "unread": room.unread,
                    "last": _message(room.last) if room.last and not room.muted else None,
                }
                for room in rooms
            ]
        }

    yield conversations

    async def messages(who: Who, limit: Count = 20) -> dict[str, Any]:
        """Private messages with one person, newest first. Nothing is marked as read."""
        room = frozenset({await session.pubkey_of(who), client.pubkey})
        found = await client.messages.messages(room, limit=limit)
        return {"messages": [_message(message) for message in found]}

    yield messages


def _message(message: PrivateMessage) -> dict[str, Any]:
    return {
        "id": message.id,
        "author": message.author,
        "created_at": message.created_at,
        "unread": message.unread,
        "deleted": message.deleted,
        **({"muted": True} if message.muted else text_of(message.text)),
    }


def _drafts_tool(session: McpSession, paths: Paths) -> Tool:
    async def drafts() -> dict[str, Any]:
        """Notes that were begun here and not sent; of private messages that there are some."""
        from nostr_client.social.drafts import kept_drafts

        kept = await asyncio.to_thread(lambda: list(kept_drafts(paths, session.client.pubkey)))
        return {
            "drafts": [
                {"name": one.name, **text_of(one.text)} for one in kept if not one.is_private
            ],
            "private": sum(one.is_private for one in kept),
        }

    return drafts


def _lists_tool(session: McpSession) -> Tool:
    client = session.client

    async def lists() -> dict[str, Any]:
        """What is muted and bookmarked, public and private."""
        told: dict[str, Any] = {}
        for name, held in (("mutes", client.mutes), ("bookmarks", client.bookmarks)):
            entries = await held.entries()
            told[name] = {
                "public": [[safe_text(item[:1000]) for item in tag] for tag in entries.public],
                "private": [[safe_text(item[:1000]) for item in tag] for tag in entries.private],
                "closed": entries.closed,
            }
        return told

    return lists
