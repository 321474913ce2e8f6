"""Faults that a test orders of a relay: what is said is dropped, late, forged or cut off."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Literal, Self

from websockets.frames import Frame, Opcode

from nostr_client.rehearsal.front import FrontTalk, RelayFront

Message = list[Any]
"""One message of NIP-01 and its like, as `["EOSE", "sub"]`."""
Way = Literal["to client", "to relay"]
Act = Callable[[FrontTalk, Message], Awaitable[Message | None]]
"""What goes on in place of a message; None: nothing."""
GARBAGE: Final = '["EVENT", {"id": 1, nonsense'


class Fault:
    """One that was ordered. It happens until it has happened `times` times, or is ended: by `end`,
    or by the end of the block whose `with` it is. `happened` counts."""

    def __init__(
        self,
        act: Act,
        label: str | None,
        times: int | None,
        when: Callable[[Message], object] | None,
    ) -> None:
        self.happened = 0
        self._act = act
        self._label = label
        self._times = times
        self._when = when

    def fits(self, message: Message) -> bool:
        """Does it happen to this message?"""
        return (
            (self._times is None or self.happened < self._times)
            and self._label in (None, message[0])
            and (self._when is None or bool(self._when(message)))
        )

    async def happen(self, talk: FrontTalk, message: Message) -> Message | None:
        self.happened += 1
        return await self._act(talk, message)

    def end(self) -> None:
        """It happens no more."""
        self._times = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()


class Faults:
    """What is ordered of one relay. Each order says to which messages it happens: those with a
    `label` (None: all), for which `when` holds, the next `times` of them (None: until it is ended).
    """

    def __init__(self) -> None:
        self._ordered: dict[Way, list[Fault]] = {"to client": [], "to relay": []}

    def order(
        self,
        act: Act,
        label: str | None = None,
        *,
        way: Way = "to client",
        times: int | None = None,
        when: Callable[[Message], object] | None = None,
    ) -> Fault:
        """A fault of one's own: `act` is given the connection and the message, and gives what goes
        on in its place."""
        fault = Fault(act, label, times, when)
        self._ordered[way].append(fault)
        return fault

    def clear(self) -> None:
        """No fault any more."""
        for ordered in self._ordered.values():
            for fault in ordered:
                fault.end()
            ordered.clear()

    def drop(self, label: str | None = None, *, way: Way = "to client", **which: Any) -> Fault:
        """Messages vanish. Without a label the relay is there, and says nothing."""

        async def act(talk: FrontTalk, message: Message) -> None:
            return None

        return self.order(act, label, way=way, **which)

    def delay(
        self, seconds: float, label: str | None = None, *, way: Way = "to client", **which: Any
    ) -> Fault:
        """Messages come late, and those behind them on the same connection too."""

        async def act(talk: FrontTalk, message: Message) -> Message:
            await asyncio.sleep(seconds)
            return message

        return self.order(act, label, way=way, **which)

    def refuse(self, reason: str, label: str = "EVENT", **which: Any) -> Fault:
        """What clients send (`label`: EVENT, REQ, COUNT or NEG-OPEN) is answered by a refusal with
        `reason`, as "rate-limited: slow down", and the relay does not hear of it."""

        async def act(talk: FrontTalk, message: Message) -> None:
            wire = message[1]
            if label == "EVENT":
                answer = ["OK", wire["id"], False, reason]
            elif label == "NEG-OPEN":
                answer = ["NEG-ERR", wire, reason]
            else:
                answer = ["CLOSED", wire, reason]
            await talk.client.send(json.dumps(answer))

        return self.order(act, label, way="to relay", **which)

    def forge(
        self,
        *,
        field: Literal["content", "sig"] = "content",
        times: int | None = None,
        **which: Any,
    ) -> Fault:
        """Events come as nobody signed them: with another text, or under another signature."""

        async def act(talk: FrontTalk, message: Message) -> Message:
            event = dict(message[2])
            if field == "content":
                event["content"] += " (not what was written)"
            else:
                event["sig"] = event["sig"][::-1]
            return [message[0], message[1], event]

        return self.order(act, "EVENT", times=times, **which)

    def garbage(self, text: str = GARBAGE, label: str | None = None, **which: Any) -> Fault:
        """Before each message comes `text`, which is no message."""

        async def act(talk: FrontTalk, message: Message) -> Message:
            await talk.client.send(text)
            return message

        return self.order(act, label, **which)

    def half_page(self, **which: Any) -> Fault:
        """Of what is stored, an answer to a REQ has the newer half, and says that this is all."""

        async def act(talk: FrontTalk, message: Message) -> Message:
            talk.questions[message[1]] = []
            return message

        return self.order(act, "REQ", way="to relay", **which)

    def close(
        self, code: int = 1001, label: str | None = None, *, way: Way = "to client", **which: Any
    ) -> Fault:
        """The connection is closed with `code` in place of a message."""

        async def act(talk: FrontTalk, message: Message) -> None:
            await talk.client.close(code, "the test wants it so")

        return self.order(act, label, way=way, **which)

    def cut(self, label: str | None = None, **which: Any) -> Fault:
        """The connection ends in the middle of a message."""

        async def act(talk: FrontTalk, message: Message) -> None:
            data = Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=False)
            talk.client.transport.write(data[: len(data) // 2])
            talk.client.transport.close()

        return self.order(act, label, **which)

    async def passed(self, way: Way, talk: FrontTalk, text: str) -> str | None:
        """What goes on of a message; None: nothing."""
        if not self._ordered[way]:
            return text
        try:
            given = message = json.loads(text)
        except ValueError:  # the relay may tell the client so
            return text
        for fault in tuple(self._ordered[way]):
            if fault.fits(message):
                changed = await fault.happen(talk, message)
                if changed is None:
                    return None
                message = changed
        return text if message is given else json.dumps(message)


class FaultyFront(RelayFront):
    """A relay with the faults that are ordered."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = Faults()

    async def from_client(self, talk: FrontTalk, text: str) -> None:
        passed = await self.faults.passed("to relay", talk, text)
        if passed is not None:
            await super().from_client(talk, passed)

    async def from_relay(self, talk: FrontTalk, text: str) -> None:
        if talk.questions and not await self._pages(talk, text):
            return
        await self._show(talk, text)

    async def _show(self, talk: FrontTalk, text: str) -> None:
        passed = await self.faults.passed("to client", talk, text)
        if passed is not None:
            await super().from_relay(talk, passed)

    async def _pages(self, talk: FrontTalk, text: str) -> bool:
        """Hold back what is stored of a question until it has all come, and show the half of it.
        Is this message something else, to be shown as it is?"""
        match json.loads(text):
            case ["EVENT", str(wire), _] if wire in talk.questions:
                talk.questions[wire].append(text)
                return False
            case ["EOSE" | "CLOSED" as label, str(wire), *_] if wire in talk.questions:
                page = talk.questions.pop(wire)
                for held in page[: (len(page) + 1) // 2]:
                    await self._show(talk, held)
                if label == "EOSE":
                    await self._show(talk, json.dumps([label, wire]))
                    return False
        return True
