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
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Final

from nostr_client.errors import InvalidData
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.protocol.event import Event, Tags
from nostr_client.protocol.keys import SecretKey
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
_hex_run_in_bytes = re.compile(b"[0-9a-f]{64}")
_word = re.compile("(?<![0-9a-z])[0-9a-f]{64}(?![0-9a-z])")
_item = re.compile(r"""(?<=["'])[0-9a-f]{64}(?=\\*["'])""")
_named = re.compile(
    r'"(?:id|pubkey|sig)"\s*:\s*"[0-9a-f]{64,128}"'  # an event in JSON, as in a zap's receipt
    r'|\["(?:[epq]|ox?|x)"\s*,\s*"[0-9a-f]{64}"'  # what a tag names: an event, a person, a file
    r'|"ox? [0-9a-f]{64}"|"x [0-9a-f]{64}"'
    r"|/[0-9a-f]{64}\.[a-z0-9]{2,5}(?![0-9a-z])"  # a file whose name is its hash
)
"""Ids, public keys and hashes, by their place: of strangers' events too many to derive them all."""
_nsec_anywhere = re.compile(f"(?=({NSEC.pattern}))")
_between = re.compile(r"[\W_]+")
_escape = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([nrtbf"\\/]))')
_is_trace = re.compile("[0-9a-f]{8}").fullmatch
_SEPARATORS: Final = bytes(n for n in range(128) if not chr(n).isalnum())
_TRACED: Final = b"trace of a nostr secret key "

Sought = Collection[str] | Mapping[str, str]
"""Public keys (hex) whose secret keys are looked for; of a mapping the values are the traces
(`trace_of`) of those secret keys, where they are known."""


class TooManyPlaces(Exception):
    """More places where a key may begin than are tried."""


def trace_of(secret: bytes) -> str:
    """Four bytes of a hash of a secret key, in hex: enough to pass over what is not that key, and
    of no use for finding it that its public key is not."""
    return sha256(_TRACED + secret).hexdigest()[:8]


def owners_of_keys(texts: Iterable[str], sought: Sought) -> set[str]:
    """Which of the public keys `sought` have their secret key in `texts`.

    Raises TooManyPlaces where keys without a trace would take more than `MOST_TRIES` derivations.
    """
    traced, untraced = _parted(sought)
    texts = list(texts)
    found = _traced_in(texts, traced)
    if untraced:
        places = _Places(untraced, MOST_TRIES)
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


def leaked_by(event: Event, sought: Sought) -> set[str]:
    """Which of the public keys `sought` have their secret key in `event`, anybody's.

    Keys without a trace are not looked for where only an id, a public key or a file's hash is
    named (`_named`), and in no more places than `TRIES_RECEIVED` says, unbroken ones first.
    """
    texts = [event.content, joined(event.tags)] if event.tags else [event.content]
    traced, untraced = _parted(sought)
    found = _traced_in(texts, traced)
    if untraced:
        most = TRIES_RECEIVED + sum(len(text) for text in texts) // 64
        places = _Places(untraced, most)
        for candidate in _keys_in(texts, named=False):
            if not places.look_at(candidate):
                break
        found |= places.found
    return found


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


def _parted(sought: Sought) -> tuple[dict[str, str], set[str]]:
    """The public keys with their traces, and those without one."""
    if not isinstance(sought, Mapping):
        return {}, set(sought)
    traced = {pubkey: trace for pubkey, trace in sought.items() if _is_trace(trace)}
    return traced, set(sought) - set(traced)


def _traced_in(texts: Iterable[str], traced: Mapping[str, str]) -> set[str]:
    if not traced:
        return set()
    traces = {bytes.fromhex(trace) for trace in traced.values()}
    owners = {
        _owner_of(candidate)
        for candidate in _keys_in(texts)
        if sha256(_TRACED + candidate).digest()[:4] in traces
    }
    return owners.intersection(traced)


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


def _keys_in(texts: Iterable[str], *, named: bool = True) -> Iterator[bytes]:
    """What may be a secret key, 32 bytes each: an nsec, 64 hex digits that stand alone, and then
    those anywhere in a run of them. Without `named`: not those that `_named` finds."""
    layers = [layer for text in texts for layer in layers_of(text) if may_hold_key(layer)]
    if not named:
        layers = [_named.sub(" z ", layer) for layer in layers]
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
    squeezed = layer.encode("ascii", "ignore").translate(None, _SEPARATORS)
    return b"nsec1" in squeezed or _hex_run_in_bytes.search(squeezed) is not None


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
