"""A secret key out of twelve to twenty-four words (NIP-06: BIP-39, then BIP-32).

Keys that were kept so can be brought here. None is made: NIP-06 has been unrecommended since May
2026, because one nsec is simpler to keep. Nothing that is raised quotes a word.
"""

from __future__ import annotations

import hmac
import unicodedata
from typing import Final

from nostr_client.errors import InvalidKey
from nostr_client.protocol.keys import SecretKey, compressed, tweak_add

COUNTS: Final = (12, 15, 18, 21, 24)
"""How many words there may be."""
_HARDENED: Final = 1 << 31
_PURPOSE, _COIN = 44 + _HARDENED, 1237 + _HARDENED
_LANGUAGES: Final = (
    "english",
    "chinese_simplified",
    "chinese_traditional",
    "czech",
    "french",
    "italian",
    "japanese",
    "korean",
    "portuguese",
    "spanish",
)
"""BIP-39's own lists: what others wrote words with."""


def looks_like_words(text: str) -> bool:
    """May this be words, and not a code? It may still be wrong."""
    return len(text.split()) in COUNTS and not any(letter.isdigit() for letter in text)


def secret_key(words: str, passphrase: str = "", account: int = 0) -> SecretKey:
    """The key at `m/44'/1237'/<account>'/0/0` of `words`, in any of BIP-39's languages.

    Takes some milliseconds. Raises InvalidKey, which says which word by its number alone.
    """
    if not 0 <= account < _HARDENED:
        raise ValueError("an account is a number from 0 to 2**31 - 1")
    from mnemonic import Mnemonic

    seed = Mnemonic.to_seed(_checked(words), passphrase)
    master = hmac.digest(b"Bitcoin seed", seed, "sha512")
    key, chain = SecretKey(master[:32]), master[32:]
    for index in (_PURPOSE, _COIN, account + _HARDENED, 0, 0):
        parent = b"\0" + bytes(key) if index >= _HARDENED else compressed(key)
        derived = hmac.digest(chain, parent + index.to_bytes(4), "sha512")
        above, key, chain = key, tweak_add(key, derived[:32]), derived[32:]
        above.wipe()
    return key


def _checked(text: str) -> str:
    """The words with single spaces, if they are a phrase of some language; else InvalidKey."""
    from mnemonic import Mnemonic

    words = unicodedata.normalize("NFKD", text).casefold().split()
    if len(words) not in COUNTS:
        raise InvalidKey(f"a key in words has {', '.join(map(str, COUNTS))} of them")
    known = ((Mnemonic(language), language) for language in _LANGUAGES)
    least: list[int] | None = None
    for language, _ in known:
        listed = set(language.wordlist)
        unknown = [at for at, word in enumerate(words, 1) if word not in listed]
        if not unknown and language.check(" ".join(words)):
            return " ".join(words)
        if least is None or len(unknown) < len(least):
            least = unknown
    if not least:
        raise InvalidKey("these words do not belong together: one is wrong, or in the wrong place")
    if len(least) == len(words):
        raise InvalidKey("these are not the words of a key in any language known here")
    numbers = ", ".join(map(str, least))
    raise InvalidKey(
        f"word {numbers} is not on the list"
        if len(least) == 1
        else f"words {numbers} are not on the list"
    )
