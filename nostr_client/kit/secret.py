"""What opens an account kit: a passphrase, or enough of the shares of a random secret (SLIP-39).

A passphrase goes through scrypt, slowly and with much memory, so keep `master` off the loop. A
random secret of 128 bits needs none of that: nobody guesses it.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from nostr_client.errors import (
    ConfigError,
    DecryptionFailed,
    InvalidCode,
    InvalidData,
    KitDamaged,
    SignerUnavailable,
)
from nostr_client.kit.file_format import MOST_SHARES, SALT, KitHeader

LOG_N: Final = 17
"""scrypt's work factor: 2**17 rounds, 128 MiB. More than for a key at rest, since a kit lies where
its owner does not look."""
MOST_LOG_N: Final = 22
"""4 GiB: what a file may make us use at most."""
SECRET: Final = 16
_LITTLE_WORK: Final = 8
"""For a password that is a random secret itself."""
_BLOCK: Final = 8
_LONGEST_SHARE: Final = 2000


class KitSecret(Protocol):
    """What opens a kit."""

    @property
    def key_password(self) -> str:
        """The password of the account's key in the kit, where it had none of its own."""
        ...

    @property
    def key_work(self) -> int | None:
        """scrypt's work factor for that; None for the usual."""
        ...

    def header(self) -> KitHeader:
        """A header, with a fresh salt, of a file that this is to open."""
        ...

    def master(self, header: KitHeader) -> bytes:
        """The secret of the file with this header. Slow. Raises SignerUnavailable where it takes
        more memory than there is, KitDamaged, DecryptionFailed for another kind of secret."""
        ...


class Passphrase:
    """A passphrase (in NFKC, so that every keyboard spells it alike)."""

    def __init__(self, text: str, log_n: int = LOG_N) -> None:
        """Raises InvalidData, without the text."""
        self.key_password = text
        self.key_work: int | None = None
        self._log_n = log_n
        try:
            self._bytes = unicodedata.normalize("NFKC", text).encode()
        except UnicodeEncodeError:
            raise InvalidData("a passphrase is made of whole characters") from None

    def __repr__(self) -> str:
        return "<Passphrase>"

    def header(self) -> KitHeader:
        return KitHeader(opens="passphrase", salt=secrets.token_bytes(SALT), log_n=self._log_n)

    def master(self, header: KitHeader) -> bytes:
        if header.opens != "passphrase":
            raise DecryptionFailed("shares open this backup, and no passphrase")
        if not 1 <= header.log_n <= MOST_LOG_N:
            raise KitDamaged(f"its work factor is not one from 2**1 to 2**{MOST_LOG_N}")
        scrypt_memory = 128 * _BLOCK << header.log_n
        try:
            scrypt = Scrypt(salt=header.salt, length=32, n=1 << header.log_n, r=_BLOCK, p=1)
            return scrypt.derive(self._bytes)
        except MemoryError:
            raise SignerUnavailable(
                f"this takes {scrypt_memory >> 20} MiB of memory: too much here"
            ) from None


class Shares:
    """Shares of a random secret: lines of words, as many as are known."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Raises InvalidCode for a line that is no share, DecryptionFailed for shares that are not
        of one set, SignerUnavailable where there are not enough."""
        read = {share.index: share for share in map(KitShare, lines)}
        if len({(share.set, share.threshold) for share in read.values()}) != 1:
            raise DecryptionFailed("these shares do not belong together")
        one = next(iter(read.values()))
        if len(read) < one.threshold:
            raise SignerUnavailable(
                f"{one.threshold} different shares open it, and these are {len(read)}"
            )
        self.set = one.set
        self.threshold = one.threshold
        self.lines = [share.line for share in read.values()]
        enough = self.lines[: one.threshold]
        words = _slip39()
        try:
            self._secret: bytes = words.combine_mnemonics(enough)
        except words.MnemonicError:
            raise DecryptionFailed("these shares do not belong together") from None

    def __repr__(self) -> str:
        return "<Shares>"

    @classmethod
    def create(cls, threshold: int, count: int) -> Shares:
        """`count` shares of a fresh secret, any `threshold` of which are enough.

        Raises InvalidData where that makes no sense, ConfigError without shamir-mnemonic.
        """
        if not 2 <= threshold <= count <= MOST_SHARES:
            raise InvalidData(f"shares are 2/2 to {MOST_SHARES}/{MOST_SHARES}, as in 3/5")
        groups = [(threshold, count)]
        (lines,) = _slip39().generate_mnemonics(1, groups, secrets.token_bytes(SECRET))
        return cls(lines)

    @property
    def key_password(self) -> str:
        return self._secret.hex()

    @property
    def key_work(self) -> int | None:
        return _LITTLE_WORK

    def header(self) -> KitHeader:
        return KitHeader(
            opens="shares",
            salt=secrets.token_bytes(SALT),
            threshold=self.threshold,
            shares=len(self.lines),
            share_set=self.set,
        )

    def master(self, header: KitHeader) -> bytes:
        if header.opens != "shares":
            raise DecryptionFailed("a passphrase opens this backup, and no shares")
        if header.share_set != self.set:
            raise DecryptionFailed("these are shares of another backup")
        return self._secret

    def fewest(self) -> Shares:
        """The last ones that are enough: they open what all of them open."""
        return Shares(self.lines[-self.threshold :])


class KitShare:
    """One share: its `line` of words, the `set` that it belongs to, its place and how many it
    takes. The first four letters of a word are enough.

    Raises InvalidCode, without the words.
    """

    def __init__(self, text: str) -> None:
        words = _slip39()
        typed = text[:_LONGEST_SHARE].lower().split()
        full = {word[:4]: word for word in words.wordlist.WORDLIST}
        for number, word in enumerate(typed, 1):
            if not full.get(word[:4], "").startswith(word) or len(word) < 4:
                raise InvalidCode(f"word {number} is none that a share is made of")
        self.line = " ".join(full[word[:4]] for word in typed)
        try:
            share = words.Share.from_mnemonic(self.line)
        except words.MnemonicError:  # which quotes some of the words
            raise InvalidCode(
                "this is no whole share: a word is missing, wrong or in another place"
            ) from None
        self.set = int(share.identifier)
        self.index = int(share.index)
        self.threshold = int(share.member_threshold)

    def __repr__(self) -> str:
        return f"<KitShare {self.index + 1} of set {self.set}>"


def _slip39() -> Any:
    """The words' package. Raises ConfigError where it is not installed."""
    try:
        import shamir_mnemonic
        import shamir_mnemonic.wordlist
    except ImportError:
        raise ConfigError(
            "shares need the package shamir-mnemonic: pip install 'nostr-client[shares]'"
        ) from None
    return shamir_mnemonic
