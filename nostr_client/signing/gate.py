"""The gate on the road to a signature: no event that holds an own secret key passes.

What is signed is published, and a key that was published once is lost for ever. So each draft is
searched before it is signed: content, every tag, the names in JSON; whatever program wrote it.

- **An own key** is refused everywhere, as nsec or as hex; own are the signer's and those of all
  accounts of the folder. The others' may be locked: whether a key is theirs is told by deriving its
  public key. That costs some 50 µs for each place in a run of hex digits where a key may begin, so
  there is a bound (`MOST_TRIES`), past which the draft is refused.
- **An encrypted key** (ncryptsec) is refused everywhere, too: whose it is cannot be told without
  its password, which may stand beside it.
- **Any nsec** is refused where a person writes (`refuse_codes`): notes, reactions, reasons,
  profiles, petnames. Not in what was quoted from others: their nsec is out already.

A key is found in capitals, in full-width letters, behind JSON's escapes, and broken by line ends,
spaces, hyphens or anything else that is neither letter nor digit. Nothing raised quotes it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from nostr_client.errors import InvalidData, SecretFound
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.nips.nip49 import NCRYPTSEC
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

MOST_TRIES: Final = 20_000
"""Places where a key may begin that are tried in one draft."""
MOST_UNESCAPED: Final = 4
"""How deep JSON in JSON is unescaped: a repost holds an event, which may hold a profile."""

OwnKeys = Callable[[], Collection[str]]
"""The public keys (hex) of all accounts whose secret keys are here."""

_hex_run = re.compile("[0-9a-f]{64,}")
_between = re.compile(r"[\W_]+")
_escape = re.compile(r'\\(?:u([0-9a-fA-F]{4})|([nrtbf"\\/]))')


def sign(draft: Draft, key: SecretKey, now: float, own: OwnKeys = tuple) -> Event:
    """The event signed by `key`, if it may leave. Raises SecretFound."""
    refuse_secrets(draft, own, key)
    return draft.sign(key, int(now))


def refuse_secrets(draft: Draft | Event, own: OwnKeys, key: SecretKey | None = None) -> None:
    """Raises SecretFound if `draft` holds a secret key of `own`, or an encrypted one.

    With the signer's `key` that one is found wherever it stands; without (a signer elsewhere) it
    is looked for as those of other accounts are.
    """
    refuse_secret_texts([draft.content, *(item for tag in draft.tags for item in tag)], own, key)


def refuse_secret_texts(texts: Iterable[str], own: OwnKeys, key: SecretKey | None = None) -> None:
    """As `refuse_secrets`, for what is encrypted: who it is for has no business with a key."""
    forms = [form for text in texts for form in _forms(text)]
    if key is not None:
        whole = "".join(forms)
        if bytes(key).hex() in whole or nip19.encode_nsec(key) in whole:
            raise SecretFound("this holds your secret key: it was not signed, and went nowhere")
    if any(NCRYPTSEC.search(form) for form in forms):
        raise SecretFound("this holds an encrypted secret key (ncryptsec): it was not signed")
    suspect = [form for form in forms if "nsec1" in form or _hex_run.search(form)]
    owned = (set(own()) if suspect else set()) - ({key.public_key.hex} if key else set())
    if not owned:
        return
    tried: set[str] = set()
    for candidate in (each for form in suspect for each in _keys_in(form)):
        if candidate in tried:
            continue
        if len(tried) == MOST_TRIES:
            raise SecretFound("this holds more hex digits than can be searched for your keys")
        tried.add(candidate)
        if _public_key_of(candidate) in owned:
            raise SecretFound("this holds the secret key of an account of yours: it was not signed")


def refuse_codes(*texts: str) -> None:
    """Raises SecretFound if anybody's secret key (nsec, ncryptsec) stands in what a person wrote.

    A valid nsec is one anywhere; something shaped like it, with a typing mistake, only as it
    stands, unbroken.
    """
    for text in texts:
        shaped = unicodedata.normalize("NFKC", text).casefold()
        if NSEC.search(shaped) or NCRYPTSEC.search(shaped):
            raise SecretFound("this text holds a secret key: it is not published")
        for form in _forms(text):
            if NCRYPTSEC.search(form) or any(_is_nsec(code) for code in _nsecs_in(form)):
                raise SecretFound("this text holds a secret key: it is not published")


def _forms(text: str) -> Iterator[str]:
    """`text` as letters and digits alone, in one case: as it stands, and each layer unescaped."""
    for _ in range(MOST_UNESCAPED):
        plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
        yield _between.sub("", plain.casefold())
        if "\\" not in text:
            return
        text = _escape.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        return chr(int(found[1], 16))
    return {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}.get(found[2], found[2])


def _keys_in(form: str) -> Iterator[str]:
    """What may be a secret key: an nsec, or 64 hex digits anywhere in a run of them."""
    yield from _nsecs_in(form)
    for run in _hex_run.finditer(form):
        for start in range(run.start(), run.end() - 63):
            yield form[start : start + 64]


def _nsecs_in(form: str) -> Iterator[str]:
    if "nsec1" in form:
        yield from (found[0] for found in NSEC.finditer(form))


def _is_nsec(code: str) -> bool:
    try:
        return isinstance(nip19.decode(code), nip19.Nsec)
    except InvalidData:
        return False


def _public_key_of(candidate: str) -> str:
    try:
        if candidate.startswith("nsec1"):
            code = nip19.decode(candidate)
            return code.key.public_key.hex if isinstance(code, nip19.Nsec) else ""
        return SecretKey.from_hex(candidate).public_key.hex
    except InvalidData:
        return ""
