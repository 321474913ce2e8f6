"""Search over decrypted text: an index in memory, made when it is first wanted. Nothing of it is
written anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from nostr_client.social.messages.mailbox import Mailbox
from nostr_client.social.messages.records import KeptRumor
from nostr_client.store.words import phrases, stands_in, words_in
from nostr_client.tasks import Turns


class WordIndex:
    """The words of a mailbox's messages. It is brought up to date by each search."""

    def __init__(self) -> None:
        self._mailbox: Mailbox | None = None
        self._read: dict[str, KeptRumor] = {}
        self._places: dict[str, set[str]] = {}
        """By word, the ids of the messages that have it."""

    async def search(self, mailbox: Mailbox, query: str) -> list[KeptRumor]:
        """The messages that have all words of `query`, the newest first."""
        await self._update(mailbox)
        wanted = phrases(query)
        found: set[str] | None = None
        for word in (word for phrase in wanted for word in phrase):
            here = self._places.get(word, set())
            found = here.copy() if found is None else found & here
        messages = (mailbox.messages[id] for id in found or () if id in mailbox.messages)
        fitting = [m for m in messages if not mailbox.is_deleted(m) and _fits(m, wanted)]
        return sorted(fitting, key=lambda m: (m.created_at, m.id), reverse=True)

    async def _update(self, mailbox: Mailbox) -> None:
        if mailbox is not self._mailbox:
            self._mailbox, self._read, self._places = mailbox, {}, {}
        turns = Turns()
        if len(self._read) != len(mailbox.messages):
            for id in [id for id in self._read if id not in mailbox.messages]:
                self._take_out(id)
        for id, rumor in list(mailbox.messages.items()):
            if self._read.get(id) is not rumor:
                self._take_out(id)
                self._read[id] = rumor
                for word in _words(rumor):
                    self._places.setdefault(word, set()).add(id)
                await turns.rest()

    def _take_out(self, id: str) -> None:
        rumor = self._read.pop(id, None)
        for word in _words(rumor) if rumor else ():
            self._places.get(word, set()).discard(id)


def _words(rumor: KeptRumor) -> Iterator[str]:
    yield from words_in("\n".join((rumor.value("subject"), rumor.content)))


def _fits(rumor: KeptRumor, wanted: tuple[tuple[str, ...], ...]) -> bool:
    long = [phrase for phrase in wanted if len(phrase) > 1]
    words = list(_words(rumor)) if long else []
    return all(stands_in(words, phrase) for phrase in long)
