"""What an empty home says."""

from __future__ import annotations

from nostr_client.social.views import SyncStatus
from nostr_client.tui.panes.home import nothing_at_home


def test_an_empty_home_without_relays_says_which_keys_add_one() -> None:
    words = nothing_at_home(SyncStatus(running=True, planned=True))
    assert "8 shows yours, a there adds one" in words
    still_looked_for = nothing_at_home(SyncStatus(running=True))
    assert "no relay" not in still_looked_for
    assert "/ finds people" in still_looked_for
