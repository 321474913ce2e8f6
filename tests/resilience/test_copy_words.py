"""What an account is to mend first."""

from __future__ import annotations

import pytest

from nostr_client.resilience.copy_words import OLD_BACKUP, MendingStep, to_mend, untracked_words
from nostr_client.routing.survival import AccountSurvival, Survival

LISTED = ["wss://a.example", "wss://b.example", "wss://c.example"]
WELL = Survival(wanted=7, confirmed=7, operators=7, readable=3, readable_operators=3)
NOW = 1_800_000_000.0
FRESH = NOW - 3600


@pytest.mark.parametrize(
    ("worst", "short", "down", "listed", "backup_at", "steps"),
    [
        (WELL, 0, [], LISTED, FRESH, []),
        (WELL, 0, ["wss://far.example"], LISTED, FRESH, []),
        (WELL, 0, LISTED[:1], LISTED, None, [MendingStep.EVACUATE, MendingStep.BACKUP]),
        (WELL, 0, [], LISTED, NOW - OLD_BACKUP - 1, [MendingStep.BACKUP]),
        (WELL, 0, [], LISTED[:2], FRESH, [MendingStep.RELAYS]),
        (Survival(wanted=7, confirmed=5), 9, [], LISTED, FRESH, [MendingStep.RELAYS]),
        (Survival(wanted=7, confirmed=5, waiting=2), 9, [], LISTED, FRESH, []),
        (Survival(7, 7, operators=7, readable_operators=2), 0, [], LISTED, FRESH, ["relays"]),
    ],
)
def test_what_to_mend(
    worst: Survival,
    short: int,
    down: list[str],
    listed: list[str],
    backup_at: float | None,
    steps: list[MendingStep],
) -> None:
    account = AccountSurvival(9, worst, short, ())
    found = to_mend(account, down, listed=listed, backup_at=backup_at, now=NOW)
    assert [each.step for each in found] == steps


def test_what_was_only_read_is_said_to_be_that() -> None:
    assert untracked_words(AccountSurvival(9, WELL, 0, ())) == ""
    account = AccountSurvival(0, Survival(wanted=7), 0, (), untracked=1_204)
    assert untracked_words(account) == "1,204 not yet looked after"
