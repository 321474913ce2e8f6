"""The text of a note in its parts: words, links, hashtags, mentions (NIP-21, NIP-27).

The texts of all parts, put together, are the content again. Time is linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from nostr_client.errors import InvalidCode
from nostr_client.nips import nip19

# A code ends where bech32 ends; NIP-19 asks readers for no more than 5,000 characters.
_PATTERN = re.compile(
    r"(?P<mention>(?<![A-Za-z0-9])(?:nostr:|@)(?:npub|note|nprofile|nevent|naddr)1[02-9ac-hj-np-z]{6,5000})"
    r"|(?P<url>(?<![A-Za-z0-9])(?:https?|wss?)://[^\s<>\"'`\x00-\x20]{1,2000})"
    r"|(?P<hashtag>(?<![\w/&#])\#[\w]{1,100})"
)
_TRAILING = ".,;:!?…"
_BRACKETS = {")": "(", "]": "[", "}": "{"}


class TextPart(msgspec.Struct, frozen=True):
    """Plain words."""

    text: str


class UrlPart(msgspec.Struct, frozen=True):
    """A link; the `text` is the URL."""

    text: str

    @property
    def url(self) -> str:
        return self.text


class MentionPart(msgspec.Struct, frozen=True):
    """A person or an event that the text names; `text` as it stands there, `code` decoded."""

    text: str
    code: nip19.Mention


class HashtagPart(msgspec.Struct, frozen=True):
    """`#word`; `tag` is the word alone."""

    text: str

    @property
    def tag(self) -> str:
        return self.text[1:]


Part = TextPart | UrlPart | MentionPart | HashtagPart


def parts(content: str) -> tuple[Part, ...]:
    """The parts of `content` in order. What only looks like a code or a link stays text."""
    found: list[Part] = []
    plain = ""
    for part in _scan(content):
        if isinstance(part, TextPart):
            plain += part.text
            continue
        if plain:
            found.append(TextPart(plain))
            plain = ""
        found.append(part)
    if plain:
        found.append(TextPart(plain))
    return tuple(found)


def _scan(content: str) -> Iterator[Part]:
    end = 0
    for match in _PATTERN.finditer(content):
        if match.start() > end:
            yield TextPart(content[end : match.start()])
        text = match.group()
        part: Part
        if match.lastgroup == "mention":
            part = _mention(text)
        elif match.lastgroup == "url":
            part = UrlPart(_without_punctuation(text))
        else:
            part = HashtagPart(text) if not text[1:].isdecimal() else TextPart(text)
        yield part
        end = match.start() + len(part.text)
        if end < match.end():
            yield TextPart(content[end : match.end()])
            end = match.end()
    if end < len(content):
        yield TextPart(content[end:])


def _mention(text: str) -> Part:
    try:
        code = nip19.decode(text.removeprefix("@"))
    except InvalidCode:
        return TextPart(text)
    return TextPart(text) if isinstance(code, nip19.Nsec) else MentionPart(text, code)


def _without_punctuation(url: str) -> str:
    """A full stop after a link ends the sentence; a bracket that it did not open is not its own."""
    while url:
        last = url[-1]
        opened = _BRACKETS.get(last)
        if last in _TRAILING or (opened and url.count(last) > url.count(opened)):
            url = url[:-1]
        else:
            break
    return url
