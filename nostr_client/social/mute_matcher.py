"""Does a mute list speak of an event? Compiled once a list, asked once an event. Pure.

**Words** are compared without case, in what a person reads: the text, the title, the summary. A
word is not found inside of another: a letter of an alphabet with capitals and small letters ends
where no other such letter follows. Where words are written without spaces between them (Chinese,
Thai), they are found wherever they stand.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final
from unicodedata import normalize

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tag
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.kinds import REPOSTS

_READ: Final = frozenset({"title", "summary", "subject", "alt"})
_THREAD: Final = frozenset({"e", "E"})
_no_room: Final = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
).sub


class MuteMatcher:
    """What `entries` (NIP-51: `p`, `t`, `word`, `e`) and the `muted_kinds` of this client hide from
    the account `owner`, whose own events are never hidden."""

    def __init__(
        self, entries: Iterable[Tag] = (), muted_kinds: Collection[int] = (), owner: str = ""
    ) -> None:
        named = [tag[:2] for tag in entries if len(tag) > 1 and tag[1]]
        self.people: Final = frozenset(v for name, v in named if name == "p" and is_hex64(v)) - {
            owner
        }
        self.threads: Final = frozenset(v for name, v in named if name == "e" and is_hex64(v))
        self.topics: Final = frozenset(v.casefold() for name, v in named if name == "t")
        self.words: Final = tuple(
            dict.fromkeys(folded(v) for name, v in named if name == "word" and folded(v))
        )
        self.kinds: Final = frozenset(muted_kinds)
        self.owner = owner

    def why(self, event: Event) -> str:
        """Why `event` is hidden, in a few words, which may hold raw text; "" if it is not."""
        if event.pubkey == self.owner:
            return ""
        if self.is_by_muted(event):
            return "by somebody you muted"
        if event.kind in self.kinds:
            return f"you muted kind {event.kind}"
        return self._why_tags(event) or self._why_words(event)

    def why_said(self, author: str, text: str) -> str:
        """The same of what `author` (hex) said in private: no event that others can see."""
        if author == self.owner:
            return ""
        return "by somebody you muted" if author in self.people else self._why_text(text)

    def is_by_muted(self, event: Event) -> bool:
        """Did somebody muted do it? A receipt is signed by whoever was paid with; `P` says who paid
        (NIP-57)."""
        if event.kind == kinds.ZAP_RECEIPT and event.value("P") in self.people:
            return True
        return event.pubkey in self.people

    def _why_tags(self, event: Event) -> str:
        if event.id in self.threads:
            return "you muted this thread"
        if not (self.threads or self.topics):
            return ""
        for tag in event.tags:
            if len(tag) < 2:
                continue
            if tag[0] in _THREAD and tag[1] in self.threads:
                return "you muted this thread"
            if tag[0] == "t" and tag[1].casefold() in self.topics:
                return f"you muted #{tag[1].casefold()}"
        return ""

    def _why_words(self, event: Event) -> str:
        if not self.words or event.kind in REPOSTS:  # those hold an event, in JSON
            return ""
        read = (tag[1] for tag in event.tags if tag[0] in _READ and tag[1:])
        return self._why_text("\n".join([event.content, *read]))

    def _why_text(self, text: str) -> str:
        text = folded(text) if self.words else ""
        found = next((word for word in self.words if word in text and _stands(word, text)), "")
        return f"you muted “{found}”" if found else ""


def folded(text: str) -> str:
    """As words are compared: wide and styled letters are plain ones, case and what takes no room
    (a zero-width joiner in the middle of a word) do not count."""
    if not text.isascii():
        text = _no_room("", normalize("NFKC", text))
    return text.casefold().strip()


NOTHING_MUTED: Final = MuteMatcher()


def _stands(word: str, text: str) -> bool:
    """Is `word` in `text` as a word, and not only as a part of another?"""
    at = text.find(word)
    while at >= 0:
        end = at + len(word)
        begins = not (word[0].islower() and text[at - 1 : at].islower())
        if begins and not (word[-1].islower() and text[end : end + 1].islower()):
            return True
        at = text.find(word, at + 1)
    return False
