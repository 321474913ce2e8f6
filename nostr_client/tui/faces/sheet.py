"""What a face writes on: text from the network becomes safe, styled lines of a width here.

Every piece goes through `safe_text` or `safe_line` and into `Content`, which reads no markup.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from textual.content import Content, Span
from textual.style import Style

from nostr_client.nips import nip19, nip27
from nostr_client.protocol.event import Event
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.social.views import NoteView, Profile, Quote
from nostr_client.tui.widgets.items import Styles

NameOf = Callable[[str], str]
"""A pubkey -> how the person is called here, short and safe."""

QUOTE: Final = "┃"
"""Begins each line of a quoted note; in what people write it becomes `|`."""
MOST_CODE: Final = 2_000
"""Lines of code of one event."""
MOST_LINK: Final = 2_000
"""Characters of a URL that a terminal is told."""
MOST_EMOJI: Final = 100
"""Custom emoji that one event may name."""
_SHORTCODE: Final = re.compile(r":([A-Za-z0-9_-]{1,64}):")


@dataclass(frozen=True, slots=True)
class Sheet:
    """`width` cells wide, for at most `most` characters of one text; `style` gives a component
    class its style, `name_of` a pubkey its name, `now` is the time in seconds since 1970."""

    width: int
    style: Styles
    name_of: NameOf
    most: int
    now: float = 0.0

    def body(self, view: NoteView) -> list[Content]:
        """The text of an event as it stands in its `content`: wrapped, or nothing."""
        content = self.text(view.parts, view.quotes, emoji_of(view.event))
        return content.wrap(self.width) if content.plain.strip() else []

    def written(self, text: str) -> list[Content]:
        """Any text of an event (a comment, a summary) with its links and mentions, wrapped."""
        content = self.text(nip27.parts(text[: self.most + 1]))
        return content.wrap(self.width) if content.plain.strip() else []

    def line(self, text: str, kind: str = "text") -> list[Content]:
        """One line of `text`, cut where it is too long; none where it says nothing. `kind` is what
        stands behind `note--` in a component class."""
        shown = plain(safe_line(text[: self.most]))
        return [self._styled(shown, kind).truncate(self.width, ellipsis=True)] if shown else []

    def words(self, text: str, kind: str = "dim") -> list[Content]:
        """`text` on one line or several, wrapped; none where it says nothing."""
        shown = plain(safe_line(text[: self.most]))
        return self._styled(shown, kind).wrap(self.width) if shown else []

    def code(self, text: str) -> list[Content]:
        """Lines of code: as they stand, each cut where it is too long and none wrapped."""
        shown = safe_text(text[: self.most])
        style = self.style("note--text")
        lines = (Content.styled(plain(line), style) for line in shown.split("\n")[:MOST_CODE])
        return [line.truncate(self.width, ellipsis=True) for line in lines] if shown.strip() else []

    def narrower(self, cells: int) -> Sheet:
        """The same with less room."""
        return replace(self, width=max(self.width - cells, 1))

    def text(
        self,
        parts: Sequence[nip27.Part],
        quotes: Sequence[Quote] = (),
        emoji: Collection[str] = (),
    ) -> Content:
        """The parts of a text, each made safe and given its style; `emoji` are names that stand
        between colons in it (NIP-30)."""
        pieces: list[str] = []
        spans: list[Span] = []
        length = 0
        for part in parts:
            shown, kind = self._part(part, quotes)
            shown = shown.replace(QUOTE, "|")
            room = self.most - length
            if len(shown) > room:
                shown = f"{shown[:room]} … (a very long note, cut here)"
            pieces.append(shown)
            style = self.style(f"note--{kind}")
            if isinstance(part, nip27.UrlPart):
                style += opened_by_terminal(part.url)
            spans.append(Span(length, length + len(shown), style))
            if emoji and kind == "text":
                spans += self._emoji(shown, length, emoji)
            length += len(shown)
            if length >= self.most:
                break
        whole = "".join(pieces)
        return Content(whole.rstrip(), spans)[len(whole) - len(whole.lstrip("\n")) :]

    def name(self, person: Profile) -> str:
        """A person whom the background reading does not know: their name is looked for."""
        unnamed = person.event is None and person.label == person.short_npub
        return label(self.name_of(person.pubkey) if unnamed else person.label)

    def _styled(self, text: str, kind: str) -> Content:
        return Content.styled(text, self.style(f"note--{kind}"))

    def _emoji(self, shown: str, start: int, emoji: Collection[str]) -> list[Span]:
        style = self.style("note--mention")
        found = (match for match in _SHORTCODE.finditer(shown) if match[1] in emoji)
        return [Span(start + match.start(), start + match.end(), style) for match in found]

    def _part(self, part: nip27.Part, quotes: Sequence[Quote]) -> tuple[str, str]:
        match part:
            case nip27.MentionPart():
                return self._mention(part, quotes), "mention"
            case nip27.UrlPart():
                return safe_line(part.url), "link"
            case nip27.HashtagPart():
                return f"#{safe_line(part.tag)}", "link"
            case nip27.TextPart():
                return safe_text(part.text), "text"

    def _mention(self, part: nip27.MentionPart, quotes: Sequence[Quote]) -> str:
        match part.code:
            case nip19.Npub(pubkey=pubkey) | nip19.Nprofile(pubkey=pubkey):
                return f"@{label(self.name_of(pubkey))}"
            case nip19.Note(id=id) | nip19.Nevent(id=id):
                author = next((quote.author for quote in quotes if quote.id == id), None)
                return f"↗ a note by {self.name(author)}" if author else "↗ a note"
            case nip19.Naddr(address=address, pubkey=pubkey):
                here = any(quote.event and quote.event.address == address for quote in quotes)
                return f"↗ what {label(self.name_of(pubkey))} wrote{': below' if here else ''}"
        return "↗ " + safe_line(part.text, 24)


def opened_by_terminal(url: str) -> Style:
    """A link that the terminal itself opens (OSC 8), whole where it is broken over lines; of our
    own making, so that nothing of the network's stands in an escape sequence but a plain URL."""
    bare = quote(url, safe="%/:=&?~#+!$,;'@()*[]-._")
    fit = len(bare) <= MOST_LINK and bare.lower().startswith(("https://", "http://"))
    return Style(link=bare) if fit else Style()


def emoji_of(event: Event) -> frozenset[str]:
    """The names of the custom emoji that `event` brings along (NIP-30)."""
    names = [tag[1] for tag in event.tags if tag[0] == "emoji" and len(tag) > 2]
    return frozenset(names[:MOST_EMOJI])


def plain(line: str) -> str:
    """A safe line without what only a quote begins with, and without tabs."""
    return line.replace(QUOTE, "|").expandtabs(4)


def label(text: str) -> str:
    """The name of a person, on one short line; never empty."""
    return safe_line(text, 40).replace(QUOTE, "|").strip() or "?"
