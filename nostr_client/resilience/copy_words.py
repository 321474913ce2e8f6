"""How copies are put into words, and what an account is to mend: for every face. Pure."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Final

import msgspec

from nostr_client.routing.survival import NOT_TRACKED, AccountSurvival
from nostr_client.store.contract import Copy, CopyGrade, CopyState

OLD_BACKUP: Final = 30 * 86_400
"""Seconds after which a backup lacks so much that a new one is offered."""
FEW_OPERATORS: Final = 3
"""Operators where readers look, fewer than which are worth a word."""
_GRADES: Final = {
    CopyGrade.NONE: "it said so",
    CopyGrade.SAID: "it said so",
    CopyGrade.READ_BACK: "read back",
    CopyGrade.READ_AS_STRANGER: "read back as a stranger",
}


def grade_words(copy: Copy) -> str:
    """What a confirmed copy rests on; of another its state."""
    return _GRADES[copy.grade] if copy.state is CopyState.CONFIRMED else copy.state.value


def refusal_words(copy: Copy) -> str:
    """The relay's last words of refusal, or ours about it; raw."""
    return ": ".join(part for part in (copy.prefix, copy.reason) if part)


def untracked_words(account: AccountSurvival) -> str:
    """What of it was only read here so far; nothing where that is none."""
    return f"{account.untracked:,} {NOT_TRACKED}" if account.untracked else ""


class MendingStep(StrEnum):
    """What a person can do."""

    EVACUATE = "evacuate"
    RELAYS = "relays"
    BACKUP = "backup"


class Mending(msgspec.Struct, frozen=True):
    """One thing that is to be mended, and why."""

    step: MendingStep
    words: str


def to_mend(
    account: AccountSurvival,
    down: Collection[str],
    *,
    listed: Collection[str],
    backup_at: float | None,
    now: float,
) -> list[Mending]:
    """What to mend first, the most pressing first.

    `down` are relays that cannot be reached or refuse us, `listed` those where the account writes;
    `backup_at` is when the last backup was made, in seconds since 1970 like `now`.
    """
    found: list[Mending] = []
    gone = len(set(listed) & set(down))
    if gone:
        words = f"{gone} of your {len(listed)} relays cannot be reached, or refuse you"
        found.append(Mending(MendingStep.EVACUATE, words))
    lying = [row for row in account.relays if row.caught and row.url in listed]
    if lying:
        words = (
            f"{len(lying)} of your relays said that they took what you write, and do not show it"
        )
        found.append(Mending(MendingStep.EVACUATE, words))
    if backup_at is None:
        words = "no backup was made here: a lost disk takes all along"
        found.append(Mending(MendingStep.BACKUP, words))
    elif (age := now - backup_at) > OLD_BACKUP:
        words = f"the backup is {int(age // 86_400)} days old"
        found.append(Mending(MendingStep.BACKUP, words))
    operators = account.worst.readable_operators
    if not gone and len(listed) < FEW_OPERATORS:
        words = f"readers look at {len(listed)} of your relays only: {FEW_OPERATORS} are safer"
        found.append(Mending(MendingStep.RELAYS, words))
    elif not gone and account.short and not account.worst.waiting:
        worst = account.worst
        words = (
            f"for {worst.wanted} copies too few relays are known: {worst.confirmed} have a place"
        )
        found.append(Mending(MendingStep.RELAYS, words))
    elif not gone and account.events and operators < FEW_OPERATORS and not account.short:
        words = f"what readers find is kept by {operators or 'no'} operator(s) only"
        found.append(Mending(MendingStep.RELAYS, words))
    return found
