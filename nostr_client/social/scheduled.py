"""Notes that go out at a time: kept on this machine, signed when they are due.

Nobody else has them until then, so this machine must be on, and a process of ours must run with the
key. Whichever does signs them; one at a time, under a lock of the folder. A note is sent once: what
was signed is written down before it is published, and after a crash that same event is published,
and no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import FolderInUse, InvalidData, NostrError, StoreError
from nostr_client.paths import (
    FolderLock,
    patient_lock,
    private_folder,
    store_error,
    translated,
    write_private,
)
from nostr_client.protocol.event import Event
from nostr_client.social.notes import Notes, clean
from nostr_client.social.publisher import Publisher
from nostr_client.social.views import Posted
from nostr_client.social.writing import Writing

log = logging.getLogger(__name__)

LATE: Final = 3_600
"""Seconds after its time from which on a note is not sent by itself: its person is asked."""
MOST: Final = 500
"""Notes that are scheduled at most."""
LOOK_EVERY: Final = 20.0
"""Seconds between two looks: another process may have scheduled one."""
LOCK_LIMIT: Final = 15.0
"""Seconds that another process may take over a note that is due."""
TO_COME: Final = "a note is scheduled for a time that is to come"
HERE_ONLY: Final = "It waits on this machine, which must be on then, with one of your clients open."
"""What whoever schedules a note is told."""
_LOCK: Final = "schedule.lock"


class ScheduledNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A note that is due `at` (seconds since 1970). `event`: it was signed, and is that event."""

    id: str
    at: int
    writing: Writing
    event: str = ""

    def is_late(self, now: float) -> bool:
        """Must its person be asked, for it should have gone out long ago?"""
        return not self.event and now - self.at > LATE


class Schedule:
    """The scheduled notes of the account whose `publisher` signs. All methods raise StoreError."""

    def __init__(
        self,
        notes: Notes,
        publisher: Publisher,
        *,
        folder: Path,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._notes = notes
        self._publisher = publisher
        self._folder = folder
        self._clock = clock
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()
        """One of this process sends at a time: a signer may take longer for it than `LOCK_LIMIT`,
        which is for others."""
        self.problems: dict[str, str] = {}
        """By a note's id: why it could not be sent when it was due."""
        self.sent: deque[Posted] = deque(maxlen=MOST)
        """What this process has sent."""
        self.on_sent: Callable[[ScheduledNote, Posted], None] = lambda note, posted: None
        """Told when this process has sent one."""

    async def all(self) -> list[ScheduledNote]:
        """Those that wait, the next one first."""
        return await asyncio.to_thread(self._read_all)

    async def late(self) -> list[ScheduledNote]:
        """Those that nobody was there to send, for more than `LATE` seconds."""
        return [note for note in await self.all() if note.is_late(self._clock())]

    async def add(self, writing: Writing, at: int) -> ScheduledNote:
        """Have a note go out `at`. Raises InvalidData, and SecretFound for a secret key in it."""
        if at <= self._clock():
            raise InvalidData(TO_COME)
        clean(writing.text)
        if len(await self.all()) >= MOST:
            raise InvalidData(f"{MOST} notes are scheduled, and no more can be")
        note = ScheduledNote(id=secrets.token_hex(8), at=at, writing=writing)
        await asyncio.to_thread(self._write, note)
        self._changed.set()
        return note

    async def take_back(self, note_id: str) -> ScheduledNote | None:
        """Send it no more, and hand it back; None where that is too late."""
        async with self._locked():
            note = await asyncio.to_thread(self._read, note_id)
            if note is None or note.event:
                return None
            await asyncio.to_thread(self._drop, note_id)
            self.problems.pop(note_id, None)
            return note

    async def change(
        self, note_id: str, *, at: int | None = None, writing: Writing | None = None
    ) -> ScheduledNote | None:
        """Have it go out `at`, or say another thing; None where that is too late. Raises
        InvalidData, and SecretFound for a secret key in it."""
        if at is not None and at <= self._clock():
            raise InvalidData(TO_COME)
        if writing is not None:
            clean(writing.text)
        async with self._locked():
            note = await asyncio.to_thread(self._read, note_id)
            if note is None or note.event:
                return None
            changed = msgspec.structs.replace(
                note, at=note.at if at is None else at, writing=writing or note.writing
            )
            await asyncio.to_thread(self._write, changed)
            self.problems.pop(note_id, None)
        self._changed.set()
        return changed

    async def send_due(self) -> None:
        """Send what is due and not late, once; what cannot be sent is among the `problems`."""
        async with self._sending, self._locked():
            await self._send_all_due()

    async def send_now(self, note_id: str) -> Posted | None:
        """Send it, however late or early; None where it is gone. Raises NostrError."""
        async with self._sending, self._locked():
            note = await asyncio.to_thread(self._read, note_id)
            return None if note is None else await self._send(note)

    async def keep(self) -> None:
        """Send what is due, for as long as the client runs."""
        while True:
            self._changed.clear()
            try:
                wait = await self._send_due()
            except FolderInUse:
                wait = LOOK_EVERY  # another process of ours is at it
            except StoreError as error:
                log.warning("the schedule cannot be read: %s", error)
                wait = LOOK_EVERY
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    async def _send_due(self) -> float:
        """Seconds until the next look. Raises FolderInUse."""
        waiting = await self.all()
        if any(self._is_due(note) for note in waiting):
            async with self._sending:
                with FolderLock(self._folder / _LOCK):
                    await self._send_all_due()
        ahead = [note.at - self._clock() for note in waiting if note.at > self._clock()]
        return max(min([LOOK_EVERY, *ahead]), 0.0)

    async def _send_all_due(self) -> None:
        """Under the lock: another process may have sent some meanwhile."""
        for note in await self.all():
            if self._is_due(note):
                await self._try(note)

    def _is_due(self, note: ScheduledNote) -> bool:
        now = self._clock()
        return bool(note.event) or (note.at <= now and not note.is_late(now))

    async def _try(self, note: ScheduledNote) -> None:
        try:
            await self._send(note)
        except NostrError as error:
            self.problems[note.id] = str(error)  # tried again at the next look
            log.info("a scheduled note is not sent yet: %s", error)

    async def _send(self, note: ScheduledNote) -> Posted:
        """Sign and publish, under the lock."""
        if note.event:
            event = Event.parse(note.event)
        else:
            draft = await self._notes.draft_of(note.writing)
            event = await self._publisher.sign(draft)
            note = msgspec.structs.replace(note, event=event.json.decode())
            await asyncio.to_thread(self._write, note)
        posted = await self._publisher.publish_signed(event)
        await asyncio.to_thread(self._drop, note.id)
        self.problems.pop(note.id, None)
        self.sent.append(posted)
        self.on_sent(note, posted)
        return posted

    # Files

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        await asyncio.to_thread(private_folder, self._folder)
        async with patient_lock(self._folder / _LOCK, LOCK_LIMIT):
            yield

    def _path(self, note_id: str) -> Path:
        return self._folder / f"{note_id}.json"

    def _read_all(self) -> list[ScheduledNote]:
        found = [self._read(path.stem) for path in self._folder.glob("*.json")]
        return sorted((note for note in found if note), key=lambda note: (note.at, note.id))

    def _read(self, note_id: str) -> ScheduledNote | None:
        path = self._path(note_id)
        try:
            note = msgspec.json.decode(path.read_bytes(), type=ScheduledNote)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise store_error(f"the scheduled note {path} cannot be read", error) from error
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.warning("%s is no scheduled note of ours, and stays as it is", path)
            return None
        return note if note.id == note_id else None

    def _write(self, note: ScheduledNote) -> None:
        private_folder(self._folder)
        write_private(self._path(note.id), msgspec.json.encode(note))

    def _drop(self, note_id: str) -> None:
        with translated("a scheduled note cannot be removed"):
            self._path(note_id).unlink(missing_ok=True)
