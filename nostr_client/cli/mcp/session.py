"""One run of `nostr-client mcp`: the client, what is allowed, and how notes and people are told.

Whatever is handed out passes `safe_text`: a program may print it on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from nostr_client.cli.mcp.permissions import HourlyLimit, Permissions
from nostr_client.errors import NostrError
from nostr_client.net.outcome import in_words
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.store.visibility import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nostr_client.client import NostrClient
    from nostr_client.net.outcome import End
    from nostr_client.social.views import NoteView, Profile

MOST_CHARACTERS: Final = 4_000
"""Of one text."""
MOST_TAGS: Final = 100
MOST_PEOPLE: Final = 1_000
NOT_PUBLIC: Final = frozenset(
    {*PRIVATE, kinds.SEAL, kinds.DRAFT_WRAP, kinds.PRIVATE_RELAYS, kinds.NOSTR_CONNECT}
)
"""Kinds that are nobody's business: what is private, and who has how much of it."""


class NotToBeHad(NostrError):
    """A program asked for what it cannot have here; said to it in one line."""


@dataclass(frozen=True)
class McpSession:
    """What every tool is given. `limit` bounds what is written, `questions` what the person is
    asked."""

    client: NostrClient
    permissions: Permissions
    limit: HourlyLimit
    questions: HourlyLimit
    _people: dict[str, str] = field(default_factory=dict)
    """Whom a text meant: a domain that says something else later changes nothing that was asked."""

    @property
    def is_offline(self) -> bool:
        return self.permissions.is_offline

    async def pubkey_of(self, who: str) -> str:
        """The person (hex) that `who` names. Raises NostrError."""
        if who in self._people:
            return self._people[who]
        if not self.is_offline:
            found = await self.client.profiles.resolve(who)
        elif "@" in who:
            raise NotToBeHad("no domain is asked while private things may be read: give an npub")
        else:
            found = nip19.profile_of(who.strip().removeprefix("nostr:")).pubkey
        if len(self._people) >= MOST_PEOPLE:
            self._people.clear()
        return self._people.setdefault(who, found)

    async def person_words(self, who: str) -> str:
        """Whom `who` means, as a person is asked about them: never the code itself, which may be
        long and begin with anything. Raises NostrError."""
        profile = await self.client.profiles.get(await self.pubkey_of(who))
        return f"{profile.label} ({profile.npub})"

    async def note_words(self, code: str) -> str:
        """The same of a note: its author, and how it begins. Raises NostrError."""
        event = await self.client.store.get(await self.note_id(code))
        if event is None:  # deleted meanwhile
            raise NotToBeHad("this note is not here any more")
        words = safe_line(event.content[:1_000], 160)
        return f"the note of {await self.person_words(event.pubkey)} “{words}”"

    async def note_id(self, code: str) -> str:
        """The id (hex) of a note that is here, fetched if it may be. Raises NostrError."""
        ref = nip19.event_of(code)
        client = self.client
        if await client.store.get(ref.id) is None and not self.is_offline:
            client.book.policy.use_from_code(ref.relays)
            authors = [ref.author] if ref.author else []
            await client.courier.fetch_ids([ref.id], near=ref.relays, authors=authors)
        event = await client.store.get(ref.id)
        if event is None or event.kind in NOT_PUBLIC:
            raise NotToBeHad("this note was not found" + (" here" if self.is_offline else ""))
        return event.id


def text_of(text: str) -> dict[str, Any]:
    """A text, and whether it was cut."""
    cut = len(text) > MOST_CHARACTERS
    return {"text": safe_text(text[:MOST_CHARACTERS]), **({"cut": True} if cut else {})}


def person_record(profile: Profile) -> dict[str, Any]:
    """A person in a word: `nip05` only where it was checked."""
    told = {"npub": profile.npub, "name": profile.label}
    return {**told, "nip05": profile.handle} if profile.handle else told


def told_note(view: NoteView) -> dict[str, Any]:
    """A note as programs are told of it; of a muted one that it is there."""
    event = view.event
    told: dict[str, Any] = {
        "id": nip19.encode_nevent(event.id, (), event.pubkey, event.kind),
        "kind": event.kind,
        "created_at": event.created_at,
        "author": person_record(view.author),
    }
    if view.muted:
        return {**told, "muted": True}
    if view.missing:
        return {**told, "reposted_but_not_here": nip19.encode_nevent(view.missing)}
    told |= text_of(event.content)
    if view.warning is not None:
        told["content_warning"] = safe_text(view.warning[:200])
    if view.reply_to:
        told["in_reply_to"] = person_record(view.reply_to)
    if view.reposted_by:
        told["reposted_by"] = person_record(view.reposted_by)
    counts = {"replies": view.replies, "reactions": view.reactions, "reposts": view.reposts}
    return {**told, **{name: count for name, count in counts.items() if count}}


def told_event(event: Event) -> dict[str, Any]:
    """Any public event: without its signature, as its texts are made safe."""
    return {
        "id": event.id,
        "kind": event.kind,
        "created_at": event.created_at,
        "pubkey": event.pubkey,
        "tags": [[safe_text(item[:1000]) for item in tag[:20]] for tag in event.tags[:MOST_TAGS]],
        **text_of(event.content),
    }


def public(events: Iterable[Event]) -> list[Event]:
    return [event for event in events if event.kind not in NOT_PUBLIC]


def missed_words(ends: Mapping[str, End], *, found: bool) -> dict[str, str]:
    """What relays did not say, in words; nothing where all answered."""
    words = in_words(ends.values(), found=found)
    return {"note": words} if words else {}
