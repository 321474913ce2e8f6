"""`nostr-client relay ban`, `unban` and `bans`, beside a running relay too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.exits import CommandError
from relays.cli.command import STORES, add_command
from relays.cli.moderation import Consent, Reason, events, moderate, shown, when

if TYPE_CHECKING:
    from relays.cli.context import RelayContext
    from relays.moderation.actions import ModerationActions

Sort = Annotated[
    Literal["pubkey", "event", "ip", "word"], Argument("SORT", "pubkey, event, ip or word.")
]
Value = Annotated[
    str,
    Argument("VALUE", "npub, nevent, hex; an IP address or network; a word or phrase."),
]


def ban(
    context: RelayContext,
    sort: Sort,
    value: Value,
    *,
    remove: Annotated[
        bool, Option("--remove", help="Of a word: remove stored events too (reads them all).")
    ] = False,
    reason: Reason = "",
    consent: Consent,
) -> None:
    """Remove a key's everything, or an event; keep it out."""

    async def work(actions: ModerationActions) -> None:
        await _ban(context, actions, sort, value, remove=remove, reason=reason, consent=consent)

    moderate(context, work, frees=True)


async def _ban(
    context: RelayContext,
    actions: ModerationActions,
    sort: str,
    value: str,
    *,
    remove: bool,
    reason: str,
    consent: Consent,
) -> None:
    from nostr_client.nips.nip19 import event_of, pubkey_of
    from relays.moderation.admins import KEEPER
    from relays.policies.banned_words import narrow_word

    going = removed = 0
    said = {"by": KEEPER, "reason": reason}
    record: dict[str, Any] = {"ban": sort, "value": value}
    near = os.environ.get("SSH_CONNECTION", "").split()[:1]  # where the keeper sits
    if sort == "pubkey":
        value = actions.bannable_key(pubkey_of(value))
        going = await actions.count_by_pubkey(value)
    elif sort == "event":
        value = event_of(value).id
        going = await actions.count_event(value)
    elif sort == "ip":
        value = actions.bannable_address(value, near)
    else:
        value = narrow_word(value)
        found = await actions.count_with_word(value) if remove or consent.dry_run else 0
        going = found if remove else 0
        record["found"] = found
    record["value"] = value
    if not consent.given(context, f"banning {shown(sort, value)}", record, going):
        return
    if sort == "pubkey":
        removed = await actions.ban_pubkey(value, **said)
    elif sort == "event":
        removed = await actions.ban_event(value, **said)
    elif sort == "ip":
        await actions.ban_address(value, near=near, **said)
    else:
        await actions.ban_word(value, **said)
        if remove:
            removed = await actions.remove_word(value, **said)
    record = {"banned": sort, "value": value, "removed": removed}
    done = f"{events(removed)} removed"
    if sort == "word" and not remove:
        done = "what is stored stays (--remove takes it out)"
    context.out.emit(record, f"banned {shown(sort, value)}; {done}")


def unban(context: RelayContext, sort: Sort, value: Value, *, reason: Reason = "") -> None:
    """Take back a ban."""

    async def work(actions: ModerationActions) -> None:
        from nostr_client.nips.nip19 import event_of, pubkey_of
        from relays.moderation.admins import KEEPER

        said = {"by": KEEPER, "reason": reason}
        if sort == "pubkey":
            lifted = await actions.unban_pubkey(pubkey_of(value), **said)
        elif sort == "event":
            lifted = await actions.unban_event(event_of(value).id, **said)
        elif sort == "ip":
            lifted = await actions.unban_address(value, **said)
        else:
            lifted = await actions.unban_word(value, **said)
        if not lifted:
            raise CommandError("there is no such ban")
        record = {"unbanned": sort, "value": value}
        context.out.emit(record, f"not banned any more: {sort} {value}")

    moderate(context, work)


def bans(context: RelayContext) -> None:
    """List all rules, with reasons."""

    async def work(actions: ModerationActions) -> None:
        import msgspec

        for rule in await actions.rules():
            record: dict[str, Any] = msgspec.to_builtins(rule)
            value = shown(rule.sort.removeprefix("ban-"), rule.value)
            words = f": {rule.reason}" if rule.reason else ""
            context.out.emit(record, f"{when(rule.at)}  {rule.sort} {value}{words} (by {rule.by})")

    moderate(context, work, reads=True)


def add_to(root: Group) -> None:
    """They stand at the top level."""
    for function in (ban, unban, bans):
        add_command(root, function.__name__, function, STORES)
