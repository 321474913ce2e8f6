"""`nostr-client backup`, `restore`: all of an account in one encrypted file, and back."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from nostr_client.cli.command import KEEPING, UNLOCKING, add_command
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nostr_client.accounts.account import Account
    from nostr_client.cli.context import ClientContext
    from nostr_client.kit.file_format import KitHeader, KitReader
    from nostr_client.kit.making import KitDraft
    from nostr_client.kit.records import KitCounts, KitRecord, KitStart
    from nostr_client.kit.restoring import RestoreReport
    from nostr_client.kit.secret import KitSecret

PassphraseFd = Annotated[
    int | None,
    Option("--passphrase-fd", "N", "Read the passphrase of the backup from this file descriptor."),
]


def backup(
    context: ClientContext,
    file: Annotated[Path, Argument("FILE", "Where it goes; nothing is overwritten.")],
    *,
    shares: Annotated[
        str,
        Option("--shares", "M/N", "No passphrase: any M of N lists of words open it, as 3/5."),
    ] = "",
    shares_to: Annotated[
        Path | None,
        Option("--shares-to", "FOLDER", "Write the shares there, one a file, and show none."),
    ] = None,
    passphrase_fd: PassphraseFd = None,
    force: Annotated[bool, Option("--force", help="Replace FILE if it is there.")] = False,
) -> None:
    """Put all of an account into one encrypted file: key, notes, lists, messages.

    It is done once it was opened again, restored into a folder of its own, and compared.
    """
    from nostr_client.cli import kit_secret
    from nostr_client.kit.account_parts import opens_key_too
    from nostr_client.kit.making import KitDraft
    from nostr_client.kit.secret import Shares

    if shares_to is not None and not shares:
        raise CommandError("--shares-to goes with --shares", Exit.USAGE)
    if shares:
        kit_secret.check_shares_can_go(shares_to)
    account = context.must_act()
    with KitDraft(context.paths, file, account.pubkey, replace=force) as draft:
        secret: KitSecret = (
            kit_secret.new_shares(shares) if shares else kit_secret.new_passphrase(passphrase_fd)
        )
        password = context.password_of(account) if opens_key_too(account, secret) else None
        report, start = wait_for(_make(context, account, draft, secret, password))
        written = kit_secret.hand_out(secret, shares_to) if isinstance(secret, Shares) else []
        try:
            draft.finish()
        except BaseException:
            for path in written:
                path.unlink(missing_ok=True)
            raise
    if start.ncryptsec and context.given_key is None:
        wait_for(context.accounts.note_backup(account))
    _say_made(context, draft.path, start, report, shares=shares, share_files=written)


async def _make(
    context: ClientContext,
    account: Account,
    draft: KitDraft,
    secret: KitSecret,
    password: str | None,
) -> tuple[RestoreReport, KitStart]:
    from nostr_client.kit.account_parts import start_of
    from nostr_client.store.contract import StoreOptions
    from nostr_client.store.opening import MEMORY, open_client_store

    given = context.given_key.key if context.given_key else None
    start = await start_of(
        context.accounts,
        account,
        secret,
        context.config,
        time.time(),
        password=password,
        given=given,
    )
    path = context.paths.data / "events.db"
    there = path.exists()
    async with open_client_store(path if there else MEMORY, StoreOptions(read_only=there)) as store:
        await draft.write(start, secret, store)
    return await draft.check(), start


def restore(
    context: ClientContext,
    file: Annotated[Path, Argument("FILE", "What `nostr-client backup` wrote.")],
    *,
    list_only: Annotated[
        bool, Option("--list", help="Say what is in it, and restore nothing.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="The same as --list.")] = False,
    salvage: Annotated[
        bool, Option("--salvage", help="Of a damaged file, restore what is before the damage.")
    ] = False,
    share: Annotated[
        list[Path] | None,
        Option("--share", "FILE", "A file with the words of a share; again for each."),
    ] = None,
    passphrase_fd: PassphraseFd = None,
    keyring: Annotated[
        bool, Option("--keyring", help="Keep the key in the system's key store, no password.")
    ] = False,
) -> None:
    """Bring an account back out of such a file, beside whatever is here.

    Nothing newer is overwritten, no key that is here is touched, and nothing is sent.
    """
    import asyncio

    from nostr_client.cli import kit_secret
    from nostr_client.config import load_config
    from nostr_client.kit.account_parts import held, needs_key, needs_pairing

    try:
        source = file.open("rb")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror or error}") from None
    with source:
        header, _ = _head_of(source)
        secret = kit_secret.secret_of(header, passphrase_fd, share or ())
        master = wait_for(asyncio.to_thread(secret.master, header))
        start, found = wait_for(_look(source, master))
        if list_only or dry_run:
            _say_content(context, file, start, found)
            return
        if found.damaged and not salvage:
            raise CommandError(
                f"{found.damaged}. Nothing was restored; --salvage restores what is before that:"
                f" {_words(found.counts)}",
                record={"damaged": found.damaged, **_counted(found.counts)},
            )
        load_config(context.paths.config / "config.toml")  # or it fails half way
        before = held(context.accounts, start.pubkey)
        brings_key = needs_key(context.accounts, start)
        brings_pairing = needs_pairing(context.accounts, start)
        account = _restore_account(context, start, secret, keyring)
        report, settled = wait_for(_restore(context, source, master))
    key = "restored" if brings_key else "kept" if before and before.can_sign else "none"
    key = "by its bunker" if brings_pairing else key
    _say_restored(context, account, start, report, key=key, settled=settled)


def _head_of(source: BinaryIO) -> tuple[KitHeader, bytes]:
    from nostr_client.kit.file_format import read_head

    source.seek(0)
    return read_head(source)


async def _open(
    source: BinaryIO, master: bytes
) -> tuple[KitStart, AsyncIterator[list[KitRecord]], KitReader]:
    from nostr_client.kit.file_format import KitReader
    from nostr_client.kit.restoring import read_start

    header, head = _head_of(source)
    reader = KitReader(source, header, head, master)
    return (*await read_start(reader), reader)


async def _look(source: BinaryIO, master: bytes) -> tuple[KitStart, RestoreReport]:
    from nostr_client.kit.restoring import count

    start, following, reader = await _open(source, master)
    report = await count(following)
    report.unknown = reader.unknown
    return start, report


async def _restore(
    context: ClientContext, source: BinaryIO, master: bytes
) -> tuple[RestoreReport, bool]:
    import asyncio

    from nostr_client.kit.account_parts import restore_settings
    from nostr_client.kit.restoring import restore
    from nostr_client.paths import private_folder
    from nostr_client.store.opening import open_client_store

    start, following, reader = await _open(source, master)
    settled = await asyncio.to_thread(restore_settings, context.paths, start)
    data = private_folder(context.paths.data)
    async with open_client_store(data / "events.db") as store:
        report = await restore(following, start.pubkey, store, data)
    report.unknown += reader.unknown
    return report, settled


def _restore_account(
    context: ClientContext, start: KitStart, secret: KitSecret, keyring: bool
) -> Account:
    from nostr_client.cli.account import protection_of_new_key
    from nostr_client.kit.account_parts import needs_key, restore_account

    protection = password = None
    if start.by_kit and needs_key(context.accounts, start):
        protection, password = protection_of_new_key(context, keyring)
    return wait_for(
        restore_account(context.accounts, start, secret, password=password, protection=protection)
    )


# What is said


def _words(counts: KitCounts) -> str:
    return (
        f"{counts.events:,} events, {counts.versions:,} list versions, {counts.messages:,} messages"
    )


def _counted(counts: KitCounts) -> dict[str, Any]:
    import msgspec

    return msgspec.structs.asdict(counts)


def _account_fields(start: KitStart) -> dict[str, Any]:
    from nostr_client.nips.nip19 import encode_npub

    key = "none" if not start.ncryptsec else "by the backup" if start.by_kit else "own password"
    key = "in its bunker" if start.pairing is not None else key
    return {"npub": encode_npub(start.pubkey), "name": start.name, "key": key}


def _say_made(
    context: ClientContext,
    path: Path,
    start: KitStart,
    report: RestoreReport,
    *,
    shares: str,
    share_files: list[Path],
) -> None:
    record = {
        "file": str(path),
        **_account_fields(start),
        **_counted(report.counts),
        "bytes": path.stat().st_size,
        "opens": f"shares {shares}" if shares else "passphrase",
        "share_files": [str(share) for share in share_files],
        "checked": True,
        "invalid": report.invalid,
    }
    context.out.emit(record, f"{path}: {_words(report.counts)}; opened again and compared")
    _say_of_key(context, start)
    if report.invalid:
        context.out.note(
            f"{report.invalid} events in the store of this machine are damaged: they are in the"
            " backup as they are, and will not be restored"
        )
        context.exit_code = Exit.INCOMPLETE


def _say_of_key(context: ClientContext, start: KitStart) -> None:
    if start.pairing is not None:
        context.out.note(
            "The key is in its bunker. Whoever opens this can ask that for what this client may,"
            " until the bunker revokes it."
        )
    elif not start.ncryptsec:
        why = "its key is in its bunker" if start.kept == "bunker" else "it is watch-only"
        context.out.note(f"No key is in it: {why}.")
    elif start.by_kit:
        context.out.note("Whatever opens it has the account, with its key.")
    else:
        context.out.note(
            "The key in it opens with the password that the account had when it was made."
        )


def _say_content(context: ClientContext, file: Path, start: KitStart, found: RestoreReport) -> None:
    from nostr_client.cli.plain_lines import when

    fields = _account_fields(start)
    record = {
        "file": str(file),
        **fields,
        "made_at": start.made_at,
        "program": start.program,
        **_counted(found.counts),
        "unknown": found.unknown,
        "damaged": found.damaged,
    }
    who = f"{start.name} {fields['npub']}".strip()
    context.out.emit(record, f"{who}, made {when(start.made_at)}: {_words(found.counts)}")
    _say_of_key(context, start)
    _say_what_is_missing(context, found)


def _say_restored(
    context: ClientContext,
    account: Account,
    start: KitStart,
    report: RestoreReport,
    *,
    key: str,
    settled: bool,
) -> None:
    kept = [*report.kept, *([] if settled else ["settings"])]
    record = {
        "npub": account.npub,
        "name": account.name,
        "key": key,
        **_counted(report.counts),
        "new": report.new,
        "kept": kept,
        "invalid": report.invalid,
        "unknown": report.unknown,
        "damaged": report.damaged,
    }
    words = f"{account.label}  {account.npub}: {_words(report.counts)}; {report.new:,} are new here"
    context.out.emit(record, words)
    if key == "restored" and not start.by_kit:
        context.out.note("Its key opens with the password that it had.")
    elif key == "by its bunker":
        context.out.note("Its bunker signs for it here too, if that still knows this client.")
    elif key == "kept":
        context.out.note("Its key was here already, and was not touched.")
    elif key == "none" and start.kept == "bunker":
        context.out.note(
            "Its key is in its bunker: `nostr-client account connect` signs with it again."
        )
    if key == "restored" and account.name != start.name:
        context.out.note(f"Another account is called {start.name} here: this one has no name.")
    if kept:
        context.out.note(f"Here already, and left as they are: {', '.join(kept)}.")
    _say_what_is_missing(context, report)


def _say_what_is_missing(context: ClientContext, report: RestoreReport) -> None:
    if report.damaged:
        context.out.note(f"Not all of it could be read: {report.damaged}.")
    if report.invalid:
        context.out.note(
            f"{report.invalid} events have a wrong id or signature, and were left out."
        )
    if report.unknown:
        context.out.note(
            f"{report.unknown} entries were written by a newer version of this program, and were"
            " left out."
        )
    if not report.is_whole:
        context.exit_code = Exit.INCOMPLETE


def add_to(root: Group) -> None:
    """They stand at the top."""
    add_command(root, "backup", backup, UNLOCKING)
    add_command(root, "restore", restore, KEEPING)
