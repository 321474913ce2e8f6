"""How private messages and their conversations are printed: as lines, and as `--json`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nostr_client.cli.plain_lines import BAR, END, MOST_NAMED, name_of, quoted, when
from nostr_client.nips import nip19
from nostr_client.safe_text import safe_line
from nostr_client.social.messages.views import MOST_MEMBERS, Delivery, MessageProtocol

if TYPE_CHECKING:
    from nostr_client.social.messages.views import Conversation, PrivateMessage
    from nostr_client.social.views import Profile

DELIVERED = {
    Delivery.RECEIVED: "",
    Delivery.ELSEWHERE: "",
    Delivery.STORED: "waits for a relay",
    Delivery.PARTLY: "sent to some of the members",
    Delivery.SENT: "sent",
    Delivery.REFUSED: "refused by every relay of a member",
}
"""How far an own message is, in words."""


def message_record(message: PrivateMessage) -> dict[str, Any]:
    """A message for programs. The key of a file stays out of it: `dm save` has that."""
    file = message.file
    return {
        "id": message.id,
        "room": sorted(message.room),
        "author": message.author,
        "created_at": message.created_at,
        "text": message.text,
        "subject": message.subject,
        "reply_to": message.reply_to,
        "quotes": list(message.quotes),
        "reactions": [{"pubkey": who, "content": content} for who, content in message.reactions],
        "file": {
            "url": file.url,
            "mime_type": file.mime_type,
            "size": file.size,
            "sha256": file.sha256,
        }
        if file
        else None,
        "deleted": message.deleted,
        "edited": message.edited,
        "expires_at": message.expires_at,
        "unread": message.unread,
        "protocol": str(message.protocol),
        "delivery": str(message.delivery),
        "muted": message.muted,
    }


def conversation_record(conversation: Conversation) -> dict[str, Any]:
    return {
        "room": sorted(conversation.members),
        "subject": conversation.subject,
        "unread": conversation.unread,
        "request": conversation.request,
        "protocol": str(conversation.protocol),
        "muted": conversation.muted,
        "last": message_record(conversation.last) if conversation.last else None,
    }


def message_lines(
    message: PrivateMessage, people: Mapping[str, Profile], me: str, width: int = 0
) -> str:
    """A message as people read it, ended by the id with which it can be answered."""
    head = [_name(message.author, people, me), when(message.created_at)]
    if message.subject:
        head.append(f"subject: {safe_line(message.subject, 80)}")
    if message.reply_to:
        head.append(f"answers {message.reply_to[:12]}…")
    if message.unread:
        head.append("new")
    if message.muted:
        head.append(safe_line(message.muted, 80))
    lines = [" · ".join(head)]
    if message.deleted:
        lines.append(f"{END}deleted by who wrote it")
        return "\n".join(lines) + "\n"
    if message.file is not None:
        kind = safe_line(message.file.mime_type, 60) or "a file"
        lines += [f"{BAR}[{kind}] {safe_line(message.file.url, 300)}"]
    if message.text:
        lines += quoted(message.text, width)
    told = [message.id]
    if message.reactions:
        told.append(" ".join(safe_line(content, 12) for _, content in message.reactions[:8]))
    if message.edited:
        told.append("edited")
    if message.expires_at:
        told.append(f"vanishes {when(message.expires_at)}")
    if message.protocol is MessageProtocol.NIP04:
        told.append("old encryption: who and when stood open")
    if words := DELIVERED[message.delivery]:
        told.append(words)
    lines.append(END + " · ".join(told))
    return "\n".join(lines) + "\n"


def conversation_line(conversation: Conversation, people: Mapping[str, Profile], me: str) -> str:
    """One room: whose it is, what is new, how it ended."""
    others = conversation.others(me)
    names = [_name(pubkey, people, "") for pubkey in others[:MOST_NAMED]]
    if len(others) > MOST_NAMED:
        names.append(f"{len(others) - MOST_NAMED} more")
    parts = [", ".join(names)]
    if conversation.subject:
        parts.append(f"subject: {safe_line(conversation.subject, 60)}")
    if conversation.unread:
        parts.append(f"{conversation.unread} new")
    if conversation.muted:
        parts.append("muted")
    if conversation.last is not None:
        parts.append(when(conversation.last.created_at))
    lines = [" · ".join(parts)]
    if conversation.last is not None:
        last = conversation.last
        text = "deleted" if last.deleted else last.text or "a file"
        lines.append(f"{BAR}{safe_line(text, 100)}")
    npubs = [nip19.encode_npub(pubkey) for pubkey in others[:MOST_MEMBERS]]
    if len(others) > MOST_MEMBERS:
        npubs.append(f"and {len(others) - MOST_MEMBERS} more: --json has all")
    lines.append(END + " ".join(npubs))
    return "\n".join(lines) + "\n"


def _name(pubkey: str, people: Mapping[str, Profile], me: str) -> str:
    if pubkey == me:
        return "you"
    profile = people.get(pubkey)
    return name_of(profile) if profile else nip19.encode_npub(pubkey)[:16]
