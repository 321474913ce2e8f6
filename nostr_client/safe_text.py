"""Hostile text made safe to show: the only way from the network to a screen.

Whoever writes a note chooses every character of it, and a terminal obeys some of them. After
`safe_text` nothing is left that moves the cursor, colours, retitles, reaches the clipboard,
reorders or hides text, or lets the width on the screen differ without bound from the one computed:

1. escape sequences (CSI, OSC, DCS, APC, PM, SOS and the short ones, begun by ESC or by a C1
   control) go, payload and all where they are well formed; so does every other control but newline
   and tab. CR, VT, FF, NEL, U+2028 and U+2029 are newlines;
2. bidirectional controls and characters that show nothing go; what is no character at all (a lone
   surrogate, U+FFFF) becomes U+FFFD;
3. joiners, variation selectors and tags stay where a script or an emoji has a use for them;
4. no character carries more than a few combining marks, and none of those leans on our own text.
5. a secret key (nsec) is hidden, whoever wrote it and however it is broken: who reads over a
   shoulder, or what a screen is copied to, need not have it. Its checksum is not asked for.

Ordinary text in any script comes through unchanged, and `safe_text` of its own result changes
nothing. Markup is not escaped: what shows text must not read markup in it.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final, Literal

_MOST_MARKS: Final = 10
"""Marks on one character: Tibetan stacks eight."""
_MOST_ACCENTS: Final = 4
"""Of those, accents of no script of their own: Vietnamese and IPA stack two or three."""
_MOST_JOINED: Final = 4
"""Joiners in one emoji: a family of four has three."""
_DOTTED_CIRCLE: Final = "\u25cc"


def safe_text(text: str) -> str:
    """`text` without anything that a terminal would obey, and without secret keys. May have several
    lines."""
    return _without_keys(_obeyed_by_none(text))


def _obeyed_by_none(text: str) -> str:
    if text.isascii():
        if text.isprintable() or _ASCII_CONTROL.search(text) is None:
            return text
        return _without_controls(text)
    kinds = 0
    replaced: dict[int, str] = {}
    for char in set(text):
        if kind := _kind(char):
            kinds |= kind
            if kind in _REPLACED:
                replaced[ord(char)] = _REPLACED[kind]
    if kinds & _CONTROL:
        text = _without_controls(text)
    if replaced:
        text = text.translate(replaced)
    if kinds & (_MARK | _JOINER):
        text = _with_few_marks(text, kinds)
    return text


def safe_line(text: str, limit: int = 0) -> str:
    """`safe_text` on one line, each run of blanks one space, none at its ends; at most `limit`
    terminal cells.

    What does not fit ends with "…". A limit of 0 is none.
    """
    line = _BLANKS.sub(" ", safe_text(text)).strip(_BLANK_ENDS)
    if line and not line.isascii() and unicodedata.category(line[0])[0] == "M":
        line = _DOTTED_CIRCLE + line  # it stood on a space
    if limit <= 0 or (line.isascii() and len(line) <= limit):
        return line
    kept: list[str] = []
    used = fits = 0
    for cluster in _CLUSTER.finditer(line):
        used += cells(cluster[0])
        if used > limit:
            return "".join(kept[:fits]).rstrip(_BARE_ENDS) + "…"
        kept.append(cluster[0])
        if used < limit:  # so that the ellipsis fits, should there be more
            fits = len(kept)
    return line


def first_lines(text: str, most: int = 3, characters: int = 400) -> list[str]:
    """The beginning of `text`, safe: at most `most` lines that say something; "…" where it goes on.

    At most `characters` of it are looked at.
    """
    lines = [line for line in safe_text(text[:characters]).splitlines() if line.strip()]
    kept = lines[:most]
    if kept and (len(lines) > most or len(text) > characters):
        kept[-1] = kept[-1].rstrip() + " …"
    return kept


def typeable(text: str) -> str:
    """What may stand in a text of one's own, typed, pasted or given to a command.

    Line breaks as \\n, and no control characters but them and tabs: whoever copied the text may
    not have seen them, and whoever reads it is not to be commanded by them.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _NOT_TYPED.sub("", text)


def cells(text: str) -> int:
    """How many terminal cells safe text of one line takes, at most.

    Terminals differ on joined emoji; this is the width where they are shown side by side.
    """
    if text.isascii():
        return len(text)
    total = last = 0
    for char in text:
        if char == "\ufe0f" and last == 1:
            total += 1
        last = _cells_of(char)
        total += last
    return total


def normalized(form: Literal["NFC", "NFKC", "NFD", "NFKD"], text: str) -> str:
    """`unicodedata.normalize`, in a time that grows with the text and not with its square.

    Marks that follow each other are put in order: a hundred thousand of them took a minute, in
    which nothing else of the process went on. So long runs are parted, as Unicode's stream-safe
    format (UAX 15) does it.
    """
    if text.isascii() or len(text) < _LONG_RUN:
        return unicodedata.normalize(form, text)
    parted, runs = _RUN.subn(rf"\g<0>{_PARTING}", text)
    found = unicodedata.normalize(form, parted)
    return found.replace(_PARTING, "") if runs else found


_NOT_TYPED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_PARTING: Final = "\u034f"
_LONG_RUN: Final = 32
_RUN: Final = re.compile(rf"[\W\uff9e\uff9f]{{{_LONG_RUN}}}")
"""All marks are among these, and whatever else becomes one: two Japanese letters of half width."""

# What a character asks of us, as bits; 0 is an ordinary one.
_CONTROL: Final = 1
_NEWLINE: Final = 2
_HIDDEN: Final = 4
_BROKEN: Final = 8
_JOINER: Final = 16
_MARK: Final = 32
_HIGH_MARK: Final = 64

_REPLACED: Final = {_NEWLINE: "\n", _HIDDEN: "", _BROKEN: "\ufffd"}
_SHOWN_FORMATS: Final = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u08e2\u0890\u0891")
"""Format characters that are seen: Arabic number signs, the end of a verse."""
_KITTY_IMAGE: Final = 0x10EEEE
"""With this character of private use some terminals show images that were loaded before."""
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u17b4\u17b5\u3164\uffa0\u034f")
"""Letters and marks that show nothing, and make names that nobody sees."""


@functools.lru_cache(8192)
def _kind(char: str) -> int:
    code = ord(char)
    if char in "\n\t":
        return 0
    if char in _BLANK_LETTERS:
        return _HIDDEN
    if char in "\u200b\u200c\u200d\u180e" or 0xE0020 <= code <= 0xE007F:
        return _JOINER
    match unicodedata.category(char):
        case "Cc":
            return _CONTROL
        case "Zl" | "Zp":
            return _NEWLINE
        case "Cs":
            return _BROKEN
        case "Cf":
            return 0 if char in _SHOWN_FORMATS else _HIDDEN
        case "Mn" | "Mc" | "Me":
            kind = _MARK | (_HIGH_MARK if code > 0xFFFF else 0)
            return kind | (_JOINER if _SELECTOR.match(char) else 0)
        case "Cn" if code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
            return _BROKEN
        case "Co" if code == _KITTY_IMAGE:
            return _BROKEN
        case "Cn" if code == 0x2065 or 0xFFF0 <= code <= 0xFFF8 or 0xE0000 <= code <= 0xE0FFF:
            return _HIDDEN
    return 0


# 1. Controls. Each alternative starts with a control and stops at the next one (`*+` does not go
# back), so that the work grows with the length of the text only.

_ASCII_CONTROL: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_PAYLOAD: Final = "[^\x00-\x08\x0b-\x1f\x7f-\x9f]*+"
_SEQUENCE: Final = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]"  # CSI
    f"|(?:\x1b\\]|\x9d){_PAYLOAD}(?:\x07|\x1b\\\\|\x9c)"  # OSC
    f"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f]){_PAYLOAD}(?:\x1b\\\\|\x9c)"  # DCS, SOS, PM, APC
    "|\x1b[ -/]*+[0-~]"  # the short ones, and the beginning of a long one that never ends
    "|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def _without_controls(text: str) -> str:
    text = text.replace("\r\n", "\n")
    for newline in "\r\x0b\x0c\x85":
        text = text.replace(newline, "\n")
    return _SEQUENCE.sub("", text)


# 2. Marks and joiners.

_SELECTORS: Final = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_JOINERS: Final = "\u200b-\u200d\u180e\U000e0020-\U000e007f"
_SELECTOR: Final = re.compile(f"[{_SELECTORS}]")
_PICTURES: Final = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
_JOINING: Final = (  # Hebrew to Myanmar, and their like further up
    "\u0590-\u109f\u1700-\u180a\u1810-\u18af\u1900-\u1cff\ua800-\ua8ff\ua980-\ua9ff\uaa00-\uaaff"
    "\uabc0-\uabff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff"
    "\U0001e900-\U0001e95f"
)
_WITHOUT_SPACES: Final = "\u0e00-\u109f\u1780-\u17ff\u1950-\u1aaf\u1b00-\u1b7f\ua980-\uaaff"
_HAN: Final = "\u3000-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_PICTURE: Final = f"[{_PICTURES}][\ufe00-\ufe0f]?[\U0001f3fb-\U0001f3ff]?"
_COUNTRIES: Final = "|".join(
    "".join(chr(0xE0000 + ord(letter)) for letter in name) for name in ("eng", "sct", "wls")
)
_ACCENTS: Final = "\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_MANY_ACCENTS: Final = re.compile(f"([{_ACCENTS}]{{{_MOST_ACCENTS}}})[{_ACCENTS}]+")


@functools.cache
def _in_place() -> re.Pattern[str]:
    """Joiners and their like where they are of use (1), and anywhere else. Made with the first text
    that has one, for it takes as long as a tenth of a program's start."""
    return re.compile(
        "("
        f"\U0001f3f4\U000e0067\U000e0062(?:{_COUNTRIES})\U000e007f"  # three flags spelt in tags
        f"|{_PICTURE}(?:\u200d{_PICTURE}){{0,{_MOST_JOINED}}}"
        "|[#*0-9][\ufe00-\ufe0f]"
        f"|[{_WITHOUT_SPACES}]\u200b"
        f"|[{_JOINING}][\u200c\u200d]"
        "|[\u1820-\u18aa][\u180b-\u180f]"  # Mongolian
        f"|[{_HAN}][\ufe00-\ufe0f\U000e0100-\U000e01ef]"
        "|[\u1000-\u109f\ua840-\ua87f\uff00-\uffef\U00013000-\U0001345f][\ufe00-\ufe0d]"
        f")|[{_SELECTORS}{_JOINERS}]"
    )


@functools.cache
def _mark_patterns(high: bool) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Too many marks on one character; a mark on none. `high`: beyond U+FFFF too, but slower."""
    marks = _ranges(range(0x300, 0x1F000 if high else 0xFE00))
    marks += f"{_SELECTORS}\ufe20-\ufe2f"
    run = f"[{marks}{_JOINERS}]"
    return (
        re.compile(f"({run}{{{_MOST_MARKS}}}){run}+"),
        re.compile(f"(^|\t)(?=[{marks}])", re.MULTILINE),
    )


def _ranges(codes: range) -> str:
    """The combining marks among `codes`, as the inside of a regular expression's set."""
    found: list[list[int]] = []
    for code in codes:
        if unicodedata.category(chr(code)) in ("Mn", "Mc", "Me"):
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in found)


def _with_few_marks(text: str, kinds: int) -> str:
    too_many, on_nothing = _mark_patterns(bool(kinds & _HIGH_MARK))
    text = too_many.sub(r"\1", text)
    if kinds & _JOINER:
        text = _in_place().sub(lambda found: found[1] or "", text)
    text = _MANY_ACCENTS.sub(r"\1", text)
    return on_nothing.sub(rf"\1{_DOTTED_CIRCLE}", text)


# 3. Secret keys (NIP-19).

HIDDEN_KEY: Final = "nsec1…(a secret key, hidden)"
_DIGITS: Final = "02-9ac-hj-np-z"
_CODE_OF_KEY: Final = re.compile(
    rf"n[\W_]*s[\W_]*e[\W_]*c[\W_]*1(?:(?:[\W_]*[{_DIGITS}]){{58}}|[{_DIGITS}]{{20,57}})",
    re.IGNORECASE,
)
"""Also the beginning of one, which was cut: with most of it the rest can be guessed."""
_SHORTEST_KEY: Final = 25


def _without_keys(text: str) -> str:
    if len(text) < _SHORTEST_KEY:
        return text
    read = text
    if not text.isascii():
        read = text.translate({ord(char): _read_as(char) for char in set(text) if char > "\x7f"})
    kept: list[str] = []
    end = 0
    for code in _CODE_OF_KEY.finditer(read):
        kept += (text[end : code.start()], HIDDEN_KEY)
        end = code.end()
    return "".join(kept) + text[end:] if kept else text


@functools.lru_cache(8192)
def _read_as(char: str) -> str:
    """The letter or digit of ASCII that a full-width or an ornamental one stands for, or `char`."""
    plain = unicodedata.normalize("NFKC", char)
    return plain if len(plain) == 1 and plain.isascii() else char


# 4. Widths.

_BLANK_ENDS: Final = (
    " \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f"
    "\u2800\u3000"
)
_BLANKS: Final = re.compile("[ \n\t]+")
_CLUSTER: Final = re.compile(
    f".(?:[{_SELECTORS}{_ACCENTS}\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]"
    f"|\u200d[{_PICTURES}]?)*",
    re.DOTALL,
)
_BARE_ENDS: Final = " \u200b\u200c\u200d"


@functools.lru_cache(8192)
def _cells_of(char: str) -> int:
    category = unicodedata.category(char)
    if category in ("Mn", "Me", "Cf"):
        return int(char in _SHOWN_FORMATS)
    if unicodedata.east_asian_width(char) in "WF":
        return 2
    return 2 if category == "Cn" and "\U0001f300" <= char <= "\U0001faff" else 1
