"""What is offered while a word is being typed, and the names that stand for keys meanwhile. Pure.

A person who was chosen stands in the text as `@name`; what is kept and sent has `nostr:npub1...`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from nostr_client.nips import nip19, nip27
from nostr_client.safe_text import safe_line
from nostr_client.social.completion import Vocabulary
from nostr_client.social.views import Profile

MOST_OFFERED: Final = 6
MOST_TYPED: Final = 40
"""Characters of a word that is looked up."""
_word = re.compile(rf"(?:^|(?<=[\s(]))(?P<sign>[@#:])(?P<typed>[^\s@#:()]{{1,{MOST_TYPED}}})$")


class Offer(NamedTuple):
    """One choice: what stands in the text for it, what the list says beside it, and whom it
    names."""

    text: str
    beside: str = ""
    person: Profile | None = None


class Typed(NamedTuple):
    """A word that is being typed: its sign, the rest, and the column where it begins."""

    sign: str
    word: str
    start: int


def typed_in(before: str) -> Typed | None:
    """The word at the end of `before`, a line up to the cursor, if something is offered for it."""
    found = _word.search(before)
    return Typed(found["sign"], found["typed"], found.start()) if found else None


def offers(typed: Typed, known: Vocabulary) -> list[Offer]:
    """What the word may become, the likeliest first."""
    word = typed.word.casefold()
    match typed.sign:
        case "@":
            return _people(word, known)
        case "#":
            fitting = (tag for tag in known.hashtags if tag.startswith(word) and tag != word)
            return [Offer(f"#{safe_line(tag, 60)}") for tag in _first(fitting)]
    codes = (code for code in known.emoji if code.casefold().startswith(word))
    return [Offer(f":{code}:", "your emoji") for code in _first(codes)]


def _people(word: str, known: Vocabulary) -> list[Offer]:
    """Those who are followed first, then a name that begins so before one that has such a word."""
    ranked: list[tuple[bool, int, int, Profile]] = []
    for place, person in enumerate(known.people):
        if (rank := _rank(word, person)) is not None:
            ranked.append((place >= known.followed, rank, place, person))
    ranked.sort(key=lambda entry: entry[:3])
    return [
        Offer(f"@{person.label}", _beside(person, place < known.followed), person)
        for _, _, place, person in ranked[:MOST_OFFERED]
    ]


def _rank(word: str, person: Profile) -> int | None:
    """0: a name begins with it, 1: a later word of one does, 2: the NIP-05 name; None: nothing."""
    names = [name.casefold() for name in (person.petname, person.display_name, person.name) if name]
    if any(name.startswith(word) for name in names):
        return 0
    if any(part.startswith(word) for name in names for part in name.split()):
        return 1
    return 2 if person.nip05.casefold().startswith(word) else None


def _beside(person: Profile, followed: bool) -> str:
    words = f"{person.handle} ✓" if person.handle else person.short_npub
    return f"{words}  you follow" if followed else words


def _first(words: Iterator[str]) -> list[str]:
    return [word for word, _ in zip(words, range(MOST_OFFERED), strict=False)]


class MentionNames:
    """Names in a text that is being written, each for one code."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}

    def name(self, label: str, code: str) -> str:
        """What stands in the text for `code` (`nostr:npub1...`), the person being called so."""
        label = label.replace("@", "").strip() or "?"
        number = 1
        while self._codes.setdefault(wanted := f"@{label}{number if number > 1 else ''}", code) != (
            code
        ):
            number += 1
        return wanted

    def named(self, text: str) -> int:
        """How many people the text names so."""
        return sum(self._pattern(name).search(text) is not None for name in self._codes)

    def kept(self, text: str) -> str:
        """The text as it is kept and sent."""
        for name in sorted(self._codes, key=len, reverse=True):
            text = self._pattern(name).sub(self._codes[name], text)
        return text

    def shown(self, text: str, label_of: Callable[[str], str]) -> str:
        """A kept text as it is shown; `label_of` tells a known person's name, or nothing."""
        pieces: list[str] = []
        for part in nip27.parts(text):
            piece = part.text
            if isinstance(part, nip27.MentionPart):
                match part.code:
                    case nip19.Npub(pubkey=pubkey) | nip19.Nprofile(pubkey=pubkey):
                        label = label_of(pubkey)
                        piece = self.name(label, part.text) if label else piece
            pieces.append(piece)
        return "".join(pieces)

    @staticmethod
    def _pattern(name: str) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
