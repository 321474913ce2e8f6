"""Kinds of events and how each is kept (NIP-01)."""

from __future__ import annotations

from enum import Enum
from typing import Final

METADATA: Final = 0
NOTE: Final = 1
FOLLOWS: Final = 3
DIRECT_MESSAGE: Final = 4
DELETION: Final = 5
REPOST: Final = 6
REACTION: Final = 7
FORUM_THREAD: Final = 11
"""A conversation with a title, answered by comments (NIP-7D)."""
SEAL: Final = 13
CHAT_MESSAGE: Final = 14
FILE_MESSAGE: Final = 15
GENERIC_REPOST: Final = 16
PICTURE: Final = 20
VIDEO: Final = 21
SHORT_VIDEO: Final = 22
PUBLIC_MESSAGE: Final = 24
"""Words to somebody that all may read, and that stand in no timeline (NIP-A4)."""
VANISH: Final = 62
VOTE: Final = 1018
"""An answer to a poll (NIP-88)."""
GIFT_WRAP: Final = 1059
POLL_VOTE: Final = 1018
FILE_METADATA: Final = 1063
POLL: Final = 1068
COMMENT: Final = 1111
VOICE: Final = 1222
VOICE_COMMENT: Final = 1244
REPORT: Final = 1984
SOFTWARE_ASSET: Final = 3063
"""One file of a program's release, by its hash (NIP-82, a draft)."""
MEMBER_ADDED: Final = 8000
MEMBER_REMOVED: Final = 8001
EPHEMERAL_GIFT_WRAP: Final = 21059
ZAP_REQUEST: Final = 9734
ZAP_RECEIPT: Final = 9735
"""That something was paid for a note, or to somebody (NIP-57)."""
HIGHLIGHT: Final = 9802
MUTES: Final = 10000
PINS: Final = 10001
RELAY_LIST: Final = 10002
BOOKMARKS: Final = 10003
BLOCKED_RELAYS: Final = 10006
SEARCH_RELAYS: Final = 10007
FAVORITE_SETS: Final = 10011
"""Of NIP-51; NIP-39 has put identities there. So it is read, and never written."""
PRIVATE_RELAYS: Final = 10013
EMOJI_LIST: Final = 10030
EMOJI_SET: Final = 30030
DRAFT_WRAP: Final = 31234
"""A draft, encrypted to its author alone (NIP-37)."""
INTERESTS: Final = 10015
TRUSTED_PROVIDERS: Final = 10040
"""Whose assertions of others somebody trusts (NIP-85)."""
ENCRYPTION_KEY: Final = 10044
"""The key that somebody is to be written to with instead of their own (NIP-4E, a draft)."""
DM_RELAYS: Final = 10050
MEDIA_SERVERS: Final = 10063
"""Where somebody's files lie (NIP-B7)."""
RELAY_MONITOR: Final = 10166
MEMBER_LIST: Final = 13534
AUTH: Final = 22242
NOSTR_CONNECT: Final = 24133
"""What a client and a bunker say to each other (NIP-46)."""
BLOSSOM_AUTHORIZATION: Final = 24242
JOIN: Final = 28934
INVITE: Final = 28935
LEAVE: Final = 28936
FOLLOW_SET: Final = 30000
RELAY_SET: Final = 30002
BOOKMARK_SET: Final = 30003
INTEREST_SET: Final = 30015
ARTICLE: Final = 30023
ARTICLE_DRAFT: Final = 30024
RELAY_DISCOVERY: Final = 30166
USER_ASSERTION: Final = 30382
"""What a provider has computed of somebody (NIP-85)."""
SOFTWARE_RELEASE: Final = 30063
"""One version of a program, and which files are it (NIP-82, a draft)."""
APPLICATION_DATA: Final = 30078
"""What a program keeps for itself (NIP-78)."""
SOFTWARE_APPLICATION: Final = 32267
"""A program, as it describes itself (NIP-82, a draft)."""
WIKI: Final = 30818
APP_HANDLER: Final = 31990
"""What kinds of events a program shows, and where (NIP-89)."""
STATUS: Final = 30315
ROLE: Final = 33534
ADDRESSABLE_VIDEO: Final = 34235
ADDRESSABLE_SHORT_VIDEO: Final = 34236
STARTER_PACK: Final = 39089
WEB_BOOKMARK: Final = 39701

REPOSTS: Final = (REPOST, GENERIC_REPOST)
COMMENTS: Final = (COMMENT, VOICE_COMMENT)
"""What answers anything but a note, and says in what scope (NIP-22)."""
VIDEOS: Final = (VIDEO, SHORT_VIDEO, ADDRESSABLE_VIDEO, ADDRESSABLE_SHORT_VIDEO)
VOICES: Final = (VOICE, VOICE_COMMENT)
POSTS: Final = frozenset(
    {
        *(NOTE, *REPOSTS, *COMMENTS, FORUM_THREAD),
        *(PICTURE, *VIDEOS, VOICE, POLL, HIGHLIGHT, ARTICLE),
    }
)
"""What people say and show to whoever follows them, and what stands in timelines."""
GIFT_WRAPS: Final = (GIFT_WRAP, EPHEMERAL_GIFT_WRAP)
"""Events signed by a key made for them alone: whom they concern, their `p` tags say (NIP-59)."""

ADDRESSING: Final = frozenset({NOTE, COMMENT, VOICE_COMMENT, PUBLIC_MESSAGE})
"""What people write to somebody, or of them, and name them in (`p`)."""
MENTIONING: Final = ADDRESSING | {*REPOSTS, REACTION, ZAP_RECEIPT}
"""What people see of how others name them (`p`)."""

MAX_KIND: Final = 65535


class KindClass(Enum):
    """How a relay keeps an event of a kind."""

    REGULAR = "regular"
    REPLACEABLE = "replaceable"
    EPHEMERAL = "ephemeral"
    ADDRESSABLE = "addressable"


def kind_class(kind: int) -> KindClass:
    """The class of `kind`. Numbers that NIP-01 leaves open are regular: nothing is dropped."""
    if kind in (METADATA, FOLLOWS) or 10_000 <= kind < 20_000:
        return KindClass.REPLACEABLE
    if 20_000 <= kind < 30_000:
        return KindClass.EPHEMERAL
    if 30_000 <= kind < 40_000:
        return KindClass.ADDRESSABLE
    return KindClass.REGULAR


def is_ephemeral(kind: int) -> bool:
    return 20_000 <= kind < 30_000


def is_replaceable(kind: int) -> bool:
    """True for replaceable and addressable kinds: a newer version supersedes an older one."""
    return kind in (METADATA, FOLLOWS) or 10_000 <= kind < 20_000 or 30_000 <= kind < 40_000


SETS: Final = frozenset(
    {
        *(FOLLOW_SET, RELAY_SET, BOOKMARK_SET, 30004, 30005, 30006, 30007),
        *(INTEREST_SET, EMOJI_SET, STARTER_PACK, 39092),
    }
)
"""Lists that have a name (NIP-51): each edition replaces all of the one before."""
