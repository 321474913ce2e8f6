"""`nostr-client status`: what is here, and what waits. No relay is asked, and nothing is signed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nostr_client.cli.command import LISTING, add_command
from nostr_client.command_line.tree import Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path

    from nostr_client.accounts.account import Account
    from nostr_client.cli.context import ClientContext
    from nostr_client.cli.shown_accounts import ShownAccount
    from nostr_client.store.contract import ClientStore


def status(context: ClientContext) -> None:
    """Say which accounts are here and what waits to be sent; no relay is asked."""
    from nostr_client.cli.shown_accounts import accounts_shown

    shown = accounts_shown(context)
    where = context.paths.data / "events.db"

    async def work() -> None:
        from nostr_client.store.contract import StoreOptions
        from nostr_client.store.opening import open_client_store

        if not where.is_file():
            _show(context, shown, {}, {**_store_record(where), "used": 0, "allocated": 0})
            return
        async with open_client_store(where, StoreOptions(read_only=True)) as store:
            waiting = {one.pubkey: await _waiting(context, store, one) for one, _ in shown}
            size = await store.size()
            record = {**_store_record(where), "used": size.used, "allocated": size.allocated}
            _show(context, shown, waiting, record)

    wait_for(work())
    if not shown:
        context.out.note("there is no account yet: `nostr-client account create` makes one")
        context.exit_code = Exit.NOT_FOUND


def _store_record(where: Path) -> dict[str, Any]:
    return {"store": str(where)}


async def _waiting(context: ClientContext, store: ClientStore, account: Account) -> dict[str, Any]:
    """Of an account: events that no relay has, copies that relays are to get, and those relays."""
    from nostr_client.resilience.own_relay import OwnRelay
    from nostr_client.store.contract import CopyState

    own = OwnRelay(context.paths).folder.urls()
    tally = await store.ledger.tally([account.pubkey])
    queued = {
        url: counts.get(CopyState.WANTED, 0) + counts.get(CopyState.FAILED, 0)
        for url, counts in tally.items()
    }
    return {
        "unsent": await store.ledger.unsent([account.pubkey], own),
        "queued": sum(queued.values()),
        "relays": sorted(url for url, count in queued.items() if count),
    }


def _show(
    context: ClientContext,
    accounts: list[ShownAccount],
    waiting: dict[str, dict[str, Any]],
    store: dict[str, Any],
) -> None:
    from nostr_client.cli.json_records import account_record
    from nostr_client.cli.keep import bytes_words

    for account, key_from in accounts:
        found = waiting.get(account.pubkey) or {"unsent": 0, "queued": 0, "relays": []}
        mark = "*" if account.current else " "
        words = f"{mark} {account.label}  {account.npub}  {account.protection}"
        record = {**account_record(account), **found}
        if key_from:
            record, words = record | {"key_from": key_from}, f"{words} by {key_from}, not kept"
        if found["unsent"] or found["queued"]:
            words += f"  {found['unsent']} events unsent, {found['queued']} copies wait"
        context.out.emit(record, words)
    words = f"store: {store['store']}, {bytes_words(store['used'])}"
    context.out.emit(store, words)


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "status", status, LISTING)
