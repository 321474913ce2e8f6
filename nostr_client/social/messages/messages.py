"""Private messages of one account (NIP-17): `client.messages`.

    messages = client.messages
    messages.start()                                  # read and open, until the client closes
    for conversation in await messages.conversations(): ...
    sent = await messages.send([pubkey], "hello")
    with messages.watch() as changes:
        async for change in changes: ...

A **room** is a set of public keys (hex), the account's own among them: wherever a room is asked
for, any collection of keys will do, with the own one or without. All that is read comes from this
machine, and is instant once `unlock` is through; the network is `start`'s and `sync`'s affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from nostr_client.errors import ConfigError, InvalidData, SigningRefused, StoreError
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip59 import Rumor
from nostr_client.paths import patient_lock
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import PublicKey
from nostr_client.routing.courier import Courier, OnAnswer
from nostr_client.routing.list_guard import ListGuard
from nostr_client.routing.list_reading import NO_WAIVER, Waiver
from nostr_client.signing.gate import refuse_codes
from nostr_client.signing.signer import Signer
from nostr_client.social.follows import Follows
from nostr_client.social.messages import records
from nostr_client.social.messages.background import MessageWork
from nostr_client.social.messages.changes import ChangeFeed
from nostr_client.social.messages.dm_relays import DmRelays
from nostr_client.social.messages.drafts import file_draft, text_draft
from nostr_client.social.messages.file_download import download
from nostr_client.social.messages.inbox import MessageInbox
from nostr_client.social.messages.opening import MessageOpener
from nostr_client.social.messages.reading import MessageReader
from nostr_client.social.messages.records import KeptRumor, Reason
from nostr_client.social.messages.sending import MessageSender
from nostr_client.social.messages.sent import SentMessages
from nostr_client.social.messages.views import (
    WORDS,
    Delivery,
    MessageFile,
    MessagesStatus,
    Obstacle,
    PrivateMessage,
    Reachability,
)
from nostr_client.social.mute_matcher import NOTHING_MUTED, MuteMatcher
from nostr_client.social.views import Posted
from nostr_client.tasks import OwnedTasks

DELIVERY_LIMIT: Final = 10.0
HAND_OUT_LIMIT: Final = 60.0
"""Seconds to wait for another process that shows a message."""
SHORTEST_LIFE: Final = 60
"""Seconds that a message must be allowed to live."""
MOST_UNSETTLED: Final = 200
"""Own messages, the newest, whose delivery is looked at again and again."""


class Messages(MessageReader):
    """The private messages of the account of `signer`; without one nothing is read or written.

    `folder` (data) keeps what was opened, encrypted. `media` is how files are fetched; None: they
    are not. `async with Messages(...)`: whatever it
    starts ends with its block.
    """

    def __init__(
        self,
        courier: Courier,
        guard: ListGuard,
        follows: Follows,
        signer: Signer | None,
        *,
        owner: str,
        folder: Path,
        encryption: Signer | None = None,
        media: DialOptions | None = None,
        mutes: Callable[[], MuteMatcher] = lambda: NOTHING_MUTED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        name = owner[:16] or "nobody"
        path = folder / f"messages-{name}.sealed"
        super().__init__(
            *(courier, follows, signer), owner=owner, path=path, mutes=mutes, clock=clock
        )
        self._encryption = encryption
        self._hand_out_lock = folder / f"messages-{name}.shown.lock"
        self.relays = DmRelays(courier, guard, owner, clock=clock)
        """Message relays (kind 10050): `await relays.own()`, `await relays.set(urls)`."""
        self._media = media
        self._tasks = OwnedTasks()
        self._run: asyncio.Task[None] | None = None
        self._told: dict[str, Delivery] = {}
        self._work: MessageWork | None = None
        self._sender: MessageSender | None = None
        self._sent: SentMessages | None = None
        if signer is not None:
            opener = MessageOpener(
                courier.store, self._archive, signer, encryption=encryption, clock=clock
            )
            opener.on_status = self._teller.status
            progress = folder / f"messages-{name}.json"
            self._work = MessageWork(
                self._archive,
                MessageInbox(courier, self.relays, owner, progress, clock=clock),
                opener,
                folder / f"messages-{name}.reader.lock",
                unlock=self._unlock_to_open,
                tidy=self._tidy,
                on_status=self._teller.status,
            )
            self._sender = MessageSender(
                courier, self._archive, self.relays, signer, self._tasks, clock=clock
            )
            self._sent = SentMessages(
                *(courier.store, self._archive, self._sender, owner), folder=folder, clock=clock
            )
            self._sender.on_delivered = self._delivered

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._courier.is_gone = self._is_gone
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            await self._tasks.__aexit__(kind, error, trace)
        finally:
            self.lock()

    # The work

    def start(self) -> MessagesStatus:
        """Begin to read and open, if it has not begun; nothing happens without a signer."""
        if self._run is None and self._work is not None:
            self._run = self._tasks.start(self._work.run())
        return self.status

    async def sync(self, limit: float = 30.0) -> MessagesStatus:
        """Ask the message relays once for what is new and open it, at most `limit` seconds.

        `status.ends` then tells how each relay answered, `waiting` what the signer has not opened.
        Raises SignerUnavailable, SigningRefused, StoreError.
        """
        if self._work is None:
            raise SigningRefused(WORDS[Obstacle.NO_KEY])
        await self.unlock()
        await self._work.sync(limit)
        return self.status

    def pass_on(self, takes: Callable[[Rumor], bool]) -> None:
        """What was wrapped for the account and is no message is given to `takes`, which says
        whether it was for it."""
        if self._work is not None:
            self._work.opener.takes = takes

    def retry(self) -> None:
        """The signer is back: ask it again at once for what it did not open."""
        if self._work is not None:
            self._work.opener.retry()

    @property
    def status(self) -> MessagesStatus:
        """How far it is."""
        mailbox, work = self._mailbox, self._work
        if work is None:
            return MessagesStatus()
        counts, opener, inbox = mailbox.counts(), work.opener, work.inbox
        return MessagesStatus(
            running=self._run is not None and not self._run.done(),
            total=len(mailbox.sources) + opener.waiting,
            opened=len(mailbox.sources),
            waiting=opener.waiting,
            failed=counts[Reason.FAILED],
            forged=counts[Reason.FORGED],
            other_key=counts[Reason.OTHER_KEY],
            request_overflow=counts[Reason.OVERFLOW],
            damaged=self._archive.damaged,
            signer_problem=work.unlock_problem or opener.signer_problem,
            problem=self._archive.problem or work.problem or opener.problem or inbox.problem,
            synced=inbox.is_synced,
            by_another_process=self._run is not None and not work.leads,
            ends=work.ends,
        )

    def watch(self) -> AbstractContextManager[ChangeFeed]:
        """What changes from now on: `with messages.watch() as changes: async for change in ...`.

        A change is told once, however often it happened since it was last taken; nothing is lost,
        but where very much happens at once it is told as EVERYTHING.
        """
        return self._teller.watch()

    # Writing

    async def can_message(self, pubkey: str, *, fresh: bool = False) -> Reachability:
        """Can `pubkey` (hex) be written to, and where? False with an `obstacle` and its `words`.

        Lists that are not here are looked for, a few seconds at most; `fresh` looks again.
        Raises InvalidKey, StoreError.
        """
        pubkey = PublicKey(pubkey).hex
        if self._signer is None:
            return Reachability(pubkey, (), Obstacle.NO_KEY)
        return (await self.relays.reach([pubkey], fresh=fresh))[pubkey]

    async def send(
        self,
        room: Collection[str],
        text: str,
        *,
        reply_to: str = "",
        subject: str = "",
        expires_in: float | None = None,
    ) -> PrivateMessage:
        """Write a message. It is stored when this returns, and on its way to the members' message
        relays; `delivered` waits for their answers, and what fails is tried again for as long as
        any client runs on this folder.

        `reply_to` is a message's id, `expires_in` seconds. Raises MessageNotSent (nothing was sent,
        to anybody; it says for whom and why), InvalidData, PlaintextTooLong, SecretFound,
        SignerError, StoreError.
        """
        draft = text_draft(text, reply_to=reply_to, subject=subject)
        return await self._send_one(self._members(room), draft, expires_in)

    async def send_file(
        self,
        room: Collection[str],
        file: MessageFile,
        *,
        reply_to: str = "",
        subject: str = "",
        expires_in: float | None = None,
    ) -> PrivateMessage:
        """Write a message with a file that lies, encrypted, at an https address already."""
        draft = file_draft(file, reply_to=reply_to, subject=subject)
        return await self._send_one(self._members(room), draft, expires_in)

    async def download(self, message_id: str, target: Path) -> int:
        """Save the file of a message as `target`, decrypted; its size in bytes.

        Nothing is fetched unless this is called. Raises InvalidData for a message without a file
        that can be checked, or where `target` exists; ConfigError where no files are fetched;
        RelayError, DecryptionFailed, StoreError.
        """
        if self._media is None:
            raise ConfigError("files are not fetched: `media` is off")
        found = await self._view(message_id)
        if found.file is None:
            raise InvalidData("this message has no file")
        return await download(found.file, target, self._media)

    async def react(self, message_id: str, content: str = "+") -> str:
        """React to a message (NIP-25), for its room alone; gives the reaction's id.

        Raises as `send` does.
        """
        rumor, room = await self._find(message_id)
        refuse_codes(content)
        tags = (("e", rumor.id), ("k", str(rumor.kind)))
        draft = Draft(kinds.REACTION, content, tags)
        (id,) = await self._sending().send(room, [draft], rumor.expires_at or None)
        return id

    async def delete(self, message_id: str, reason: str = "") -> str:
        """Take back an own message: what waits of it goes to nobody, and whoever may have it is
        asked to remove it; gives the deletion's id. Raises as `send` does."""
        rumor, room = await self._own(message_id)
        refuse_codes(reason)
        draft, sender = self._deletion(rumor, reason), self._sending()
        having = await self._sent.take_back(message_id) if self._sent else None
        (id,) = await sender.send(room, [draft], rumor.expires_at or None, only_for=having)
        return id

    async def edit(self, message_id: str, text: str) -> PrivateMessage:
        """Put another text in place of an own message's: a deletion and a new message with the same
        time (NIP-17), which has an id of its own. Raises as `send` does."""
        rumor, room = await self._own(message_id)
        if rumor.kind != kinds.CHAT_MESSAGE:
            raise InvalidData("a file is not edited")
        reply_to, subject = rumor.value("e"), rumor.value("subject")
        new = text_draft(text, reply_to=reply_to, subject=subject, created_at=rumor.created_at)
        if text == rumor.content:
            return await self._view(message_id)
        drafts = [self._deletion(rumor, ""), new]
        *_, new_id = await self._sending().send(room, drafts, rumor.expires_at or None)
        if self._sent is not None:
            with contextlib.suppress(StoreError):  # else the earlier text and its deletion go out
                await self._sent.take_back(message_id)
        return self._written(new_id)

    async def delivered(self, message_id: str, limit: float = DELIVERY_LIMIT) -> PrivateMessage:
        """Wait until every relay has answered once about an own message, at most `limit` seconds;
        `delivery` then says what came of it, `copies` for whom and where."""
        if self._sender is not None:
            await self._sender.wait(message_id, limit)
        return await self._view(message_id)

    async def delivery(self, rumor_id: str, limit: float = DELIVERY_LIMIT) -> Delivery:
        """As `delivered`, for anything that was written here, a reaction or a deletion too."""
        if self._sender is not None:
            await self._sender.wait(rumor_id, limit)
        return (await self._deliveries([rumor_id])).get(rumor_id, Delivery.ELSEWHERE)

    async def set_relays(
        self,
        urls: Collection[str],
        waiver: Waiver = NO_WAIVER,
        *,
        removes: Collection[str] = (),
        on_answer: OnAnswer | None = None,
    ) -> Posted | None:
        """Publish the list of 1 to 3 relays where the account reads messages (kind 10050).

        What was written before goes there, too, as far as no relay has it. `removes` and what is
        raised are as for `DmRelays.set`.
        """
        posted = await self.relays.set(urls, waiver, removes=removes, on_answer=on_answer)
        if posted is not None and self._sender is not None and self._archive.is_unlocked:
            await self._sender.adopt_own()
        return posted

    # The person's word

    async def mark_read(self, room: Collection[str], up_to: int | None = None) -> None:
        """What is in the room, up to the second `up_to` or all of it, was read."""
        await self.unlock()
        state = self._state(room)
        if state is not None and state.unread:
            at = up_to if up_to is not None else max(at for at, _ in state.order)
            await self._archive.keep([records.ReadUpTo(tuple(sorted(state.members)), at)])

    async def mark_message_read(self, message_id: str) -> None:
        """This one message was read, whatever else is unread in its room."""
        await self.unlock()
        room = self._mailbox.room_of_id(message_id)
        if room is not None and message_id in room.unread:
            await self._archive.keep(
                [records.MarkedRead(tuple(sorted(room.members)), (message_id,))]
            )

    async def hand_out(
        self, message_id: str, show: Callable[[PrivateMessage], Awaitable[None]]
    ) -> bool:
        """Show an unread message and mark it as read; False where it is not unread any more.

        Of several processes on the folder that hand out, one does it at a time, so each message is
        shown by one of them; what fails before it is marked is shown again. Raises StoreError.
        """
        await self.unlock()
        async with patient_lock(self._hand_out_lock, HAND_OUT_LIMIT):
            await self._archive.refresh()
            room = self._mailbox.room_of_id(message_id)
            if room is None or message_id not in room.unread:
                return False
            await show(await self._view(message_id))
            await self.mark_message_read(message_id)
            return True

    async def accept(self, room: Collection[str]) -> None:
        """Take a request among the conversations."""
        await self.unlock()
        await self._archive.keep([records.Accepted(tuple(sorted(self._members(room))))])
        await self._reopen()

    async def dismiss(self, room: Collection[str]) -> None:
        """See nothing more of what is in this room; what comes later is shown again."""
        await self.unlock()
        await self._dismiss([self._members(room)])
        await self._reopen()

    async def dismiss_requests(self) -> int:
        """The same for all requests, and for what found no room among them; how many rooms."""
        await self.unlock()
        mailbox = self._mailbox
        rooms = [room.members for room in mailbox.rooms.values() if mailbox.is_request(room)]
        await self._dismiss(rooms, mailbox.closed_for(Reason.OVERFLOW))
        return len(rooms)

    # Inside

    async def _dismiss(self, rooms: Sequence[frozenset[str]], others: Sequence[str] = ()) -> None:
        """Let go what is in these rooms, and these events beside them."""
        mailbox = self._mailbox
        found = [state for room in rooms if (state := mailbox.rooms.get(room))]
        there = [mailbox.source_of(id) for state in found for _, id in state.order]
        gone: list[records.Record] = [records.Dismissed(tuple(sorted(room))) for room in rooms]
        gone += [records.NotKept(source, Reason.GONE) for source in others]
        await self._archive.keep(gone)
        await self._archive.rewrite()
        if ids := frozenset((*there, *others)):
            await self._courier.store.remove([Filter(ids=ids)])

    def _sending(self) -> MessageSender:
        if self._sender is None:
            raise SigningRefused(WORDS[Obstacle.NO_KEY])
        return self._sender

    async def _find(self, message_id: str) -> tuple[KeptRumor, frozenset[str]]:
        await self.unlock()
        rumor = self._mailbox.messages.get(message_id)
        if rumor is None:
            raise InvalidData("this message is not here")
        if rumor.old:
            raise InvalidData("this is a message of the old kind (NIP-04), which is only read")
        if self._mailbox.is_deleted(rumor):
            raise InvalidData("this message was deleted, or edited: that has another id")
        return rumor, self._mailbox.room_of(rumor)

    async def _own(self, message_id: str) -> tuple[KeptRumor, frozenset[str]]:
        rumor, room = await self._find(message_id)
        if rumor.author != self.me:
            raise InvalidData("this is not your message")
        return rumor, room

    def _is_gone(self, event_id: str) -> bool:
        return self._mailbox.is_gone(event_id)

    def _deletion(self, rumor: KeptRumor, reason: str) -> Draft:
        return Draft(kinds.DELETION, reason, (("e", rumor.id), ("k", str(rumor.kind))))

    async def _send_one(
        self, members: frozenset[str], draft: Draft, expires_in: float | None
    ) -> PrivateMessage:
        sender = self._sending()
        await self.unlock()
        if expires_in is not None and expires_in < SHORTEST_LIFE:
            raise InvalidData(f"a message lives for {SHORTEST_LIFE} seconds at least")
        expires_at = None if expires_in is None else int(self._clock() + expires_in)
        (message_id,) = await sender.send(members, [draft], expires_at)
        return self._written(message_id)

    async def _unlock_to_open(self) -> None:
        """With a separate encryption key (NIP-4E) what is for such a key is tried again."""
        await self.unlock()
        key = self._encryption.pubkey if self._encryption else ""
        if key and key not in self._mailbox.keys:
            await self._archive.keep([records.KeyBrought(key)])

    async def _tidy(self) -> None:
        """Take out what has expired, learn whom the account follows, and what was delivered."""
        await self._archive.write_rest()
        self._archive.set_known(await self._follows.pubkeys())
        if sources := await self._archive.purge(self._now()):
            await self._courier.store.remove([Filter(ids=frozenset(sources))])
        if self._sent is not None:
            await self._sent.drop_delivered()
        mine = [id for id in list(self._mailbox.wraps)[-MOST_UNSETTLED:] if id in self._mailbox]
        for id, how in (await self._deliveries(mine)).items():
            if self._told.get(id) is not how:
                self._told[id] = how
                self._delivered(id)

    async def _reopen(self) -> None:
        """There may be room again for what overflowed."""
        if self._mailbox.counts()[Reason.OVERFLOW] and self._work is not None:
            await self._archive.keep([records.Reopened()])
            await self._work.opener.scan()
