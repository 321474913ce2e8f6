"""Keys and Schnorr signatures on secp256k1 (BIP-340). The only room that knows the C library.

The `secp256k1` package is used where it has a wheel, `coincurve` elsewhere: both bind the same
libsecp256k1, so only the name of one function differs.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, NoReturn

from nostr_client.errors import InvalidCode, InvalidKey, SignerUnavailable

try:
    from secp256k1 import ffi, lib
except ImportError:
    from coincurve._libsecp256k1 import ffi, lib

RECORD_SIZE: Final = 128
"""Bytes of one signature check: id (32), pubkey (32), signature (64)."""
_POINTS: Final = 8192
"""Points of public keys that are remembered: some 300 bytes each."""

# SIGN and VERIFY: older builds need these flags, newer ones neither need nor name them.
_context: Any = ffi.gc(lib.secp256k1_context_create(513 | 257), lib.secp256k1_context_destroy)
lib.secp256k1_context_randomize(_context, secrets.token_bytes(32))
_sign32: Callable[..., int]
if hasattr(lib, "secp256k1_schnorrsig_sign32"):
    _sign32 = lib.secp256k1_schnorrsig_sign32
else:  # the same function's name in older builds
    _sign32 = lib.secp256k1_schnorrsig_sign
_verify: Callable[..., int] = lib.secp256k1_schnorrsig_verify
_tweak_add: Callable[..., int]
if hasattr(lib, "secp256k1_ec_seckey_tweak_add"):
    _tweak_add = lib.secp256k1_ec_seckey_tweak_add
else:
    _tweak_add = lib.secp256k1_ec_privkey_tweak_add
_parse_xonly: Callable[..., int] = lib.secp256k1_xonly_pubkey_parse
is_hex64 = re.compile("[0-9a-f]{64}").fullmatch
"""Is this text an id or a public key by its form: 64 lowercase hex digits?"""


def verify(pubkey: bytes, digest: bytes, sig: bytes) -> bool:
    """Is `sig` (64 bytes) the signature of `pubkey` (32 bytes, x only) over `digest` (32 bytes)?"""
    if len(pubkey) != 32 or len(digest) != 32 or len(sig) != 64:
        return False
    point = ffi.new("secp256k1_xonly_pubkey *")
    parsed: int = _parse_xonly(_context, point, pubkey)
    return parsed == 1 and _verify(_context, sig, digest, 32, point) == 1


def verify_batch(records: bytes) -> bytes:
    """Check many signatures: n records of `RECORD_SIZE` bytes in, n bytes 0 or 1 out."""
    if len(records) % RECORD_SIZE:
        raise ValueError(f"a batch is made of records of {RECORD_SIZE} bytes")
    verdicts = bytearray(len(records) // RECORD_SIZE)
    view = ffi.from_buffer(records)
    for index in range(len(verdicts)):
        start = index * RECORD_SIZE
        point = _point_of(records[start + 32 : start + 64])
        if point is not None:
            record = view + start
            verdicts[index] = _verify(_context, record + 64, record, 32, point)
    return bytes(verdicts)


@lru_cache(_POINTS)
def _point_of(pubkey: bytes) -> Any:
    """The point that these 32 bytes name, None for no point. To find it costs a tenth of a check,
    and who wrote one event wrote others."""
    point = ffi.new("secp256k1_xonly_pubkey *")
    return point if _parse_xonly(_context, point, pubkey) == 1 else None


class PublicKey:
    """An x-only public key; `hex` is its 64 lowercase hex digits."""

    __slots__ = ("hex",)

    def __init__(self, hex: str) -> None:
        """Raises InvalidKey unless `hex` names a point on the curve."""
        if type(hex) is not str or not is_hex64(hex):
            raise InvalidKey("a public key is 64 lowercase hex digits")
        point = ffi.new("secp256k1_xonly_pubkey *")
        if _parse_xonly(_context, point, bytes.fromhex(hex)) != 1:
            raise InvalidKey("this public key is not a point on the curve")
        self.hex = hex

    def __bytes__(self) -> bytes:
        return bytes.fromhex(self.hex)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.hex == other.hex

    def __hash__(self) -> int:
        return hash(self.hex)

    def __repr__(self) -> str:
        return f"PublicKey({self.hex!r})"


class SecretKey:
    """A secret key. It never shows itself: not in `repr`, not in a pickle, not in an error.

    Its one lasting copy is its own, and `wipe` overwrites that. Then it still says whose key it
    was; whatever needs the secret raises SignerUnavailable.
    """

    __slots__ = ("_secret", "public_key")

    def __init__(self, secret: bytes | bytearray) -> None:
        """Copies 32 bytes. Raises InvalidKey unless 0 < secret < the order of the curve."""
        if type(secret) not in (bytes, bytearray) or len(secret) != 32:
            raise InvalidKey("a secret key has 32 bytes")
        with _scratch("unsigned char[32]") as scalar:
            ffi.memmove(scalar, secret, 32)
            with _keypair_of(scalar) as keypair:
                self.public_key = _public_key_of(keypair)
        self._secret = bytearray(secret)

    @classmethod
    def generate(cls) -> SecretKey:
        """A new key from the system's random source."""
        while True:
            try:
                return cls(secrets.token_bytes(32))
            except InvalidKey:  # one time in 2**128
                continue

    @classmethod
    def from_hex(cls, text: str) -> SecretKey:
        """From 64 hex digits. Raises InvalidKey."""
        if type(text) is not str or not is_hex64(text.lower()):
            raise InvalidKey("a secret key in hex has 64 digits")
        secret = bytearray.fromhex(text)
        try:
            return cls(secret)
        finally:
            wipe(secret)

    @classmethod
    def parse(cls, text: str) -> SecretKey:
        """A key as people keep it: an nsec (NIP-19) or 64 hex digits, in capitals, in quotes,
        folded or behind a byte order mark. Raises InvalidKey, which never quotes `text`."""
        from nostr_client.protocol.bech32 import decode_bech32, unfolded

        bare = unfolded(text)
        if not bare.startswith("nsec1"):
            if bare.startswith("npub1"):
                raise InvalidKey("this is a public key: it can be watched, not signed with")
            try:
                return cls.from_hex(bare)
            except InvalidKey:
                raise InvalidKey("neither an nsec nor 64 hex digits of a secret key") from None
        try:
            prefix, secret = decode_bech32(bare)
        except InvalidCode:
            raise InvalidKey("this nsec is damaged: a character is wrong or missing") from None
        if prefix != "nsec":
            raise InvalidKey("this nsec is damaged: a character is wrong or missing")
        return cls(secret)

    def __copy__(self) -> SecretKey:
        return self

    def __deepcopy__(self, memo: object) -> SecretKey:
        return self

    def __bytes__(self) -> bytes:
        """A copy that nobody can wipe: for what must be written down. Raises SignerUnavailable."""
        secret = bytes(self._secret)
        self._refuse_wiped()
        return secret

    def wipe(self) -> None:
        """Overwrite the secret. Safe while other threads use it: they end first, or are refused."""
        wipe(self._secret)

    @property
    def is_wiped(self) -> bool:
        """Was the secret overwritten, so that nothing can be signed any more?"""
        return not any(self._secret)  # nought is no key

    def is_in(self, data: bytes) -> bool:
        """Do these bytes hold the secret? Told without a copy of it. Raises SignerUnavailable."""
        found = self._secret in data
        self._refuse_wiped()
        return found

    def sign(self, digest: bytes) -> bytes:
        """The 64-byte signature over 32 bytes, with fresh auxiliary randomness (BIP-340)."""
        if len(digest) != 32:
            raise ValueError("a digest has 32 bytes")
        return self._sign(digest, secrets.token_bytes(32))

    def _sign(self, digest: bytes, aux: bytes) -> bytes:
        signature = ffi.new("unsigned char[64]")
        with self.scalar() as scalar, _keypair_of(scalar) as keypair:
            if _sign32(_context, signature, digest, keypair, aux) != 1:
                raise InvalidKey("signing failed")
        return bytes(ffi.buffer(signature, 64))

    @contextmanager
    def scalar(self) -> Iterator[Any]:
        """The secret for the C library: a copy for one call. Raises SignerUnavailable."""
        with _scratch("unsigned char[32]") as copy:
            ffi.memmove(copy, self._secret, 32)
            self._refuse_wiped()
            yield copy

    def _refuse_wiped(self) -> None:
        """Asked after each look at the secret: what was seen is whole if it still stands there."""
        if self.is_wiped:
            raise SignerUnavailable("this key was locked, and is in memory no longer: unlock it")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, SecretKey)
            and self.public_key == other.public_key
            and hmac.compare_digest(self._secret, other._secret)
        )

    def __hash__(self) -> int:
        return hash(self.public_key)

    def __repr__(self) -> str:
        return f"<SecretKey of {self.public_key.hex}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret key is not pickled")


@ffi.callback("int(unsigned char *, unsigned char *, unsigned char *, void *)")  # type: ignore[untyped-decorator]
def _take_x(output: Any, x: Any, y: Any, data: Any) -> int:
    ffi.memmove(output, x, 32)
    return 1


def ecdh(secret: SecretKey, pubkey: PublicKey) -> bytearray:
    """The x coordinate, 32 bytes and not hashed, of the point that two keys share (NIP-44).

    The caller wipes it. Raises InvalidKey, SignerUnavailable.
    """
    point = ffi.new("secp256k1_pubkey *")
    with secret.scalar() as scalar, _scratch("unsigned char[32]") as shared:
        if (
            lib.secp256k1_ec_pubkey_parse(_context, point, b"\x02" + bytes(pubkey), 33) != 1
            or lib.secp256k1_ecdh(_context, shared, point, scalar, _take_x, ffi.NULL) != 1
        ):
            raise InvalidKey("these keys share no point")
        return bytearray(ffi.buffer(shared, 32))


def tweak_add(secret: SecretKey, tweak: bytes) -> SecretKey:
    """The secret key plus the number in `tweak`, 32 bytes, as BIP-32 derives one key of another.

    Raises InvalidKey where the sum is none (one time in 2**127), and SignerUnavailable.
    """
    if len(tweak) != 32:
        raise ValueError("a tweak has 32 bytes")
    with secret.scalar() as scalar:
        if _tweak_add(_context, scalar, tweak) != 1:
            raise InvalidKey("no key can be derived here")
        moved = bytearray(ffi.buffer(scalar, 32))
    try:
        return SecretKey(moved)
    finally:
        wipe(moved)


def compressed(secret: SecretKey) -> bytes:
    """The public key of `secret` as 33 bytes: which of the two y it has, and x (SEC 1)."""
    point, size = ffi.new("secp256k1_pubkey *"), ffi.new("size_t *", 33)
    encoded = ffi.new("unsigned char[33]")
    with secret.scalar() as scalar:
        lib.secp256k1_ec_pubkey_create(_context, point, scalar)
    lib.secp256k1_ec_pubkey_serialize(_context, encoded, size, point, 258)
    return bytes(ffi.buffer(encoded, 33))


def wipe(secret: bytearray) -> None:
    """Overwrite what is secret with noughts, where it stands."""
    secret[:] = bytes(len(secret))


@contextmanager
def wiping(key: SecretKey) -> Iterator[SecretKey]:
    """`with wiping(SecretKey.generate()) as key`: it is wiped at the end, however that comes."""
    try:
        yield key
    finally:
        key.wipe()


@contextmanager
def _scratch(kind: str) -> Iterator[Any]:
    """Memory of C's for something secret, overwritten when it is left."""
    memory = ffi.new(kind)
    try:
        yield memory
    finally:
        content = ffi.buffer(memory)
        content[:] = bytes(len(content))


@contextmanager
def _keypair_of(scalar: Any) -> Iterator[Any]:
    with _scratch("secp256k1_keypair *") as keypair:
        if lib.secp256k1_keypair_create(_context, keypair, scalar) != 1:
            raise InvalidKey("not a secret key")
        yield keypair


def _public_key_of(keypair: Any) -> PublicKey:
    point = ffi.new("secp256k1_xonly_pubkey *")
    encoded = ffi.new("unsigned char[32]")
    lib.secp256k1_keypair_xonly_pub(_context, point, ffi.NULL, keypair)
    lib.secp256k1_xonly_pubkey_serialize(_context, encoded, point)
    key = PublicKey.__new__(PublicKey)  # it is a point: to look again would cost as much again
    key.hex = bytes(ffi.buffer(encoded, 32)).hex()
    return key
