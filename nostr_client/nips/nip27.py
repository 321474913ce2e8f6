"""The text of a note in its parts: words, links, hashtags, mentions (NIP-21, NIP-27).

The texts of all parts, put together, are the content again. The work grows with its length only:
no pattern goes back over what it has read, and so many characters of codes are decoded and no more.
"""

from __future__ import annotations

import functools
import re
from typing import Final

import msgspec

from nostr_client.errors import InvalidCode
from nostr_client.nips import nip19

MAX_HASHTAG: Final = 100
"""Characters of a hashtag; what is longer is no word."""
MAX_MENTIONS: Final = 200
"""Codes read in one content; those after them stay text."""
_MAX_DECODED: Final = 20_000
"""Characters of codes read in one content: some 20 ms of work."""

_BECH32: Final = "02-9ac-hj-np-z"
_UNSEEN: Final = "\x00-\x20\x7f-\xa0\u1680\u2000-\u200b\u200e-\u200f\u2028-\u202f\u205f-\u206f"
_UNSEEN_TOO: Final = "\u3000\ufeff\ufff9-\ufffc\ud800-\udfff"
_FULL_STOPS: Final = (
    "\u3001-\u3002\u3008-\u3011\u3014-\u301f\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f"
)
_NOT_IN_URL: Final = f'{_UNSEEN}{_UNSEEN_TOO}{_FULL_STOPS}<>"`'
_NOT_IN_TAG: Final = (
    f"{_UNSEEN}{_UNSEEN_TOO}{_FULL_STOPS}"
    "\x21-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7e\xa1-\xa9\xab-\xb4\xb6-\xb9\xbb-\xbf\xd7\xf7"
    "\u0589\u05be\u060c\u061b\u061f\u06d4\u0964\u0965\u0e2f\u104a\u104b\u1361-\u1368\u17d4-\u17d6"
    "\u2010-\u205e\u3003\u3020\u3030\uff00-\uff0f\uff1a-\uff20\uff3b-\uff3e\uff40\uff5b-\uff65"
)
_PATTERN: Final = re.compile(
    "(?P<mention>(?<![A-Za-z0-9])(?:(?i:nostr):|@)"
    f"(?:(?:npub|note)1[{_BECH32}]{{58}}|(?:nprofile|nevent|naddr)1[{_BECH32}]{{6,5000}}+))"
    f"|(?P<url>(?<![A-Za-z0-9])(?i:https?|wss?)://[^/?#{_NOT_IN_URL}][^{_NOT_IN_URL}]*+)"
    f"|(?P<hashtag>(?<![^{_NOT_IN_TAG}])(?<![/&#])"
    f"\\#[^{_NOT_IN_TAG}]{{1,{MAX_HASHTAG}}}+(?![^{_NOT_IN_TAG}]))"
)
_AFTER_A_URL: Final = ".,;:!?'*_~…"
_BRACKETS: Final = {")": "(", "]": "[", "}": "{"}


class TextPart(msgspec.Struct, frozen=True):
    """Plain words."""

    text: str


class UrlPart(msgspec.Struct, frozen=True):
    """A link to `http(s)://` or `ws(s)://`; the `text` is the URL, as a stranger wrote it."""

    text: str

    @property
    def url(self) -> str:
        return self.text


class MentionPart(msgspec.Struct, frozen=True):
    """A person or an event that the text names: `text` as it stands there, `code` decoded."""

    text: str
    code: nip19.Mention


class HashtagPart(msgspec.Struct, frozen=True):
    """`#word`; `tag` is the word alone, in the letters that were written."""

    text: str

    @property
    def tag(self) -> str:
        return self.text[1:]


Part = TextPart | UrlPart | MentionPart | HashtagPart


def parts(content: str) -> tuple[Part, ...]:
    """The parts of `content` in order. What only looks like a code or a link stays text.

    A mention begins with `nostr:`, or with `@` as older programs write it.
    """
    found: list[Part] = []
    mentions, budget = MAX_MENTIONS, _MAX_DECODED
    end = 0  # of what is in `found`; what follows and is no other part is text
    for match in _PATTERN.finditer(content):
        part: Part | None
        text = match[0]
        if match.lastgroup == "url":
            part = _link(text)
        elif match.lastgroup == "hashtag":
            part = None if text[1:].isdecimal() else HashtagPart(text)
        elif mentions > 0 and (budget := budget - len(text)) >= 0:
            mentions -= 1
            part = _mention(text)
        else:
            part = None
        if part is not None:
            if match.start() > end:
                found.append(TextPart(content[end : match.start()]))
            found.append(part)
            end = match.start() + len(part.text)
    if end < len(content):
        found.append(TextPart(content[end:]))
    return tuple(found)


@functools.lru_cache(1024)  # the pattern knows no nsec: nothing secret is kept
def _mention(text: str) -> MentionPart | None:
    try:
        code = nip19.decode(text.removeprefix("@"))
    except InvalidCode:
        return None
    return None if isinstance(code, nip19.Nsec) else MentionPart(text, code)


def _link(url: str) -> UrlPart | None:
    """A full stop after a link ends the sentence; a bracket that it did not open is not its own."""
    surplus = {last: url.count(last) - url.count(first) for last, first in _BRACKETS.items()}
    end = len(url)
    while True:
        last = url[end - 1]
        if surplus.get(last, 0) > 0:
            surplus[last] -= 1
        elif last not in _AFTER_A_URL:
            break
        end -= 1
    return None if url[:end].endswith("://") else UrlPart(url[:end])
