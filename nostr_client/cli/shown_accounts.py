"""The accounts as a command lists them: those that are kept, and the one that was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

if TYPE_CHECKING:
    from nostr_client.accounts.account import Account
    from nostr_client.cli.context import ClientContext


class ShownAccount(NamedTuple):
    """`key_from` says by what its key is given for this run; empty where it is kept, or watched."""

    account: Account
    key_from: str


def accounts_shown(context: ClientContext) -> list[ShownAccount]:
    """The accounts of this machine, and first the one that is given for this run and is none of
    them. `current` is the one that acts."""
    kept = context.accounts.all()
    acting = context.acting() if context.given_by else None
    if acting is None:
        return [ShownAccount(one, "") for one in kept]
    given = [] if acting in kept else [replace(acting, current=True)]
    others = [one for one in kept if one.pubkey != acting.pubkey or one == acting]
    return [
        *(ShownAccount(one, context.given_by) for one in given),
        *(ShownAccount(replace(one, current=one == acting), "") for one in others),
    ]
