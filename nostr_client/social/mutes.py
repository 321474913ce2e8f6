"""Whom and what the account does not want to see (kind 10000, NIP-51).

Whoever shows events of others asks `mutes.why(event)`: timelines leave out what has a reason, a
thread folds it to a line. The list counts at once, from whatever device, also while the account is
locked (`known_list`).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from nostr_client.errors import InvalidData
from nostr_client.nips import nip10
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event, Tag, Tags
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.courier import Courier
from nostr_client.routing.list_guard import ListGuard
from nostr_client.safe_text import typeable
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.known_list import KnownList
from nostr_client.social.mute_matcher import MuteMatcher


class Mutes(KnownList):
    """The mute list of the account `owner`: `p`, `t`, `word` and `e` entries, private unless said.

    `await mutes.add(("p", pubkey))`, `await mutes.remove(("p", pubkey))`. Events of `muted_kinds`
    are hidden as well, by this client alone.
    """

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        owner: str,
        folder: Path,
        muted_kinds: Collection[int] = (),
    ) -> None:
        super().__init__(courier, guard, owner, kinds.MUTES, folder)
        self._muted_kinds = frozenset(muted_kinds)
        self.matcher = MuteMatcher((), self._muted_kinds, owner)
        """What counts now. Another one takes its place whenever the list changes."""

    def why(self, event: Event) -> str:
        """Why `event` is hidden, in a few words; "" if it is not. See `MuteMatcher`."""
        return self.matcher.why(event)

    def count(self, entries: Tags) -> None:
        self.matcher = MuteMatcher(entries, self._muted_kinds, self._owner)


def muted_word(text: str) -> Tag:
    """The entry of a word or of several in a row. Raises InvalidData, SecretFound."""
    word = " ".join(typeable(text).lower().split())
    if not word:
        raise InvalidData("there is no word to mute")
    refuse_codes(word)
    return ("word", word)


def muted_topic(text: str) -> Tag:
    """The entry of a hashtag, with or without its `#`. Raises InvalidData, SecretFound."""
    topic = typeable(text).strip().lstrip("#").lower()
    if not topic or len(topic.split()) > 1:
        raise InvalidData("a hashtag is one word")
    refuse_codes(topic)
    return ("t", topic)


def muted_thread(note: Event) -> Tag:
    """The entry of the thread that `note` stands in: by the note it began with, as `note` says."""
    refs = nip10.thread_refs(note) if note.kind == kinds.NOTE else None
    root = refs.root.id if refs and refs.root else note.value("E") or ""
    return ("e", root if is_hex64(root) else note.id)
