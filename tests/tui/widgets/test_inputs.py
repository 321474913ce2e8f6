"""The fields in which people write."""

from __future__ import annotations

from nostr_client.safe_text import typeable


def test_what_is_pasted_cannot_command_the_terminal() -> None:
    assert typeable("a\x1b[2Jb\r\nc\rd\x07\x9b\x7f\te") == "a[2Jb\nc\nd\te"
