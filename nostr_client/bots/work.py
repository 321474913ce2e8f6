"""A bot at work: requests are taken in, looked at, answered once, and remembered."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from nostr_client.bots.memory import BotMemory
from nostr_client.bots.rates import BotRates
from nostr_client.bots.requests import (
    BY_A_BOT,
    BotRequest,
    command_of,
    is_by_a_bot,
    names,
    parent_of,
    thread_of,
)
from nostr_client.bots.timetable import Timed
from nostr_client.client.client import NostrClient
from nostr_client.errors import ListNotRead, NostrError, SignerUnavailable, StoreError
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.redact import redacted_for_log
from nostr_client.social.messages.views import ChangeKind, PrivateMessage
from nostr_client.tasks import together

Handler = Callable[[BotRequest], Awaitable[str | None]]
"""What it gives is the answer; None is none."""
LOOK: Final = 30.0
"""Seconds between two looks at the clock, which may be set."""
PROFILE_LIMIT: Final = 3.0
"""Seconds to learn whether somebody's profile says that it is a bot's."""
MOST_KNOWN: Final = 10_000
_NOTES: Final = (kinds.NOTE, kinds.COMMENT)
_PAGE: Final = 50
_EARLIER: Final = 200
"""Messages of a room among which an own answer is looked for."""

_log = logging.getLogger(__name__)


@dataclass
class BotRules:
    """What a bot does, and how much of it (see `Bot`)."""

    prefix: str
    max_age: float
    rates: BotRates
    thread_budget: int
    handler_limit: float
    profile: dict[str, str]
    commands: dict[str, tuple[Handler, str]]
    timed: list[Timed]
    on_mention: Handler | None = None
    on_message: Handler | None = None


def _text(given: object) -> str | None:
    """What a handler gave, whose author alone knows what its type is. Raises TypeError."""
    if given is None or isinstance(given, str):
        return given
    raise TypeError(f"a handler gives a text or None, and not a {type(given).__name__}")


class BotWork:
    """One bot with a client, until `run` is cancelled."""

    def __init__(
        self, rules: BotRules, client: NostrClient, memory: BotMemory, clock: Callable[[], float]
    ) -> None:
        self._rules = rules
        self._client = client
        self._memory = memory
        self._clock = clock
        self._are_bots: OrderedDict[str, bool] = OrderedDict()

    async def run(self) -> None:
        """Raises SignerUnavailable, StoreError."""
        async with together() as group:
            group.create_task(self._introduce())
            group.create_task(self._answer_notes())
            group.create_task(self._answer_messages())
            for timed in self._rules.timed:
                group.create_task(self._keep_time(timed))

    async def _introduce(self) -> None:
        """Say in the own profile that it is a bot's (NIP-24). It is tried at each start."""
        try:
            fields: dict[str, Any] = {**self._rules.profile, "bot": True}
            await self._client.profiles.update(**fields)
        except ListNotRead as error:
            _log.info("the profile does not say yet that it is a bot's: %s", error)

    # Notes

    async def _answer_notes(self) -> None:
        me = self._client.pubkey
        wanted = Filter.of(kinds=_NOTES, p=[me], since=self._memory.since(self._clock()))
        async for event in self._client.feed(wanted):
            now = self._clock()
            if event.pubkey != me and self._memory.is_open(event.id, event.created_at, now):
                asked = await self._deal_with_note(event)
                await self._memory.close(event.id, event.created_at, self._clock(), durably=asked)

    async def _deal_with_note(self, event: Event) -> bool:
        """Was it one to ask a handler about? What is none will be none after a crash."""
        command, text = command_of(event.content, self._rules.prefix)
        handler = self._rules.commands.get(command, (None, ""))[0]
        if handler is None and await self._is_meant(event):
            command, handler = "", self._rules.on_mention
        if handler is None or is_by_a_bot(event.tags) or await self._is_answered(event):
            return False
        request = BotRequest(
            event.id, event.pubkey, event.created_at, command, text, self._client, event=event
        )
        answer = await self._answer(handler, request, thread_of(event))
        if answer:
            await self._say(self._client.reply(event.id, answer, tags=BY_A_BOT))
        return True

    async def _is_meant(self, event: Event) -> bool:
        """Is it to us? People in a thread tag all who were there before."""
        me, parent = self._client.pubkey, parent_of(event)
        if not parent.id or parent.pubkey == me or names(event.content, me):
            return True
        return bool(await self._client.store.query([Filter.of(ids=[parent.id], authors=[me])]))

    async def _is_answered(self, event: Event) -> bool:
        """Was it answered before a crash? An answer is on disk before it is sent."""
        own = Filter.of(kinds=_NOTES, authors=[self._client.pubkey], e=[event.id])
        found = await self._client.store.query([own])
        return any(parent_of(answer).id == event.id for answer in found)

    # Private messages

    async def _answer_messages(self) -> None:
        """What is unread is no help: whoever answers one message has read those before it."""
        messages = self._client.messages
        with messages.watch() as changes:
            messages.start()
            await self._look_through_rooms()
            async for change in changes:
                if change.kind is ChangeKind.EVERYTHING:
                    await self._look_through_rooms()
                elif change.kind is ChangeKind.MESSAGE:
                    message = await messages.message(change.message_id)
                    if message is not None:
                        await self._deal_with_message(message)

    async def _look_through_rooms(self) -> None:
        """Deal with what is new enough in all rooms, the oldest of each first."""
        messages = self._client.messages
        since = self._memory.since(self._clock())
        for room in (*await messages.conversations(), *await messages.requests()):
            new: list[PrivateMessage] = []
            while page := await messages.messages(
                room.members, before=new[-1].cursor if new else None, limit=_PAGE
            ):
                new += page
                if page[-1].created_at < since:
                    break
            for message in reversed(new):
                await self._deal_with_message(message)

    async def _deal_with_message(self, message: PrivateMessage) -> None:
        now = self._clock()
        is_theirs = message.author != self._client.pubkey
        if not is_theirs or message.deleted or message.muted:
            return
        if not self._memory.is_open(message.id, message.created_at, now):
            return
        command, text = command_of(message.text, self._rules.prefix)
        handler = self._rules.commands.get(command, (self._rules.on_message, ""))[0]
        if handler is None or await self._was_written_to(message):
            return
        request = BotRequest(
            message.id,
            message.author,
            message.created_at,
            command if command in self._rules.commands else "",
            text,
            self._client,
            message=message,
        )
        answer = await self._answer(handler, request, message.author)
        if answer:
            await self._say(self._client.messages.send(message.room, answer, reply_to=message.id))
        await self._memory.close(message.id, message.created_at, now)

    async def _was_written_to(self, message: PrivateMessage) -> bool:
        """Was it answered before a crash?"""
        earlier = await self._client.messages.messages(message.room, limit=_EARLIER)
        return any(
            one.author == self._client.pubkey and one.reply_to == message.id for one in earlier
        )

    # Both

    async def _answer(self, handler: Handler, request: BotRequest, thread: str) -> str | None:
        """What the handler says, where one may ask it."""
        now = self._clock()
        if not self._rules.rates.take(request.author, now):
            _log.info("a request was passed over: too many at once")
            return None
        if await self._is_bot(request.author):
            return None
        if not self._memory.spend(thread, self._rules.thread_budget, now):
            _log.info("a request was passed over: its thread has had its answers for today")
            return None
        return await self._attempt(lambda: handler(request))

    async def _attempt(self, work: Callable[[], Awaitable[str | None]]) -> str | None:
        try:
            async with asyncio.timeout(self._rules.handler_limit):
                return _text(await work())
        except TimeoutError:
            _log.warning("a handler took longer than %g s", self._rules.handler_limit)
        except SignerUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - a fault in one answer ends no bot
            trace = "".join(traceback.format_exception(error))
            _log.error("a handler failed: %s", redacted_for_log(trace))
        return None

    async def _say(self, saying: Awaitable[object]) -> None:
        """What a handler gave may quote a stranger, whose words end no bot: a secret key that the
        signer refuses, a text that is too long. Raises SignerUnavailable, StoreError."""
        try:
            await saying
        except (SignerUnavailable, StoreError):
            raise
        except NostrError as error:
            _log.warning("what a handler gave was not sent: %s", redacted_for_log(str(error)))

    async def _is_bot(self, pubkey: str) -> bool:
        """Does the profile say so? Asked once a run."""
        known = self._are_bots.get(pubkey)
        if known is None:
            profiles = self._client.profiles
            if not (await profiles.get(pubkey)).bot:
                await profiles.fetch([pubkey], limit=PROFILE_LIMIT, in_passing=True)
            known = self._are_bots[pubkey] = (await profiles.get(pubkey)).bot
            if len(self._are_bots) > MOST_KNOWN:
                self._are_bots.popitem(last=False)
        return known

    # Times

    async def _keep_time(self, timed: Timed) -> None:
        while True:
            now = self._clock()
            last = self._memory.last(timed.name)
            due = timed.due(last, now)
            if last is None and due > now:  # it is to come, also after a restart
                await self._memory.did(timed.name, now)
            if due > now:
                await asyncio.sleep(min(due - now, LOOK))
                continue
            await self._memory.did(timed.name, now)  # before: nothing is posted twice
            if now - due > self._rules.max_age:
                continue
            text = await self._attempt(lambda: timed.deed(self._client))
            if text:
                await self._say(self._client.post(text, tags=BY_A_BOT))
