"""What is shown, made from a mailbox and from what the ledger says of own messages."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from nostr_client.protocol import kinds
from nostr_client.protocol.keys import is_hex64
from nostr_client.social.messages.mailbox import LONGEST_REACTION, Mailbox, RoomState
from nostr_client.social.messages.records import KeptRumor
from nostr_client.social.messages.views import (
    Conversation,
    Delivery,
    MemberCopies,
    MessageFile,
    MessageProtocol,
    PrivateMessage,
)
from nostr_client.social.mute_matcher import NOTHING_MUTED, MuteMatcher
from nostr_client.store.contract import Copy, CopyState

MOST_QUOTES: Final = 50
MOST_FALLBACKS: Final = 5
LONGEST_SUBJECT: Final = 200


def conversation(
    mailbox: Mailbox, room: RoomState, now: int, mutes: MuteMatcher = NOTHING_MUTED
) -> Conversation:
    """A room with its last message."""
    alive = (m for m in mailbox.newest_first(room, None) if not _is_gone(m, now))
    rumor = next(alive, None)
    last = message(mailbox, room, rumor, mutes=mutes) if rumor else None
    request = mailbox.is_request(room)
    return Conversation(
        members=room.members,
        subject=room.subject[1][:LONGEST_SUBJECT],
        last=last,
        unread=len(room.unread),
        request=request,
        protocol=MessageProtocol.NIP04 if room.old and room.order else MessageProtocol.NIP17,
        muted=is_muted(room, mutes) or bool(request and last and last.muted),
    )


def is_muted(room: RoomState, mutes: MuteMatcher) -> bool:
    """Is everybody else in the room muted?"""
    others = room.members - {mutes.owner}
    return bool(others) and others <= mutes.people


def page(
    mailbox: Mailbox, room: RoomState, before: tuple[int, str] | None, limit: int, now: int
) -> list[KeptRumor]:
    """So many messages of a room before a place in it, the newest first."""
    found: list[KeptRumor] = []
    for rumor in mailbox.newest_first(room, before):
        if not _is_gone(rumor, now):
            found.append(rumor)
            if len(found) >= limit:
                break
    return found


def message(
    mailbox: Mailbox,
    room: RoomState,
    rumor: KeptRumor,
    deliveries: Mapping[str, Delivery] | None = None,
    mutes: MuteMatcher = NOTHING_MUTED,
) -> PrivateMessage:
    """One message; `deliveries` of own ones, by their ids."""
    deleted = mailbox.is_deleted(rumor)
    mine = rumor.author == mailbox.me
    unknown = Delivery.STORED if rumor.id in mailbox.wraps else Delivery.ELSEWHERE
    return PrivateMessage(
        id=rumor.id,
        author=rumor.author,
        room=room.members,
        created_at=rumor.created_at,
        text="" if deleted or rumor.kind == kinds.FILE_MESSAGE else rumor.content,
        reply_to="" if deleted else next(filter(is_hex64, rumor.values("e")), ""),
        quotes=rumor.values("q")[:MOST_QUOTES],
        subject=rumor.value("subject")[:LONGEST_SUBJECT],
        reactions=_reactions(mailbox, room, rumor),
        file=_file(rumor) if rumor.kind == kinds.FILE_MESSAGE and not deleted else None,
        deleted=deleted,
        edited=mailbox.is_edited(room, rumor),
        expires_at=rumor.expires_at,
        unread=rumor.id in room.unread,
        protocol=MessageProtocol.NIP04 if rumor.old else MessageProtocol.NIP17,
        delivery=(deliveries or {}).get(rumor.id, unknown) if mine else Delivery.RECEIVED,
        muted="" if mine or deleted else mutes.why_said(rumor.author, rumor.content),
    )


def delivery_of(
    me: str, wraps: Mapping[str, str], copies: Mapping[str, Sequence[Copy]]
) -> Delivery:
    """How far a message is whose wraps have these copies; `wraps` by recipient."""
    others = [copies.get(id, ()) for pubkey, id in wraps.items() if pubkey != me]
    places = others or [copies.get(id, ()) for id in wraps.values()]
    there = [any(c.state is CopyState.CONFIRMED for c in each) for each in places]
    if places and all(there):
        return Delivery.SENT
    over = [
        bool(each) and not done and not any(c.waits for c in each)
        for each, done in zip(places, there, strict=True)
    ]
    if any(over):
        return Delivery.REFUSED
    return Delivery.PARTLY if any(there) else Delivery.STORED


def member_copies(
    wraps: Mapping[str, str], copies: Mapping[str, Sequence[Copy]]
) -> tuple[MemberCopies, ...]:
    """Member by member."""
    return tuple(MemberCopies(pubkey, tuple(copies.get(id, ()))) for pubkey, id in wraps.items())


def wraps_of(mailbox: Mailbox, rumors: Iterable[str]) -> dict[str, dict[str, str]]:
    """Of each of these own rumors that was sent from here, its wraps."""
    return {id: mailbox.wraps[id] for id in rumors if id in mailbox.wraps}


def _is_gone(rumor: KeptRumor, now: int) -> bool:
    return 0 < rumor.expires_at <= now


def _reactions(mailbox: Mailbox, room: RoomState, rumor: KeptRumor) -> tuple[tuple[str, str], ...]:
    found = ((r.author, r.content[:LONGEST_REACTION]) for r in mailbox.reactions(room, rumor))
    return tuple(dict.fromkeys(found))


def _file(rumor: KeptRumor) -> MessageFile:
    size = rumor.value("size")
    readable = size.isascii() and size.isdigit() and len(size) < 16
    sha256, plain = rumor.value("x").lower(), rumor.value("ox").lower()
    return MessageFile(
        url=rumor.content,
        mime_type=rumor.value("file-type"),
        sha256=sha256 if is_hex64(sha256) else "",
        sha256_plain=plain if is_hex64(plain) else "",
        size=int(size) if readable else 0,
        dimensions=rumor.value("dim"),
        blurhash=rumor.value("blurhash"),
        thumbhash=rumor.value("thumbhash"),
        algorithm=rumor.value("encryption-algorithm").lower(),
        key=_bytes_of(rumor.value("decryption-key"), (16, 24, 32)),
        nonce=_bytes_of(rumor.value("decryption-nonce"), range(12, 33)),
        fallbacks=rumor.values("fallback")[:MOST_FALLBACKS],
    )


def _bytes_of(text: str, lengths: Collection[int]) -> bytes:
    """What a key or nonce spells, in hex or in base64; empty where neither gives such a length."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        data = b""
    if len(data) not in lengths:
        try:
            data = b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            return b""
    return data if len(data) in lengths else b""
