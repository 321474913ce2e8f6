"""Names of people: one line, safe for a terminal, never empty."""

from __future__ import annotations

import pytest

from nostr_client.safe_text import safe_line
from nostr_client.social.views import Profile, SyncStatus

KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"


def test_the_best_name_wins() -> None:
    assert Profile(KEY, name="n", display_name="d", petname="p").label == "p"
    assert Profile(KEY, name="n", display_name="d").label == "d"
    assert Profile(KEY, name="n").label == "n"
    assert Profile(KEY).label == "npub180cvv0…jh6w6"[:12] + "jh6w6"[-4:]
    assert Profile(KEY, name=" \n\t ", display_name="\u202e").label.startswith("npub1")


@pytest.mark.parametrize(
    "name",
    ["a\x1b[31mb", "two\nlines", "x" * 500, "\u202egnp.exe", "[@click=app.quit]x[/]", "\ud800"],
)
def test_a_label_is_safe(name: str) -> None:
    label = Profile(KEY, name=name).label
    assert label == safe_line(label, 32)
    assert "\x1b" not in label
    assert "\n" not in label


def test_only_a_checked_name_is_a_handle() -> None:
    unchecked = Profile(KEY, nip05="ana@x.example", nip05_state="unchecked")
    assert unchecked.handle == ""
    assert Profile(KEY, nip05="ana@x.example", nip05_state="valid").handle == "ana@x.example"
    assert Profile(KEY, nip05="_@x.example", nip05_state="valid").handle == "x.example"


def test_nothing_is_caught_up_before_there_is_a_plan() -> None:
    assert not SyncStatus().is_caught_up
    assert not SyncStatus(running=True).is_caught_up
    assert SyncStatus(running=True, planned=True).is_caught_up
    assert not SyncStatus(running=True, planned=True, relays=2, caught_up=1).is_caught_up
