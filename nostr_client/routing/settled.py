"""The relay list that a conclusive reading settled: where the account's lists must be.

The newest relay list that is *known* may be an old one, while the relay that has a newer is down.
So it says where to ask as well, and not yet where to ask only. It is *settled* once the account's
lists were read conclusively with it, or the account itself changed it here. This is remembered in
the data folder, so that each command need not begin anew; what cannot be read is not settled,
which only makes the next reading stricter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import private_folder, write_private

_LARGEST: Final = 1 << 16


class SettledRelays:
    """The write relays of the settled relay list of one account, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[str, ...] | None:
        """URLs in their one spelling; None while no list is settled. Raises StoreError."""
        try:
            with self._path.open("rb") as file:
                return msgspec.json.decode(file.read(_LARGEST), type=tuple[str, ...])
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        except OSError as error:
            raise StoreError(f"cannot read {self._path}: {error.strerror or error}") from error

    def write(self, urls: Sequence[str]) -> None:
        """These are settled from now on; durable. Raises StoreError."""
        if self.read() != tuple(urls):
            private_folder(self._path.parent)
            write_private(self._path, msgspec.json.encode(list(urls)))
