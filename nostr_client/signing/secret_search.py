"""Secret keys in texts, however they are written there: the one search of gate and alarm.

A key is found as an nsec or in hex, in capitals, in full-width letters, behind JSON's escapes, and
broken by line ends, spaces, hyphens or anything else that is neither letter nor digit.

Whose it is, is told by deriving its public key, some 40 µs a place where one may begin. Where a
key's *trace* is known, four bytes of a hash of it, a place costs 1 µs: only what has the trace is
derived. So a search for traced keys has no bound but the size of the text; for others there is one.
Items of a list (a tag's, a JSON string) that are 64 digits are one place each, for they are ids: no
key is looked for that begins in one of those and ends in the next.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.protocol.event import Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.safe_text import normalized

MOST_TRIES: Final = 100_000
"""Places that are derived for a draft of one's own: 100 KB of hex digits, some 4 s
off the loop."""
MOST_UNESCAPED: Final = 4
"""How deep JSON in JSON is unescaped: a repost holds an event, which may hold a profile."""

_item_end = re.compile(r"""\\*["']""").match
_between = re.compile(r"[\W_]+")
_escape = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([nrtbf"\\/]))')
_is_trace = re.compile("[0-9a-f]{8}").fullmatch
SEPARATORS: Final = bytes(n for n in range(256) if n > 127 or not chr(n).isalnum())
"""Of ASCII or UTF-8: all bytes that are no letter or digit of ASCII."""
SHAPE: Final = bytes(
    ord("0" if (c := chr(n).lower()) in "0123456789abcdef" else c if c in "ns" else "z")
    if chr(n).isalnum() and n < 128
    else ord(" ")
    for n in range(256)
)
"""What decides where a key may be: hex digits as noughts, `n` and `s` as they are, other letters as
z, all else a space. So 64 noughts may be a key in hex, and `ns000` may be `nsec1`."""
RUN: Final = b"0" * 64
_run_end = re.compile(b"0*").match
disguised = re.compile(
    "[\xaa-\xbe\xdf\u0130-\u0149\u017f\u01c4-\u01cc\u01f0-\u01f3\u02b0-\u02b8\u02e1-\u02e3\u1d2c-\u1dbf"
    "\u1e96-\u1e9e\u2070-\u20a8\u2100-\u218f\u2460-\u24ff\u2c7c\u2c7d\u3250-\u33ff\ua7f0-\ua7ff"
    "\ufb00-\ufb06\uff01-\uff5e\U00010780-\U000107bf\U0001ccd6-\U0001ccf9\U0001d400-\U0001d7ff"
    "\U0001f100-\U0001f1ef\U0001fbf0-\U0001fbf9]"
).search
"""Characters that stand for letters or digits of ASCII: full-width, ornamental, raised ones."""
_MOST_REMEMBERED: Final = 50_000
_MOST_DERIVED: Final = 5_000
_QUOTES: Final = ('"', "'")
_NSEC_SIZE: Final = 63
_TRACED: Final = b"trace of a nostr secret key "

Sought = Collection[str] | Mapping[str, str]
"""Public keys (hex) whose secret keys are looked for; of a mapping the values are the traces
(`trace_of`) of those secret keys, where they are known."""


class SoughtKeys:
    """All keys that are looked for, as one: `traced` with their traces, and `untraced`."""

    def __init__(self, *sought: Sought) -> None:
        self.traced: dict[str, str] = {}
        for each in sought:
            if isinstance(each, Mapping):
                self.traced |= {key: trace for key, trace in each.items() if _is_trace(trace)}
        self.untraced = {key for each in sought for key in each} - set(self.traced)
        self._looked_at: set[str] = set()
        self._nobodys: set[bytes] = set()
        self._traces = {bytes.fromhex(trace) for trace in self.traced.values()}

    def owners(self, candidates: Iterable[bytes]) -> set[str]:
        """Whose of the traced keys are among `candidates`."""
        traces = self._traces
        if not traces:
            return set()
        found = [each for each in candidates if sha256(_TRACED + each).digest()[:4] in traces]
        return {_owner_of(each) for each in found}.intersection(self.traced)

    def named(self, items: Collection[str]) -> set[str]:
        """The same for ids, public keys and hashes in hex, which come again and again."""
        if self.has_seen(items):
            return set()
        new = {item for item in items if item not in self._looked_at}
        if len(self._looked_at) >= _MOST_REMEMBERED:
            self._looked_at.clear()
        found = self.owners(map(bytes.fromhex, new))
        if not found:
            self._looked_at.update(new)
        return found

    def has_seen(self, items: Collection[str]) -> bool:
        return self._looked_at.issuperset(items)

    def is_nobodys(self, candidate: bytes) -> bool:
        """Was this derived not long ago, and is the key of nobody who has no trace? The hash that
        names somebody's picture comes with each of their profiles."""
        return candidate in self._nobodys

    def note_nobodys(self, candidate: bytes) -> None:
        if len(self._nobodys) >= _MOST_DERIVED:
            self._nobodys.clear()
        self._nobodys.add(candidate)


class TooManyPlaces(Exception):
    """More places where a key may begin than are tried."""


def trace_of(secret: bytes) -> str:
    """Four bytes of a hash of a secret key, in hex: enough to pass over what is not that key, and
    of no use for finding it that its public key is not."""
    return sha256(_TRACED + secret).hexdigest()[:8]


def owners_of_keys(texts: Iterable[str], sought: SoughtKeys) -> set[str]:
    """Which of the public keys `sought` have their secret key in `texts`.

    Raises TooManyPlaces where keys without a trace would take more than `MOST_TRIES` derivations.
    """
    texts = list(texts)
    found = sought.owners(_keys_in(texts))
    if sought.untraced:
        places = Places(sought, MOST_TRIES)
        for candidate in _keys_in(texts):
            if not places.look_at(candidate):
                raise TooManyPlaces
        found |= places.found
    return found


def holds_key(form: str, key: SecretKey) -> bool:
    """Does `form` (see `forms_of`) hold `key`? The key is not written out to be looked for.

    Raises SignerUnavailable where the key was wiped.
    """
    for start, end in runs(shape_of(form)):
        digits = form[start:end]
        if key.is_in(_even(digits)) or key.is_in(_even(digits[1:])):
            return True
    return any(key.is_in(_secret_of(code) or b"") for code in _nsecs_anywhere(form))


def joined(tags: Tags) -> str:
    """All that `tags` hold, as one text in which each item stands in quotes."""
    return ",".join([f'["{QUOTED.join(tag)}"]' for tag in tags])


QUOTED: Final = '","'


class Places:
    """Tries places, up to `most` different ones, for the keys of `sought` that have no trace."""

    def __init__(self, sought: SoughtKeys, most: int) -> None:
        self.found: set[str] = set()
        self._sought = sought
        self._most = most
        self._tried: set[bytes] = set()

    def look_at(self, candidate: bytes) -> bool:
        """False, and nothing was looked at, where no more places are tried."""
        if candidate in self._tried or self._sought.is_nobodys(candidate):
            return True
        if len(self._tried) == self._most:
            return False
        self._tried.add(candidate)
        owner = _owner_of(candidate)
        if owner in self._sought.untraced:
            self.found.add(owner)
        else:
            self._sought.note_nobodys(candidate)
        return True


def layers_of(text: str) -> Iterator[str]:
    """`text` in plain letters of one case: as it stands, and each layer unescaped."""
    for _ in range(MOST_UNESCAPED):
        yield normalized("NFKC", text).casefold()
        if "\\" not in text:
            return
        text = _escape.sub(_unescaped, text)


def forms_of(text: str) -> Iterator[str]:
    """The layers of `text` as letters and digits alone."""
    return map(_squeezed, layers_of(text))


def nsecs_in(form: str) -> Iterator[str]:
    if "nsec1" in form:
        yield from (found[0] for found in NSEC.finditer(form))


def _nsecs_anywhere(form: str) -> Iterator[str]:
    """All that is shaped like an nsec, also where one begins in another."""
    start = form.find("nsec1")
    while start >= 0:
        if NSEC.match(form, start):
            yield form[start : start + _NSEC_SIZE]
        start = form.find("nsec1", start + 1)


def is_nsec(code: str) -> bool:
    return _secret_of(code) is not None


def _keys_in(texts: Iterable[str]) -> Iterator[bytes]:
    return keys_of(layers_with_keys(texts))


def layers_with_keys(texts: Iterable[str]) -> list[str]:
    return [
        layer for text in map(_plain, texts) for layer in layers_of(text) if may_hold_key(layer)
    ]


def _plain(text: str) -> str:
    """`text` in ASCII, if nothing else of it can be of a key: that is much faster searched."""
    if text.isascii() or disguised(text):
        return text
    return text.encode("ascii", "replace").decode()


def keys_of(layers: Sequence[str]) -> Iterator[bytes]:
    """What may be a secret key, 32 bytes each: an nsec, 64 hex digits that stand alone, and then
    those anywhere in a run of them."""
    for layer in layers:
        yield from filter(None, map(_secret_of, nsecs_in(_squeezed(layer))))
    parted = [_words_of(layer) for layer in layers]
    for words, _ in parted:
        yield from map(bytes.fromhex, words)
    for _, rest in parted:
        letters = _squeezed(rest)
        for start, end in runs(shape_of(letters)):
            yield from _windows(letters[start:end])


def _words_of(layer: str) -> tuple[list[str], str]:
    """The keys in hex that stand alone in `layer`; and `layer` without those that are items."""
    shape = shape_of(layer)
    words: list[str] = []
    rest: list[str] = []
    done = 0
    for start, end in runs(shape):
        around = shape[start - 1 : start] + shape[end : end + 1]
        if end - start != 64 or around.strip():
            continue
        words.append(layer[start:end])
        if layer[start - 1 : start] in _QUOTES and _item_end(layer, end):
            rest.append(layer[done : start - 1])
            done = end
    return words, " z ".join([*rest, layer[done:]])


def runs(shape: bytes) -> Iterator[tuple[int, int]]:
    """Where at least 64 hex digits stand in a row, by the `SHAPE` of a text."""
    start = shape.find(RUN)
    while start >= 0:
        found = _run_end(shape, start)
        end = found.end() if found else start
        yield start, end
        start = shape.find(RUN, end)


def shape_of(layer: str) -> bytes:
    return layer.encode("ascii", "replace").translate(SHAPE)


def letters_of(text: bytes) -> bytes:
    return text.translate(None, SEPARATORS)


def _even(digits: str) -> bytes:
    return bytes.fromhex(digits[: len(digits) & ~1])


def _windows(digits: str) -> Iterator[bytes]:
    """Each 64 digits in a row of `digits`."""
    even, odd = _even(digits), _even(digits[1:])
    for start in range(len(digits) - 63):
        held, at = (odd if start & 1 else even), start // 2
        yield held[at : at + 32]


def may_hold_key(layer: str) -> bool:
    """A quick look, at ASCII alone: what stands between its letters can only part them."""
    letters = layer.encode("ascii", "ignore")
    return RUN in letters.translate(SHAPE, SEPARATORS) or b"nsec1" in letters_of(letters)


def _squeezed(layer: str) -> str:
    if layer.isascii():
        return letters_of(layer.encode()).decode()
    return _between.sub("", layer)


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(found[2], found[2])


def _secret_of(nsec: str) -> bytes | None:
    try:
        code = nip19.decode(nsec)
    except InvalidData:
        return None
    return bytes(code.key) if isinstance(code, nip19.Nsec) else None


def _owner_of(candidate: bytes) -> str:
    """The public key of which these 32 bytes are the secret one; empty where they are none."""
    try:
        return SecretKey(candidate).public_key.hex
    except InvalidData:
        return ""
