"""The shares of a new kit: one text each, for whoever keeps it, and one file each."""

from __future__ import annotations

import os
from pathlib import Path

from nostr_client.errors import InvalidData
from nostr_client.kit.secret import Shares
from nostr_client.paths import open_new_private, private_folder, translated


def shares_of(text: str) -> Shares:
    """New shares, as many as `text` says: "3/5" are five, any three of which open the kit.

    Raises InvalidData, ConfigError without shamir-mnemonic.
    """
    threshold, _, count = text.partition("/")
    if not (threshold.strip().isdecimal() and count.strip().isdecimal()):
        raise InvalidData("shares are written as in 3/5")
    return Shares.create(int(threshold), int(count))


def share_pages(shares: Shares) -> list[str]:
    """The text of each share. Secret."""
    return [f"{_title(shares, n)}\n\n{line}" for n, line in enumerate(shares.lines, 1)]


def write_shares(shares: Shares, folder: Path) -> list[Path]:
    """Write each share into a new file of `folder`; all of them, or none. Raises StoreError."""
    written: list[Path] = []
    try:
        for number, page in enumerate(share_pages(shares), 1):
            written.append(_write(folder, f"{page}\n", number))
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return written


def _title(shares: Shares, number: int) -> str:
    return (
        f"Share {number} of {len(shares.lines)} of a nostr-client backup (SLIP-39)."
        f" Any {shares.threshold} of them open it."
    )


def _write(folder: Path, text: str, number: int) -> Path:
    path = private_folder(folder) / f"share-{number}.txt"
    with translated(f"cannot write {path}"), open_new_private(path) as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    return path
