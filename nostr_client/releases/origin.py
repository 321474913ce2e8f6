"""The keys that an installation was born with: whose releases it takes.

They stand in `origin.json` beside `version.py`, which whoever makes releases writes once:

    python -m nostr_client.releases.origin npub1... --offline npub1...

A tree without that file builds installations that know no release key.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, StoreError
from nostr_client.nips.nip19 import pubkey_of
from nostr_client.paths import write_private
from nostr_client.protocol.keys import is_hex64

APP: Final = "example.nostr-client"
"""What NIP-82 calls this program: the project's address, the other way round."""
ORIGIN: Final = Path(__file__).resolve().parents[1] / "origin.json"
_LARGEST: Final = 4096


class ReleaseKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Public keys (hex): `release_key` signs the releases of `app`; `offline_key`, empty where
    there is none, signs nothing but a change of keys, together with it."""

    app: str = APP
    release_key: str
    offline_key: str = ""


def keys_of(data: bytes) -> ReleaseKeys:
    """Raises InvalidData for what is no such file."""
    try:
        keys = msgspec.json.decode(data, type=ReleaseKeys)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise InvalidData("not a file of release keys") from None
    check_keys(keys)
    return keys


def check_keys(keys: ReleaseKeys) -> None:
    """Raises InvalidData for keys that are none, or one key twice."""
    if not is_hex64(keys.release_key) or not (not keys.offline_key or is_hex64(keys.offline_key)):
        raise InvalidData("a release key is a public key in hex")
    if keys.release_key == keys.offline_key:
        raise InvalidData("the offline key must be another one than the release key")


def read_keys(path: Path) -> ReleaseKeys | None:
    """The keys in a file; None where there is none. Raises StoreError where it is damaged."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        return keys_of(data)
    except InvalidData as error:
        raise StoreError(f"{path}: {error}") from error


def write_keys(path: Path, keys: ReleaseKeys) -> None:
    """All or nothing, and durably. Raises StoreError."""
    write_private(path, msgspec.json.format(msgspec.json.encode(keys), indent=2) + b"\n")


def born_with() -> ReleaseKeys | None:
    """The keys that this very program was built with; None where it was built without any.

    Raises StoreError.
    """
    return read_keys(ORIGIN)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the keys into the source tree; returns the exit code."""
    parser = argparse.ArgumentParser(prog="origin", description=__doc__)
    parser.add_argument("release", help="the public key that signs releases")
    parser.add_argument("--offline", default="", help="the one that is needed to change it")
    given = parser.parse_args(arguments)
    try:
        offline = pubkey_of(given.offline) if given.offline else ""
        keys = ReleaseKeys(release_key=pubkey_of(given.release), offline_key=offline)
        check_keys(keys)
        write_keys(ORIGIN, keys)
        ORIGIN.chmod(0o644)
    except (InvalidData, StoreError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    sys.stdout.write(f"{ORIGIN}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
