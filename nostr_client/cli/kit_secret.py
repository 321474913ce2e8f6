"""What opens a backup is asked for, and the shares of a new one are given out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nostr_client.cli import secret_input
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.kit.file_format import KitHeader
    from nostr_client.kit.secret import KitSecret, KitShare, Shares

MOST_TRIES = 20
"""Shares that may be typed wrongly before a command gives up."""


def new_passphrase(descriptor: int | None) -> KitSecret:
    """A new passphrase, from `descriptor` or typed twice. Raises CommandError, AccountError."""
    from nostr_client.accounts.key_vault import check_password
    from nostr_client.kit.secret import Passphrase

    if descriptor is not None:
        text = secret_input.read_descriptor(descriptor)
        check_password(text)
        return Passphrase(text)
    if not secret_input.can_ask():
        raise CommandError(
            "what is to open the backup? Give a passphrase with --passphrase-fd N, or use a"
            " terminal; or take --shares with --shares-to",
            Exit.LOCKED,
        )
    return Passphrase(secret_input.ask_new_password("New passphrase for the backup"))


def new_shares(text: str) -> Shares:
    """Shares as in "3/5". Raises CommandError, ConfigError."""
    from nostr_client.errors import InvalidData
    from nostr_client.kit.share_files import shares_of

    try:
        return shares_of(text)
    except InvalidData as error:
        raise CommandError(f"--shares: {error}", Exit.USAGE) from None


def check_shares_can_go(folder: Path | None) -> None:
    """Raises CommandError where there is nowhere for shares to go, or others lie there."""
    if folder is not None and any(folder.glob("share-*.txt")):
        raise CommandError(f"{folder} holds shares already: name another folder", Exit.USAGE)
    if folder is None and not secret_input.can_ask():
        raise CommandError(
            "shares are shown on a terminal, or written by --shares-to FOLDER", Exit.USAGE
        )


def hand_out(shares: Shares, folder: Path | None) -> list[Path]:
    """Each share once: into a file of its own, or on a page of the terminal. Raises StoreError,
    CommandError."""
    from nostr_client.kit.share_files import share_pages, write_shares

    if folder is not None:
        return write_shares(shares, folder)
    secret_input.show_pages(share_pages(shares))
    return []


def secret_of(header: KitHeader, descriptor: int | None, files: Sequence[Path]) -> KitSecret:
    """What opens the backup with this header. Raises CommandError, StoreError, InvalidCode."""
    from nostr_client.kit.secret import Passphrase

    if header.opens == "passphrase":
        if files:
            raise CommandError("a passphrase opens this backup, and no shares", Exit.USAGE)
        if descriptor is not None:
            return Passphrase(secret_input.read_descriptor(descriptor))
        return Passphrase(
            secret_input.ask_hidden("Passphrase of the backup", "with --passphrase-fd N")
        )
    if descriptor is not None:
        raise CommandError("shares open this backup, and no passphrase", Exit.USAGE)
    return _shares_of(header, files)


def _shares_of(header: KitHeader, files: Sequence[Path]) -> Shares:
    from nostr_client.errors import InvalidCode
    from nostr_client.kit.secret import KitShare, Shares

    found: dict[int, KitShare] = {}
    for path in files:
        try:
            share = KitShare(_line_in(path))
        except InvalidCode as error:
            raise CommandError(f"{path}: {error}", Exit.LOCKED) from None
        if share.set != header.share_set:
            raise CommandError(f"{path} is a share of another backup", Exit.LOCKED)
        found[share.index] = share
    tries = 0
    while len(found) < header.threshold:
        tries += 1
        if files or tries > MOST_TRIES or not secret_input.can_ask():
            raise CommandError(
                f"{header.threshold} shares of {header.shares} open this backup, and these are"
                f" {len(found)}: --share FILE, for each, or type them on a terminal",
                Exit.LOCKED,
            )
        said = f"Share {len(found) + 1} of {header.threshold} (its words; hidden)"
        try:
            share = KitShare(secret_input.ask_hidden(said))
        except InvalidCode as error:
            secret_input.say(f"{error}. Once more.")
            continue
        if share.set != header.share_set:
            secret_input.say("This is a share of another backup.")
        elif share.index in found:
            secret_input.say("This one was typed already.")
        else:
            found[share.index] = share
    return Shares([share.line for share in found.values()])


def _line_in(path: Path) -> str:
    """The last line of a file of a share: what stands before it is for people."""
    from nostr_client.accounts.secret_descriptor import MOST_BYTES

    try:
        with path.open("rb") as file:
            text = file.read(MOST_BYTES).decode(errors="replace")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror or error}") from None
    return next((line for line in reversed(text.splitlines()) if line.strip()), "")
