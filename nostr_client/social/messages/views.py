"""What screens and commands show of private messages: frozen values.

Every text here is raw, as its author wrote it: whoever shows it passes it through `safe_text`
first.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from nostr_client.net.outcome import End
from nostr_client.store.contract import Copy

MOST_MEMBERS: Final = 10
"""People in a room that is written to, oneself included: NIP-17's advice. Read is any size."""


class MessageProtocol(StrEnum):
    """How a message, or a room, is encrypted. Groups of other protocols will have theirs."""

    NIP17 = "nip17"
    NIP04 = "nip04"
    """Old: read, never written; who wrote to whom, and when, stands open."""


class Delivery(StrEnum):
    """How far an own message is."""

    RECEIVED = "received"
    """It is not ours."""
    STORED = "stored"
    """On this disk; no relay of anybody else has it yet. It is tried again until one does."""
    PARTLY = "partly"
    """Some of the members can fetch it by now."""
    SENT = "sent"
    """Every member can fetch it from a relay of theirs."""
    REFUSED = "refused"
    """Every relay of some member has refused it for good."""
    ELSEWHERE = "elsewhere"
    """Ours, and written on another device."""


class MessageFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a message (kind 15) points to. `sha256` (`x`) is of the encrypted bytes, in hex,
    empty where the message does not say; `size` is theirs, 0 where unknown.

    `key` and `nonce` decrypt it: they are for whoever downloads it, and never shown.
    """

    url: str
    mime_type: str = ""
    sha256: str = ""
    sha256_plain: str = ""
    size: int = 0
    dimensions: str = ""
    blurhash: str = ""
    thumbhash: str = ""
    algorithm: str = "aes-gcm"
    key: bytes = b""
    nonce: bytes = b""
    fallbacks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<MessageFile {self.mime_type} of {self.size} bytes>"


class PrivateMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message, as it stands now. `id` is that of its rumor, `created_at` in seconds.

    `reply_to` is the id of the message that it answers, "" for none; `quotes` are the values of
    its `q` tags; `reactions` are (pubkey, content), the oldest first. Where it is `deleted` its
    text is empty. `edited`: it stands in place of an earlier text. `expires_at` is 0 for never.
    `muted` says why the account does not want to see it, which may hold raw text; "" if it does.
    """

    id: str
    author: str
    room: frozenset[str]
    created_at: int
    text: str
    reply_to: str = ""
    quotes: tuple[str, ...] = ()
    subject: str = ""
    reactions: tuple[tuple[str, str], ...] = ()
    file: MessageFile | None = None
    deleted: bool = False
    edited: bool = False
    expires_at: int = 0
    unread: bool = False
    protocol: MessageProtocol = MessageProtocol.NIP17
    delivery: Delivery = Delivery.RECEIVED
    muted: str = ""

    @property
    def cursor(self) -> tuple[int, str]:
        """Where the page that ends with it goes on: `messages(room, before=message.cursor)`."""
        return self.created_at, self.id

    def __repr__(self) -> str:
        return f"<PrivateMessage {self.id[:12]} by {self.author[:12]}>"


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One room: `members` are its keys, the account's own among them, and name it. `subject` is the
    newest, "" without any. `request`: nobody who wrote here is followed, or was written to.
    `muted`: everybody else in it is muted, or what a request says is; it counts as unread nowhere.
    """

    members: frozenset[str]
    subject: str
    last: PrivateMessage | None
    unread: int
    request: bool
    protocol: MessageProtocol = MessageProtocol.NIP17
    muted: bool = False

    def others(self, me: str) -> tuple[str, ...]:
        """The members but `me`, sorted; `me` alone for a room with nobody else."""
        return tuple(sorted(self.members - {me})) or (me,)


class ChangeKind(StrEnum):
    """What `watch` tells of."""

    MESSAGE = "message"
    """A message that was not here, received or written; read it by its id."""
    UPDATED = "updated"
    """A message is deleted, edited, reacted to, delivered, or gone: what was shown is old."""
    ROOM = "room"
    """Unread count, subject, or whether it is a request."""
    STATUS = "status"
    """`status` says something else than before."""
    EVERYTHING = "everything"
    """More than could be told one by one: read anew what is shown."""


class MessageChange(msgspec.Struct, frozen=True):
    """`room` is empty for STATUS and EVERYTHING; `message_id` is empty but for the first two."""

    kind: ChangeKind
    room: frozenset[str] = frozenset()
    message_id: str = ""


class Obstacle(StrEnum):
    """Why somebody cannot be written to."""

    NONE = ""
    NO_LIST = "no list"
    """Relays were asked and answered: they name no message relays (kind 10050), so their program
    does not read such messages. Offer: to ask them in public or elsewhere to set it up."""
    NOT_FOUND_YET = "not found yet"
    """No list was found, but not every relay that may have it answered. Offer: try again."""
    NO_USABLE_RELAY = "no usable relay"
    """Their list names no relay that we may dial (another network, no address at all)."""
    TOO_MANY = "too many"
    """More than `MOST_MEMBERS`. Offer: a smaller room; such groups want another protocol."""
    NO_KEY = "no key"
    """The account is only watched."""


class Reachability(msgspec.Struct, frozen=True):
    """Can `pubkey` be written to, and where: their message relays, as far as we may dial them."""

    pubkey: str
    relays: tuple[str, ...] = ()
    obstacle: Obstacle = Obstacle.NONE

    def __bool__(self) -> bool:
        return self.obstacle is Obstacle.NONE

    @property
    def words(self) -> str:
        """Why not, for people; "" where they can be."""
        return WORDS[self.obstacle]


WORDS: Final[Mapping[Obstacle, str]] = {
    Obstacle.NONE: "",
    Obstacle.NO_LIST: "no relays for private messages are named (kind 10050), so none would be"
    " read: their program has to set them first",
    Obstacle.NOT_FOUND_YET: "no relays for private messages were found, but not every relay"
    " answered: try again",
    Obstacle.NO_USABLE_RELAY: "the relays named for private messages (kind 10050) cannot be used"
    " from here",
    Obstacle.TOO_MANY: f"a room that is written to has at most {MOST_MEMBERS} members",
    Obstacle.NO_KEY: "this account is only watched: it writes no messages",
}


class MessagesStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far the reading is.

    Of `total` wraps that are here `opened` were opened, now or earlier, and `waiting` still are to
    be, the newest first; `failed` cannot be opened, `forged` were dropped since who sealed them did
    not write them, `other_key` are for a separate encryption key (NIP-4E) that is not here.
    `signer_problem`: why the signer opens nothing at the moment; it is asked again by itself.
    `ends` tells how each message relay answered; `synced`: all have sent what they had.
    `request_overflow`: so many messages of strangers found no more room among the requests.
    `damaged`: places in the file of what was opened that cannot be read; the messages are opened
    again. `problem`: what could not be read or written here, the last time.
    """

    running: bool = False
    total: int = 0
    opened: int = 0
    waiting: int = 0
    failed: int = 0
    forged: int = 0
    other_key: int = 0
    request_overflow: int = 0
    damaged: int = 0
    signer_problem: str = ""
    problem: str = ""
    synced: bool = False
    by_another_process: bool = False
    """Another process on this folder reads for us: what it opens shows here."""
    ends: Mapping[str, End] = msgspec.field(default_factory=dict)

    @property
    def left_out(self) -> list[str]:
        """What is here and is not shown, and why: in words, for people."""
        told = []
        if self.damaged:
            places = "1 place" if self.damaged == 1 else f"{self.damaged} places"
            told.append(
                f"{places} in the file of opened messages cannot be read: what stood there is "
                "opened again"
            )
        if self.other_key:
            told.append(
                f"{self.other_key} are encrypted for a separate key of yours (NIP-4E), which is "
                "not here"
            )
        if self.request_overflow:
            told.append(
                f"{self.request_overflow} more of strangers found no room among the requests: they "
                "come when you accept or ignore others"
            )
        return told


class MemberCopies(msgspec.Struct, frozen=True):
    """Where the wrap of one message for one member stands, relay by relay."""

    pubkey: str
    copies: tuple[Copy, ...]
