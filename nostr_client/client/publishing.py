"""What an account writes and sends: one event, one with its answers as they come, or many."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Callable,
    Collection,
    Iterable,
    Sequence,
)
from typing import TYPE_CHECKING

from nostr_client.client.rooms_on_demand import RoomsOnDemand
from nostr_client.client.streams import Stream, streaming
from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft, Event
from nostr_client.routing.address_policy import relay_urls

if TYPE_CHECKING:
    from nostr_client.net.report import Answer
    from nostr_client.social.views import NotPosted, Posted
    from nostr_client.tasks import OwnedTasks

PUBLISH_LIMIT = 10.0
"""Seconds that a relay has to answer to one event."""


class ClientPublishing(RoomsOnDemand):
    """The part of `NostrClient` that writes."""

    _tasks: OwnedTasks

    async def post(
        self,
        text: str,
        *,
        tags: Iterable[Sequence[str]] = (),
        warning: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Write a note. It is stored first; the report says which relays took it.

        `tags` come beside those of what the text mentions. `warning` marks it as sensitive
        (NIP-36), with a reason or "". `on_answer` is told of each relay's answer as it comes.
        Raises InvalidEvent, SignerError, StoreError; that no relay answers is no error
        (`posted.report.raise_if_failed()` makes it one).
        """
        return await self.notes.post(text, tags=tags, warning=warning, on_answer=on_answer)

    async def reply(
        self,
        parent: str,
        text: str,
        *,
        tags: Iterable[Sequence[str]] = (),
        warning: str | None = None,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Answer `parent`, an id in hex, a note1 or a nevent1, as wherever an event is named here:
        a note by a note (NIP-10), most other kinds by a comment (NIP-22). Raises InvalidCode, and
        InvalidEvent when it is a private message."""
        parent_id = nip19.event_of(parent).id
        return await self.notes.reply(
            parent_id, text, tags=tags, warning=warning, on_answer=on_answer
        )

    async def repost(
        self, event: str, *, on_answer: Callable[[Answer], None] | None = None
    ) -> Posted:
        """Pass an event on (NIP-18)."""
        return await self.notes.repost(nip19.event_of(event).id, on_answer=on_answer)

    async def react(
        self,
        event: str,
        content: str = "+",
        *,
        picture: str = "",
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """React to an event (NIP-25): "+" likes, "-" dislikes, or an emoji; a custom one is
        `:name:`, with the URL of its `picture` (NIP-30)."""
        return await self.notes.react(
            nip19.event_of(event).id, content, picture=picture, on_answer=on_answer
        )

    async def delete(
        self,
        event: str,
        reason: str = "",
        *,
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Ask every relay that holds the own `event` to delete it (NIP-09)."""
        return await self.notes.delete(nip19.event_of(event).id, reason, on_answer=on_answer)

    async def publish(
        self,
        what: Draft | Event,
        *,
        relays: Sequence[str] | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109 - it ends in a report, not in an error
        on_answer: Callable[[Answer], None] | None = None,
    ) -> Posted:
        """Store and publish any event; a draft is signed first.

        Without `relays` it goes where it belongs: to where its author writes and where those read
        whom it addresses (NIP-65). `relays` (URLs, `ws://` or `wss://`) get it in place of those;
        they count as given by the person and are dialled wherever they lead. Own events are brought
        to the relays of the account too, by and by. A relay has `timeout` seconds to answer; what
        none took is sent again for as long as a client runs on this folder. `on_answer` is told of
        each answer as it comes; `publishing` is an iterator over them.

        A replaceable event of the account (profile, follow list, any list) is refused here: it
        goes through its own room (`profiles`, `follows`, `relays`) or `guard.edit`, which read the
        newest version first, so that nothing is overwritten unread.
        Raises InvalidEvent, SignerError, StoreError; ConfigError for one of `relays` that is not
        the URL of a relay. That no relay takes it is no error
        (`posted.raise_if_failed()` makes it one).
        """
        urls = self._given(relays)
        if isinstance(what, Event):
            return await self.publisher.publish_signed(
                what, relays=urls, timeout=timeout, on_answer=on_answer
            )
        return await self.publisher.publish(what, relays=urls, timeout=timeout, on_answer=on_answer)

    async def publishing(
        self,
        what: Draft | Event,
        *,
        relays: Sequence[str] | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109
    ) -> AsyncGenerator[Answer | Posted, None]:
        """`publish`, with the answers as they come: each relay's `Answer`, and the `Posted` with
        all of them as the last item.

            async for said in client.publishing(Draft(1, "hi")):
                print(said)

        Leaving the iteration ends the waiting: the event is stored by then or not sent, and what
        no relay took is sent again later. Parameters and errors are those of `publish`.
        """

        async def work(stream: Stream[Answer | Posted]) -> None:
            posted = await self.publish(what, relays=relays, timeout=timeout, on_answer=stream.put)
            stream.put(posted)

        async with streaming(self._tasks, work) as stream:
            async for said in stream:
                yield said

    async def publish_many(
        self,
        what: Iterable[Draft | Event] | AsyncIterable[Draft | Event],
        *,
        relays: Sequence[str] | None = None,
        timeout: float = PUBLISH_LIMIT,  # noqa: ASYNC109
        in_flight: int = 1024,
        ordered: bool = False,
    ) -> AsyncGenerator[Posted | NotPosted, None]:
        """Store and publish all that an iterable, plain or async, brings; yields what became of
        each, as soon as its relays have answered, or with `ordered` in the order of the iterable.

            async for posted in client.publish_many(drafts):
                posted.raise_if_failed()

        Each event is on disk before it is sent. At most `in_flight` are between the iterable and
        whoever reads this: it is read no faster than relays answer and reports are taken, so that
        any number passes in constant memory. A plain iterable is read on the event loop and should
        not block; an async one is read ahead by a batch.

        `Posted` holds the event and its report; `NotPosted` what was not published at all and the
        error why (InvalidEvent, SignerError), so that one bad event does not end the others. A
        relay that lets `timeout` seconds pass is not waited for again until it answers one: what it
        did not get is sent later, by the replication. `relays` are those of `publish`. Leaving the
        iteration ends the sending; what is stored by then is sent later.

        Raises StoreError, ConfigError as `publish` does, what the iterable raises, and ValueError
        if `in_flight` is below 1.
        """
        from nostr_client.client.publish_stream import PublishStream

        if in_flight < 1:
            raise ValueError("in_flight is at least 1")
        urls = self._given(relays)
        many = PublishStream(self.publisher, in_flight=in_flight, ordered=ordered)

        async def work(stream: Stream[Posted | NotPosted]) -> None:
            await many.run(what, stream, relays=urls, limit=timeout)

        async with streaming(self._tasks, work) as stream:
            async for result in stream:
                many.was_read()
                yield result

    def _given(self, urls: Collection[str] | None) -> list[str] | None:
        """Relay URLs that whoever calls gives for this one question: they may be dialled. Raises
        ConfigError for one that is not the URL of a relay."""
        if urls is None:
            return None
        spelled = relay_urls(urls)
        self.book.policy.allow(spelled)
        return spelled
