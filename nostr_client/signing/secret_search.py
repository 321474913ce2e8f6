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
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.keys import SecretKey, is_hex64
from nostr_client.safe_text import normalized

MOST_TRIES: Final = 100_000
"""Places that are derived for a draft of one's own: 100 KB of hex digits, some 4 s
off the loop."""
TRIES_RECEIVED: Final = 64
"""Places that are derived for an event of anybody's, beside one for each 64 characters of it: each
unbroken key in a text of nothing else, and the beginning of an endless run of digits."""
MOST_UNESCAPED: Final = 4
"""How deep JSON in JSON is unescaped: a repost holds an event, which may hold a profile."""

_hex_run = re.compile("[0-9a-f]{64,}")
_word = re.compile("(?<![0-9a-z])[0-9a-f]{64}(?![0-9a-z])")
_item = re.compile(r"""["'][0-9a-f]{64}(?=\\*["'])""")
_named = re.compile(
    r'"(?:id|pubkey|sig)"\s*:\s*"[0-9a-f]{64,128}"'  # an event in JSON, as in a zap's receipt
    r'|\["(?:[aepq]|ox?|x)"\s*,\s*"[0-9a-f]{64}"'  # its tags
    r"|(?<![0-9a-z])[0-9]{1,5}:[0-9a-f]{64}:"  # an address
    r'|"[0-9a-f]{128}(?=")'  # a signature
    r'|"(?:ox?|x) [0-9a-f]{64}"'  # of `imeta`
    r"|[/_][0-9a-f]{64}\.[a-z0-9]{2,5}(?![0-9a-z])"  # a file whose name is its hash
)
_NAMING: Final = frozenset(("e", "E", "p", "P", "q", "a", "A", "x", "ox", "delegation"))
"""Ids, public keys and hashes, by their place: of strangers' events too many to derive them all."""
_nsec_anywhere = re.compile(f"(?=({NSEC.pattern}))")
_between = re.compile(r"[\W_]+")
_escape = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([nrtbf"\\/]))')
_is_trace = re.compile("[0-9a-f]{8}").fullmatch
_SEPARATORS: Final = bytes(n for n in range(128) if not chr(n).isalnum())
_HEX_AS_ZERO: Final = bytes(ord("0" if chr(n) in "0123456789abcdef" else "z") for n in range(256))
_LOWER: Final = bytes(range(256)).lower()
_LONG: Final = 1_000
"""Characters that are cheap to normalize, whatever they are."""
_MOST_REMEMBERED: Final = 50_000
_escapes = re.compile(rb"\\+[nrtbf]")
_RUN: Final = b"0" * 64
_SHORTEST: Final = 60
"""Characters of the shortest text that holds a key."""
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
        self._traces = {bytes.fromhex(trace) for trace in self.traced.values()}

    def owners(self, candidates: Iterable[bytes]) -> set[str]:
        """Whose of the traced keys are among `candidates`."""
        traces = self._traces
        if not traces:
            return set()
        found = [each for each in candidates if sha256(_TRACED + each).digest()[:4] in traces]
        return {_owner_of(each) for each in found}.intersection(self.traced)

    def named(self, items: Iterable[str]) -> set[str]:
        """The same for ids and public keys in hex, which come again and again."""
        new = [item for item in items if item not in self._looked_at] if self._traces else []
        if not new:
            return set()
        if len(self._looked_at) >= _MOST_REMEMBERED:
            self._looked_at.clear()
        found = self.owners(map(bytes.fromhex, new))
        if not found:
            self._looked_at.update(new)
        return found


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
        places = _Places(sought.untraced, MOST_TRIES)
        for candidate in _keys_in(texts):
            if not places.look_at(candidate):
                raise TooManyPlaces
        found |= places.found
    return found


def holds_key(form: str, key: SecretKey) -> bool:
    """Does `form` (see `forms_of`) hold `key`? The key is not written out to be looked for.

    Raises SignerUnavailable where the key was wiped.
    """
    for run in _hex_run.finditer(form):
        for start in (run.start(), run.start() + 1):
            if key.is_in(bytes.fromhex(form[start : run.end() - (run.end() - start) % 2])):
                return True
    return any(key.is_in(_secret_of(each[1]) or b"") for each in _nsec_anywhere.finditer(form))


def leaked_by(event: Event, sought: SoughtKeys) -> set[str]:
    """Which of the public keys `sought` have their secret key in `event`, anybody's.

    Keys without a trace are not looked for where only an id, a public key or a file's hash is
    named (`_NAMING`, `_named`), and in no more places than `TRIES_RECEIVED` says, unbroken ones
    first.
    """
    naming, others = _items_of(event.tags)
    found = sought.named(naming)
    texts = [text for text in (event.content, *others) if not _is_harmless(text)]
    if not texts:
        return found
    layers = _layers_with_keys(texts)
    if not layers:
        return found
    found |= sought.owners(_keys_of(layers))
    if sought.untraced:
        most = TRIES_RECEIVED + sum(len(text) for text in texts) // 64
        places = _Places(sought.untraced, most)
        unnamed = filter(may_hold_key, [_named.sub(" z ", layer) for layer in layers])
        for candidate in _keys_of(list(unnamed)):
            if not places.look_at(candidate):
                break
        found |= places.found
    return found


def _items_of(tags: Tags) -> tuple[list[str], list[str]]:
    """What `tags` name, each an id or a public key, and all else that they hold, as texts."""
    naming: list[str] = []
    others: list[str] = []
    for tag in tags:
        if tag[0] in _NAMING:  # an `e` tag names its event's author, too
            for item in tag:
                (naming if len(item) == 64 and is_hex64(item) else others).append(item)
        else:
            others += tag
    whole = sum(map(len, others))
    return naming, [_QUOTED.join(others).join('""')] if whole >= _SHORTEST else []


def _is_harmless(text: str) -> bool:
    """A quick look that says yes of nearly every text, and never of one that holds a key."""
    if len(text) < _SHORTEST:
        return True
    if not text.isascii():
        if len(text) > _LONG or not unicodedata.is_normalized("NFKC", text):
            return False
        text = text.casefold()
    letters = text.encode("ascii", "ignore")
    if b"\\" in letters:
        if b"\\u" in letters:
            return False
        letters = _escapes.sub(b"", letters)
    letters = letters.translate(_LOWER, _SEPARATORS)
    return b"nsec1" not in letters and _RUN not in letters.translate(_HEX_AS_ZERO)


def joined(tags: Tags) -> str:
    """All that `tags` hold, as one text in which each item stands in quotes."""
    return ",".join([f'["{_QUOTED.join(tag)}"]' for tag in tags])


_QUOTED: Final = '","'


class _Places:
    """Tries places, up to `most` different ones, for the keys of `sought`."""

    def __init__(self, sought: Collection[str], most: int) -> None:
        self.found: set[str] = set()
        self._sought = sought
        self._most = most
        self._tried: set[bytes] = set()

    def look_at(self, candidate: bytes) -> bool:
        """False, and nothing was looked at, where no more places are tried."""
        if candidate in self._tried:
            return True
        if len(self._tried) == self._most:
            return False
        self._tried.add(candidate)
        owner = _owner_of(candidate)
        if owner in self._sought:
            self.found.add(owner)
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


def is_nsec(code: str) -> bool:
    return _secret_of(code) is not None


def _keys_in(texts: Iterable[str]) -> Iterator[bytes]:
    return _keys_of(_layers_with_keys(texts))


def _layers_with_keys(texts: Iterable[str]) -> list[str]:
    return [layer for text in texts for layer in layers_of(text) if may_hold_key(layer)]


def _keys_of(layers: Sequence[str]) -> Iterator[bytes]:
    """What may be a secret key, 32 bytes each: an nsec, 64 hex digits that stand alone, and then
    those anywhere in a run of them."""
    for layer in layers:
        yield from filter(None, map(_secret_of, nsecs_in(_squeezed(layer))))
    for layer in layers:
        yield from (bytes.fromhex(found[0]) for found in _word.finditer(layer))
    for layer in layers:
        for run in _hex_run.finditer(_squeezed(_item.sub(" z ", layer))):
            yield from _windows(run[0])


def _windows(digits: str) -> Iterator[bytes]:
    """Each 64 digits in a row of `digits`."""
    even = bytes.fromhex(digits[: len(digits) & ~1])
    odd = bytes.fromhex(digits[1 : 1 + ((len(digits) - 1) & ~1)])
    for start in range(len(digits) - 63):
        held, at = (odd if start & 1 else even), start // 2
        yield held[at : at + 32]


def may_hold_key(layer: str) -> bool:
    """A quick look, at ASCII alone: what stands between its letters can only part them."""
    letters = layer.encode("ascii", "ignore")
    if _RUN in letters.translate(_HEX_AS_ZERO, _SEPARATORS):
        return True
    return b"nsec1" in letters.translate(None, _SEPARATORS)


def _squeezed(layer: str) -> str:
    if layer.isascii():
        return layer.encode().translate(None, _SEPARATORS).decode()
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
