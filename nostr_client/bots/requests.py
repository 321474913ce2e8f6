"""What somebody asks of a bot, and whether it is a person who asks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nostr_client.errors import InvalidData
from nostr_client.nips import nip10, nip19, nip22
from nostr_client.nips.nip10 import Ref
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tag, Tags

if TYPE_CHECKING:
    from nostr_client.client.client import NostrClient
    from nostr_client.social.messages.views import PrivateMessage

BY_A_BOT: Final[Tags] = (("L", "bot"), ("l", "bot", "bot"))
"""What a bot says of its answers (a label, NIP-32), so that no other bot answers them."""
_ADDRESSED: Final = re.compile(r"\s*(?:nostr:)?(?:@\S+|n(?:pub|profile)1[02-9ac-hj-np-z]+)[,:]?\s*")
_CODE: Final = re.compile("n(?:pub|profile)1[02-9ac-hj-np-z]+")


@dataclass(frozen=True)
class BotRequest:
    """`author` (hex) asks: `text` is what stands behind the `command`, or all of it where there is
    none (""). `event` is the note, `message` the private message: one of them is None. All texts
    are raw, and anybody's."""

    id: str
    author: str
    created_at: int
    command: str
    text: str
    client: NostrClient
    event: Event | None = None
    message: PrivateMessage | None = None

    @property
    def is_private(self) -> bool:
        return self.message is not None


def command_of(text: str, prefix: str) -> tuple[str, str]:
    """The command in a text, without its prefix and in small letters, or "", and what follows it.
    Whom the text is addressed to, at its beginning, belongs to neither."""
    at = 0
    while match := _ADDRESSED.match(text, at):
        at = match.end()
    text = text[at:].strip()
    first, _, rest = text.partition(" ") if " " in text else (text, "", "")
    if not first.startswith(prefix) or first == prefix:
        return "", text
    return first.removeprefix(prefix).casefold(), rest.strip()


def is_by_a_bot(tags: Iterable[Tag]) -> bool:
    """Does what has these tags say so?"""
    return any(tag[0] == "l" and "bot" in tag[1:3] for tag in tags)


def parent_of(event: Event) -> Ref:
    """What a note or a comment answers directly; its id is "" where it answers nothing. Who wrote
    that, it says itself."""
    if event.kind == kinds.COMMENT:
        parent = nip22.scopes(event).parent
        return Ref(parent.id, pubkey=parent.pubkey) if parent else Ref("")
    return nip10.thread_refs(event).reply or Ref("")


def thread_of(event: Event) -> str:
    """What names the thread of a note or a comment: what began it."""
    if event.kind == kinds.COMMENT:
        root = nip22.scopes(event).root
        return root.key if root else event.id
    began = nip10.thread_refs(event).root
    return began.key if began else event.id


def names(text: str, pubkey: str) -> bool:
    """Does a text name `pubkey` (hex), by a code?"""
    for code in _CODE.findall(text):
        try:
            if nip19.pubkey_of(code) == pubkey:
                return True
        except InvalidData:
            continue
    return False
