"""The relay list that a conclusive reading settled: where the account's lists must be.

The newest relay list that is *known* may be an old one, while the relay that has a newer is down.
So it says where to ask as well, and not yet where to ask only. It is *settled* once the account's
lists were read conclusively with it, or the account itself changed it here. This is remembered in
the data folder, so that each command need not begin anew; what cannot be read is not settled,
which only makes the next reading stricter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import private_folder, write_private

_LARGEST: Final = 1 << 16


class UrlFile:
    """Relay URLs in one file: the write relays of an account's settled relay list, or (`found_at`)
    those where the person says that the account is found."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[str, ...] | None:
        """URLs in their one spelling; None where none were written. Raises StoreError."""
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST), type=tuple[str, ...])
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return None
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error.strerror or error}") from error

    def write(self, urls: Sequence[str]) -> None:
        """These they are from now on; durable. Raises StoreError."""
        if self.read() != tuple(urls):
            private_folder(self._path.parent)
            write_private(self._path, msgspec.json.encode(list(urls)))


MOST_FOUND: Final = 20
"""Relays that one code or domain may name."""


def found_at(folder: Path, pubkey: str) -> UrlFile:
    """Where the person says that the account `pubkey` is found; `folder` is that of the data.

    A relay inside an nprofile that is watched, or one added to an account without a key.
    """
    return UrlFile(folder / f"lists-{pubkey[:16]}.found.json")


def remember_found(folder: Path, pubkey: str, urls: Iterable[str]) -> None:
    """Add `urls`, in their one spelling, to those. Blocks. Raises StoreError."""
    file = found_at(folder, pubkey)
    held = file.read() or ()
    if new := [url for url in dict.fromkeys(urls) if url not in held][:MOST_FOUND]:
        file.write((*held, *new))
