"""Reports of what is objectionable, to whoever heeds them (NIP-56). They are public, for good."""

from __future__ import annotations

from typing import Final

from nostr_client.errors import InvalidEvent
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event, Tag
from nostr_client.protocol.keys import is_hex64
from nostr_client.routing.courier import OnAnswer
from nostr_client.social.notes import clean
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import Posted

REPORT_TYPES: Final = {
    "spam": "spam",
    "impersonation": "somebody who says to be somebody else",
    "nudity": "nudity, pornography",
    "malware": "viruses, spyware, what steals passwords",
    "profanity": "hateful or obscene talk",
    "illegal": "what may be against the law",
    "other": "something else",
}
"""NIP-56's types, and what they mean."""


class Reporting:
    """Reports as the signer of `publisher`."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def person(
        self, pubkey: str, why: str, words: str = "", *, on_answer: OnAnswer | None = None
    ) -> Posted:
        """Report somebody; `why` is one of `REPORT_TYPES`, `words` go with it.

        Raises InvalidEvent, SecretFound, SignerError, StoreError.
        """
        if not is_hex64(pubkey):
            raise InvalidEvent("this is no public key")
        return await self._report((("p", pubkey, _known(why)),), words, on_answer)

    async def event(
        self, event: Event, why: str, words: str = "", *, on_answer: OnAnswer | None = None
    ) -> Posted:
        """Report an event, and so its author. Raises as `person` does."""
        tags: tuple[Tag, ...] = (("e", event.id, _known(why)), ("p", event.pubkey))
        return await self._report(tags, words, on_answer)

    async def _report(
        self, tags: tuple[Tag, ...], words: str, on_answer: OnAnswer | None
    ) -> Posted:
        signer = self._publisher.signer
        if signer is not None and any(t[:2] == ("p", signer.pubkey) for t in tags):
            raise InvalidEvent("this is your own")
        draft = Draft(kinds.REPORT, clean(words) if words.strip() else "", tags)
        return await self._publisher.publish(draft, on_answer=on_answer)


def _known(why: str) -> str:
    if why not in REPORT_TYPES:
        raise InvalidEvent(f"a report is one of: {', '.join(REPORT_TYPES)}")
    return why
