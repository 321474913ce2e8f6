"""A policy in a process of its own, over strfry's plugin protocol: JSON lines in, JSON lines out.

A plugin is asked about many events at once, in the order in which they came; each answer names its
event, so it may take any order. What it does not say within its time, what it says wrongly and what
it is asked while it is not running is refused with `error:`: a policy that cannot be asked does not
let anything pass. An event that it passes over is lost alone: it has answered later ones, or goes
on when it is asked others. One that ends, or says nothing at all for too long, is started again,
later each time unless it had answered. `shadowReject` is an honest refusal here: an author is told
what became of his event.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from pathlib import Path
from typing import Any, Final

import msgspec

from nostr_client.paths import file_stamp
from nostr_client.safe_text import safe_line
from relays.policies.plugin_process import LONGEST_LINE, end, pipe_of, start
from relays.policies.verdict import ACCEPTED, IncomingEvent, SourceType, Verdict, refused

UNDER_WAY: Final = 4096
"""Events that a plugin is asked about and has not answered; their bytes are bounded by what the
relay takes in at all."""
PATIENCE: Final = 50.0
"""Seconds that an event may wait in all, behind others."""
FIRST_REST: Final = 0.5
LONGEST_REST: Final = 60.0
"""Seconds before a plugin is started again, doubled each time."""
_PASSED_OVER: Final = 2
"""Events one after the other to which alone nothing is said, before that is called silence."""
_STEADY: Final = 30.0
"""Seconds after which a plugin that still runs is thought to be well."""
_LOOK: Final = 1.0
"""Seconds between two looks at a plugin's file."""
_LINES_A_SECOND: Final = 20
"""Of what a plugin says on its standard error, and of our own complaints."""

_log = logging.getLogger(__name__)
_has_prefix = re.compile("[a-z][a-z-]{0,30}: ").match
_encode = msgspec.json.Encoder().encode
_NOT_RUNNING: Final = refused("error: this relay's policy cannot be asked now, try again later")
_TOO_LATE: Final = refused("error: this relay's policy did not answer in time, try again later")
_UNREADABLE: Final = refused("error: this relay's policy gave no answer that could be read")
_UNWANTED: Final = "blocked: this relay's policy does not take this event"


class _PluginAnswer(msgspec.Struct):
    id: str
    action: str
    msg: str | None = None


_decode = msgspec.json.Decoder(_PluginAnswer).decode


class _Question:
    """An event that the plugin was asked about."""

    __slots__ = ("answer", "number", "overtaken")

    def __init__(self, number: int) -> None:
        self.number = number
        self.answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self.overtaken = 0.0
        """Since when an answer to a later question is there (loop's time)."""


class Plugin:
    """One command. `run` keeps it running; `check_async` asks it."""

    def __init__(self, command: str, *, folder: str = "", seconds: float = 10.0) -> None:
        self.command = command
        self.folder = folder or None
        self.seconds = seconds
        self._file = file_of(command, folder)
        self._process: asyncio.subprocess.Process | None = None
        self._asked: dict[str, deque[_Question]] = {}
        self._ahead: deque[_Question] = deque()
        """What was asked after all that is answered, in order: it may not have read these."""
        self._number = 0
        self._passed_over = 0
        self._lines: list[bytes] = []
        self._room = asyncio.Semaphore(UNDER_WAY)
        self._running = asyncio.Event()
        self._rests = False
        """It failed, and is to be started again later."""
        self._heard = 0.0
        """When it last answered, or was asked with nothing else to do (loop's time)."""
        self._well = False
        """It has answered since it was started."""
        self._said = 0
        self._said_at = 0.0

    # Asking

    async def check_async(self, incoming: IncomingEvent) -> Verdict:
        """The policy."""
        try:
            async with asyncio.timeout(PATIENCE), self._room:
                if not await self._is_running():
                    return _NOT_RUNNING
                asked = self._ask(incoming)
                try:
                    return await asked.answer
                finally:
                    self._forget(incoming.event.id, asked)
        except TimeoutError:
            return _TOO_LATE

    async def _is_running(self) -> bool:
        """Is it? One that is just being started is waited for."""
        if not self._running.is_set() and not self._rests:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.seconds):
                    await self._running.wait()
        return self._running.is_set()

    def _ask(self, incoming: IncomingEvent) -> _Question:
        loop = asyncio.get_running_loop()
        if not self._ahead:
            self._heard = loop.time()
        self._number += 1
        asked = _Question(self._number)
        self._ahead.append(asked)
        self._asked.setdefault(incoming.event.id, deque()).append(asked)
        if not self._lines:
            loop.call_soon(self._send)  # what comes in one burst goes in one piece
        self._lines.append(request(incoming))
        return asked

    def _send(self) -> None:
        lines, self._lines = self._lines, []
        process = self._process
        if process is not None and process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(b"".join(lines))

    def _forget(self, event_id: str, asked: _Question) -> None:
        waiting = self._asked.get(event_id)
        if waiting is not None and asked in waiting:
            waiting.remove(asked)
            if not waiting:
                del self._asked[event_id]

    def _fail_all(self) -> None:
        for waiting in list(self._asked.values()):
            for asked in waiting:
                _settle(asked, _NOT_RUNNING)
        self._ahead.clear()
        self._lines.clear()

    def _hear(self, line: bytes) -> None:
        try:
            answer = _decode(line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            if line.strip():
                self._complain("a line that is no answer: " + _shown(line))
            return
        waiting = self._asked.get(answer.id)
        if not waiting:
            self._complain("an answer to nothing that was asked")
            return
        self._heard = now = asyncio.get_running_loop().time()
        self._passed_over = 0
        self._well = True
        asked = waiting.popleft()
        if not waiting:
            del self._asked[answer.id]
        while self._ahead and self._ahead[0].number <= asked.number:
            self._ahead.popleft().overtaken = now
        _settle(asked, self._meant(answer))

    def _meant(self, answer: _PluginAnswer) -> Verdict:
        if answer.action == "accept":
            return ACCEPTED
        if answer.action not in ("reject", "shadowReject"):
            self._complain(f"an action of no meaning: {safe_line(answer.action, 40)}")
            return _UNREADABLE
        words = safe_line(answer.msg or "", 300) if answer.action == "reject" else ""
        if not words:
            return refused(_UNWANTED)
        return refused(words if _has_prefix(words) else f"blocked: {words}")

    # Running

    async def run(self) -> None:
        """Keep the plugin running until cancelled."""
        rest = FIRST_REST
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                why = await self._run_once()
            except OSError as error:
                why = f"it could not be started: {error.strerror or error}"
            if why == _CHANGED or self._well or loop.time() - started > _STEADY:
                rest = FIRST_REST
            _log.warning("plugin %s: %s", safe_line(self.command, 80), why)
            if why != _CHANGED:
                self._rests = True
                await asyncio.sleep(rest)
                self._rests = False
                rest = min(2 * rest, LONGEST_REST)

    async def _run_once(self) -> str:
        """Start it and listen until it is over; why it is."""
        changed = self._stamp()
        process = await start(self.command, self.folder)
        self._process = process
        self._well = False
        self._running.set()
        try:
            async with asyncio.TaskGroup() as group:
                ways = {
                    group.create_task(self._listen(process)),
                    group.create_task(self._watch(changed)),
                }
                chatter = group.create_task(self._overhear(process))
                done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for task in (*ways, chatter):
                    task.cancel()
            return next(iter(done)).result()
        finally:
            self._running.clear()
            self._process = None
            self._fail_all()
            await end(process)

    async def _listen(self, process: asyncio.subprocess.Process) -> str:
        output = pipe_of(process.stdout)
        while True:
            try:
                line = await output.readuntil(b"\n")
            except asyncio.IncompleteReadError as rest:
                if rest.partial:
                    self._hear(rest.partial)
                return "it has ended"
            except asyncio.LimitOverrunError:
                return f"it wrote a line of more than {LONGEST_LINE} bytes"
            except OSError as error:
                return f"it cannot be read: {error.strerror or error}"
            self._hear(line)

    async def _watch(self, stamp: object) -> str:
        """Waits until it is silent for too long, or its file is another one."""
        while True:
            await asyncio.sleep(min(_LOOK, self.seconds / 4))
            if self._is_silent(asyncio.get_running_loop().time()):
                return f"it said nothing for {self.seconds:g} seconds"
            if self._stamp() != stamp:
                return _CHANGED

    def _is_silent(self, now: float) -> bool:
        """Does it say nothing at all? What it has passed over is given up here."""
        for waiting in list(self._asked.values()):
            for asked in waiting:
                if asked.overtaken and now - asked.overtaken > self.seconds:
                    self._give_up(asked)
        unanswered = [asked for asked in self._ahead if not asked.answer.done()]
        if not unanswered or now - self._heard <= self.seconds:
            return False
        if len(unanswered) > 1 or self._passed_over >= _PASSED_OVER:
            return True
        self._passed_over += 1
        self._ahead.clear()
        self._give_up(unanswered[0])
        return False

    def _give_up(self, asked: _Question) -> None:
        self._complain("no answer to one event, which is refused")
        _settle(asked, _TOO_LATE)

    async def _overhear(self, process: asyncio.subprocess.Process) -> None:
        """What it writes on its standard error goes to our log."""
        errors = pipe_of(process.stderr)
        rest = b""
        with contextlib.suppress(OSError):  # what it had to say is lost with it
            while chunk := await errors.read(4096):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._complain("says: " + _shown(line))
                rest = rest[:LONGEST_LINE]

    def _stamp(self) -> object:
        """Changes with the plugin's file."""
        return None if self._file is None else file_stamp(self._file)

    def _complain(self, words: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at > 1:
            self._said, self._said_at = 0, now
        self._said += 1
        if self._said <= _LINES_A_SECOND:
            _log.warning("plugin %s: %s", safe_line(self.command, 80), words)


def _settle(asked: _Question, verdict: Verdict) -> None:
    if not asked.answer.done():
        asked.answer.set_result(verdict)


_SOURCES: Final = {
    SourceType.IMPORT: "Import",
    SourceType.SYNC: "Sync",
    SourceType.MIRROR: "Stream",
}
_CHANGED: Final = "its file has changed, it is started anew"


def request(incoming: IncomingEvent) -> bytes:
    """The line that asks about an offer."""
    source = _SOURCES.get(incoming.source) or ("IP6" if ":" in incoming.address else "IP4")
    fields: dict[str, Any] = {
        "type": "new",
        "event": msgspec.Raw(incoming.event.json),
        "receivedAt": int(incoming.now),
        "sourceType": source,
        "sourceInfo": incoming.address,
    }
    if incoming.keys:
        author = incoming.event.pubkey
        fields["authed"] = author if author in incoming.keys else min(incoming.keys)
    return _encode(fields) + b"\n"


def file_of(command: str, folder: str) -> Path | None:
    """The program that a command of one word names; None for a line of the shell."""
    return None if " " in command else Path(folder, command)


def _shown(line: bytes) -> str:
    return safe_line(line[:1000].decode("utf-8", "replace"), 200)
