"""Banned words: many of them, found in one pass over a text.

Text and words are compared as they stand and as they look: without regard to case and width (NFKC,
casefold), without the characters that show nothing, with Latin letters for those that look like
them; and where letters are parted (`v.i.a.g.r.a`), marked or made of digits, also without that. A
word stands for itself, not for a part of a longer one, unless it begins or ends with `*`; in
scripts that do not part words by blanks it is found anywhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Event, Tag
from nostr_client.protocol.kinds import DIRECT_MESSAGE, GIFT_WRAPS, SEAL
from nostr_client.safe_text import normalized
from relays.policies.lookalikes import latin
from relays.policies.verdict import ACCEPTED, IncomingEvent, Policy, Verdict, refused

MOST_CHARACTERS: Final = 100
"""In one banned word or phrase."""
FEWEST_CHARACTERS: Final = 3
"""In a word that is to be banned; in a script without blanks, one fewer."""
_UNSEEN: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SENTENCES: Final = re.compile("[\ufdfa\ufdfb]")
"""Each stands for a whole sentence: 18 letters that one did not have to send."""
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_BLANKS: Final = re.compile(r"\s+")
_NO_BLANKS: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Burmese, Khmer, Kana and Han."""
_NOT_TOLD: Final = frozenset(
    {"relay", "url", "image", "thumb", "nonce", "expiration", "challenge", "payload", "method"}
    | {"bolt11", "preimage", "proxy", "delegation", "encrypted", "zap", "server", "clone", "web"}
)
"""Tags of several letters whose elements are written for programs."""
_TOLD: Final = frozenset("tlLg")
"""Tags of one letter whose elements are written for people."""
_PETNAME: Final = 3
"""Which element of a `p` tag is a name."""
ENCRYPTED: Final = frozenset({DIRECT_MESSAGE, SEAL, *GIFT_WRAPS, 1060, 24133})
"""Kinds whose content is nobody's words before it is decrypted."""
_PARTED: Final = "\n;\n"
"""Between texts that have nothing to do with each other: no phrase reaches over it."""

# Each is linear: no two of its parts can take the same character.
_ESCAPES: Final = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_MARKUP: Final = re.compile(r"(?<=[^\W_])(?:[*_~`]{1,3}|<[^<>]{1,100}>)(?=[^\W_])")
_SPACED: Final = re.compile(r"(?<![^\W_])(?:[^\W_][\W_]{1,2}){2,}[^\W_](?![^\W_])")
_NO_LETTER: Final = re.compile(r"[\W_]+")
_DIGITS: Final = re.compile(
    r"(?<![a-z0-9@$!|])(?=[0-9@$!|]*[a-z])(?=[a-z]*[0-9@$!|])[a-z0-9@$!|]{3,}"
)
_READ_AS: Final = tuple(
    str.maketrans("013457@$!|", letters) for letters in ("oieastasii", "oleastasll")
)
_ENTITIES: Final = re.compile("&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")

_Trie = dict[str, Any]


def plain(text: str) -> str:
    """`text` as it is compared: as it stands, and then in every other way in which it is read."""
    if "\\u" in text:
        text = _ESCAPES.sub(_unescaped, text)
    if "&" in text:
        text = _ENTITIES.sub(lambda found: html.unescape(found[0]), text)
    if not text.isprintable():
        text = _CONTROLS.sub("", text)
    looks = looked_at(text)
    bare = _MARKUP.sub("", looks) if any(mark in looks for mark in "*_~`<") else looks
    forms = [_stands(text), looks, bare]
    forms += [_NO_LETTER.sub("", found) for found in _SPACED.findall(bare)]
    if _DIGITS.search(bare):
        forms += [_as_letters(bare, table) for table in _READ_AS]
    return _PARTED.join(dict.fromkeys(forms))


def _as_letters(text: str, table: dict[int, int]) -> str:
    return _DIGITS.sub(lambda found: found[0].translate(table), text)


def looked_at(text: str) -> str:
    """`text` as a reader sees it, in Latin letters wherever they could be some."""
    return latin(text if text.isascii() else _UNSEEN.sub("", text))


def _stands(text: str) -> str:
    if text.isascii():
        return text.lower()
    return normalized("NFKC", _SENTENCES.sub(" ", _UNSEEN.sub("", text))).casefold()


def _unescaped(found: re.Match[str]) -> str:
    """JSON's escapes, two for a character beyond 16 bits."""
    return bytes.fromhex(found[0].replace("\\u", "")).decode("utf-16-be", "replace")


def checked_word(text: str) -> str:
    """A word as it is kept. Raises InvalidData for one that would match nothing, or everything."""
    word = _BLANKS.sub(" ", _stands(text)).strip()
    if not word.strip("* "):
        raise InvalidData("a banned word has at least one character besides *")
    if not word.isprintable():
        raise InvalidData("a banned word has no characters that cannot be shown")
    if len(word) > MOST_CHARACTERS:
        raise InvalidData(f"a banned word has at most {MOST_CHARACTERS} characters")
    return word


def narrow_word(text: str) -> str:
    """`checked_word` of one to be banned. Raises InvalidData also where it would stop everybody."""
    word = checked_word(text)
    bare = re.sub(r"[*\s]", "", word)
    fewest = FEWEST_CHARACTERS - (1 if _NO_BLANKS.search(bare) else 0)
    if len(bare) < fewest or not any(map(str.isalnum, bare)):
        raise InvalidData(
            f"{word} stands in what everybody writes: a banned word has at least {fewest}"
            " characters besides *, letters or digits among them"
        )
    return word


def pattern_of(words: Iterable[str]) -> re.Pattern[str] | None:
    """One expression that finds any of the checked `words` in a plain text; None for none.

    Common beginnings are tried once, so that a thousand words cost little more than one.
    """
    tries: dict[bool, _Trie] = {True: {}, False: {}}
    for text in dict.fromkeys(form for word in words for form in (_stands(word), looked_at(word))):
        if not text.strip("* "):
            continue  # it is made of accents alone
        start, end = not text.startswith("*"), not text.endswith("*")
        word = text.strip("*").strip()
        start = start and _is_edge(word[0])
        place = tries[start]
        for char in word:
            place = place.setdefault(char, {})
        place["end" if end and _is_edge(word[-1]) else "anywhere"] = {}
    parts = [
        rf"(?<!\w){_spelled(tries[True])}" if tries[True] else "",
        _spelled(tries[False]) if tries[False] else "",
    ]
    expression = "|".join(part for part in parts if part)
    return re.compile(expression) if expression else None


def _is_edge(char: str) -> bool:
    """Must something else than a letter stand beside `char`?"""
    return (char.isalnum() or char == "_") and _NO_BLANKS.match(char) is None


def _spelled(trie: _Trie) -> str:
    """The expression of what a trie holds. Its depth is bounded by the length of a word."""
    if "anywhere" in trie:
        return ""
    branches = [
        (r"\s+" if char == " " else re.escape(char)) + _spelled(rest)
        for char, rest in sorted(trie.items())
        if char != "end"
    ]
    if "end" in trie:
        branches.append(r"(?!\w)")
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def found_in(event: Event, pattern: re.Pattern[str]) -> bool:
    """Does what `event` says to people hold a banned word?"""
    told = [] if event.kind in ENCRYPTED else [event.content]
    for tag in event.tags:
        told += _told(tag)
    return pattern.search(plain(_PARTED.join(told))) is not None


def _told(tag: Tag) -> Iterator[str]:
    """What a tag says to people."""
    name = tag[0]
    if name == "p":
        yield from tag[_PETNAME : _PETNAME + 1]
    elif name in _TOLD or (len(name) > 1 and name not in _NOT_TOLD):
        yield from (value for value in tag[1:] if value and "://" not in value)


def without_words(words: Iterable[str]) -> Policy:
    """Nothing that has one of `words` or phrases in what it says to people.

    Raises InvalidData for a word that would match nothing, or everything.
    """
    pattern = pattern_of(sorted({checked_word(word) for word in words}))

    def check(incoming: IncomingEvent) -> Verdict:
        if pattern is not None and found_in(incoming.event, pattern):
            return refused("blocked: it has words that are not wanted here")
        return ACCEPTED

    return check
