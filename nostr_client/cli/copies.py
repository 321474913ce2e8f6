"""`nostr-client copies`: where what you wrote is, and what it would survive."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import Exit
from nostr_client.safe_text import safe_line

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.resilience.copy_words import Mending
    from nostr_client.routing.survival import AccountSurvival, RelayHolding, Survival
    from nostr_client.store.contract import Copy

_WORDS = 160

Note = Annotated[
    str,
    Argument(metavar="[NOTE]", help="note1, nevent1, nostr: or hex; without one, all you wrote."),
]


def copies(context: ClientContext, note: Note = "") -> None:
    """Where a note of yours is, relay by relay, or all that you wrote; no relay is asked."""
    from nostr_client.nips import nip19

    event_id = nip19.event_of(note).id if note else ""
    account = context.must_act()

    async def work() -> None:
        async with context.reading(account, offline=True) as client:
            if event_id:
                await _of_one(context, client, event_id)
            else:
                await _of_all(context, client)

    wait_for(work())


async def _of_one(context: ClientContext, client: NostrClient, event_id: str) -> None:
    found = await client.survivals.copies_of(event_id)
    if not found.copies:
        context.out.note("no copy of it is known")
        context.exit_code = Exit.NOT_FOUND
        return
    for one in found.copies:
        placed = {"role": one.role, "operator": one.operator, "countries": list(one.countries)}
        record = {**copy_record(one.copy), **placed, "dead": one.dead}
        context.out.emit(record, _copy_line(one.copy, dead=one.dead))
    record = {
        "id": event_id,
        **survival_record(found.survival),
        "named": found.named,
        "reserved": found.reserved,
    }
    context.out.emit(record, found.survival.line)


async def _of_all(context: ClientContext, client: NostrClient) -> None:
    import asyncio

    from nostr_client.kit.last_kit import last_kit
    from nostr_client.resilience.copy_words import untracked_words

    found = await client.survivals.of_account()
    kit = await asyncio.to_thread(last_kit, client.paths.data, client.pubkey)
    backup_at = kit.made_at if kit else None
    for holding in found.relays:
        context.out.emit(_holding_record(holding), _holding_line(holding))
    await _of_others(context, client)
    record = {
        "events": found.events,
        "short": found.short,
        "untracked": found.untracked,
        "worst": survival_record(found.worst),
        "oldest_short": found.oldest_short or None,
        "oldest_short_at": found.oldest_short_at or None,
        "backup_at": backup_at,
    }
    short = f"; {found.short} have fewer copies than wanted" if found.short else ""
    worst = f"{found.events} events{short}; the worst off: {found.worst.line}"
    words = [worst] if found.events else []
    words += [read] if (read := untracked_words(found)) else []
    context.out.emit(record, "; ".join(words) or "nothing of yours is to last so far")
    for mending in await _to_mend(client, found, backup_at):
        context.out.note(mending.words, {"mend": mending.step.value, "words": mending.words})


async def _of_others(context: ClientContext, client: NostrClient) -> None:
    """What is kept of others, and what of it, and of bookmarks, has copies elsewhere."""
    from nostr_client.cli.keep import bytes_words, show_kept

    for person in await client.mutual_aid.people.all():
        await show_kept(context, client, person)
    others = await client.mutual_aid.others.standing()
    if others.events:
        words = f"of others: {others.events} events, {bytes_words(others.size)}"
        words += f", {others.bookmarks} bookmarked" if others.bookmarks else ""
        words += f"; {others.short} have fewer copies than wanted" if others.short else ""
        record = {name: getattr(others, name) for name in others.__struct_fields__}
        context.out.emit({"of_others": record}, words)


async def _to_mend(
    client: NostrClient, found: AccountSurvival, backup_at: float | None
) -> list[Mending]:
    from nostr_client.resilience.copy_words import to_mend

    rows = await client.relays.rows()
    return to_mend(
        found,
        [row.url for row in rows if row.is_failing],
        listed=[row.url for row in rows if row.write and not row.own],
        backup_at=backup_at,
        now=time.time(),
    )


def copy_record(copy: Copy) -> dict[str, Any]:
    """One copy, as the ledger has it. Times are seconds since 1970."""
    return {
        "id": copy.event_id,
        "relay": copy.url,
        "state": copy.state,
        "grade": copy.grade.name.lower(),
        "wanted": copy.wanted,
        "attempts": copy.attempts,
        "next_try": copy.next_try,
        "audit_at": copy.audit_at,
        "audits": copy.audits,
        "prefix": copy.prefix,
        "reason": copy.reason,
        "updated_at": copy.updated_at,
    }


def survival_record(survival: Survival) -> dict[str, Any]:
    """What one event would survive."""
    fields = survival.__struct_fields__
    return {name: getattr(survival, name) for name in fields} | {"survives": survival.survives}


def _copy_line(copy: Copy, *, dead: bool) -> str:
    from nostr_client.resilience.copy_words import grade_words, refusal_words
    from nostr_client.store.contract import CopyState

    word = grade_words(copy)
    parts = [
        safe_line(copy.url, _WORDS),
        f"there: {word}" if copy.state is CopyState.CONFIRMED else word,
        safe_line(refusal_words(copy), _WORDS),
    ]
    if dead:
        parts.append("out of reach now")
    if not copy.wanted:
        parts.append("known, not part of the plan")
    return "  ".join(part for part in parts if part)


def _holding_record(holding: RelayHolding) -> dict[str, Any]:
    fields = {name: getattr(holding, name) for name in holding.__struct_fields__}
    return {"relay": fields.pop("url"), **fields, "confirmed": holding.confirmed}


def _holding_line(holding: RelayHolding) -> str:
    figures = {
        "read as a stranger": holding.as_stranger,
        "read back": holding.read_back,
        "said": holding.said,
        "waiting": holding.waiting,
        "refused": holding.refused,
        "dropped": holding.dropped,
    }
    counted = ", ".join(f"{count} {word}" for word, count in figures.items() if count)
    dead = "  out of reach now" if holding.dead else ""
    void = "; nothing there counts: it does not show what it took" if holding.caught else ""
    return f"{safe_line(holding.url, _WORDS)}  {holding.role}  {counted}{dead}{void}"


def add_to(root: Group) -> None:
    """One command."""
    add_command(root, "copies", copies, CLIENT)
