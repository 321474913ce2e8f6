"""A file from this disk onto media servers (NIP-B7, 92), so that notes may name it.

Rules
- What goes out says nothing of its maker (`file_form`), or the person was asked.
- A copy is kept at home before anything is sent.
- `WANTED` servers are to serve it: it is sent to the first that takes it, the others copy it from
  there, or are sent it where they cannot. One that fails gives way to the next.
- A server has it when it was read back whole, with the right hash, and not before. No event names a
  file that nobody serves: `UploadReport.item` raises then.
"""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from nostr_client.errors import InvalidData, StoreError, UploadFailed
from nostr_client.nips.nip92 import MediaItem, type_of_ending
from nostr_client.nips.nipb7 import server_url
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.media.blob_folder import BlobFolder
from nostr_client.social.media.blossom import Blob, MediaServer, ServerAnswer, ServerState
from nostr_client.social.media.file_form import CLEANED, UNKNOWN, form_of, without_metadata

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of one file: it is held in memory."""
WANTED: Final = 2
"""Servers that are to serve each file."""
MOST_TEXT: Final = 1024 * 1024
"""Bytes of a file without a known form that are searched for a secret key."""

UploadStep = Literal["sending", "copying", "done"]


class UploadProgress(msgspec.Struct, frozen=True):
    """How far one server has come: `sent` of `size` bytes; `answer` once it is done."""

    server: str
    step: UploadStep
    sent: int
    size: int
    answer: ServerAnswer | None = None


OnProgress = Callable[[UploadProgress], None]


class UploadFile(msgspec.Struct, frozen=True):
    """A file as it goes out, with `alt` for whoever does not see it. `cleaned`: what it said of its
    maker was left out."""

    blob: Blob
    width: int = 0
    height: int = 0
    cleaned: bool = False
    alt: str = ""
    blurhash: str = ""


class UploadReport(msgspec.Struct, frozen=True):
    """What became of one file, server by server, in the order in which they were asked.

    `kept`: a copy is at home. `wanted` is how many servers were to serve it.
    """

    file: UploadFile
    answers: tuple[ServerAnswer, ...]
    kept: bool
    wanted: int

    @property
    def served(self) -> tuple[ServerAnswer, ...]:
        """The answers of the servers that really serve it."""
        return tuple(answer for answer in self.answers if answer.served)

    @property
    def ok(self) -> bool:
        """Does at least one server serve it?"""
        return bool(self.served)

    @property
    def lacking(self) -> int:
        """How many servers fewer than wanted serve it."""
        return max(0, self.wanted - len(self.served))

    def raise_if_failed(self) -> None:
        """Raises UploadFailed where nobody serves the file."""
        if not self.ok:
            raise UploadFailed(self)

    def item(self) -> MediaItem:
        """The file as an event may name it. Raises UploadFailed where nobody serves it."""
        self.raise_if_failed()
        first, *others = (answer.url for answer in self.served)
        blob = self.file.blob
        return MediaItem(
            url=first,
            alt=self.file.alt,
            type=blob.type,
            width=self.file.width,
            height=self.file.height,
            size=len(blob.data),
            sha256=blob.sha256,
            blurhash=self.file.blurhash,
            fallbacks=tuple(others),
        )

    def __str__(self) -> str:
        """One line, safe to print."""
        if not self.answers:
            return "no media server was asked"
        line = f"{len(self.served)} of {len(self.answers)} media servers have it"
        others = [str(answer) for answer in self.answers if not answer.served]
        if self.ok and self.lacking:
            others.append("one more would keep it where these are lost")
        if not self.kept:
            others.append("no copy is kept here: the folder for them is full")
        return f"{line}; {'; '.join(others)}" if others else line


def read_file(path: Path, *, alt: str = "", as_it_is: bool = False) -> UploadFile:
    """The file at `path`, ready to go out, with `alt`: what is on it. Blocks.

    `as_it_is`: it may say of its maker what it says; else a file of which nobody here knows what
    it says is refused. Raises MetadataUnknown for that, InvalidData, SecretFound, StoreError.
    """
    data = _bytes_of(path)
    form = form_of(data)
    mime = form.type
    if mime == UNKNOWN:
        mime = type_of_ending(path.name) or UNKNOWN
        refuse_codes(data[:MOST_TEXT].decode("utf-8", "replace"))
    cleaned = not as_it_is and form.type in CLEANED
    if cleaned:
        data = without_metadata(data)
    elif not as_it_is:
        raise MetadataUnknown(mime)
    refuse_codes(alt)
    return UploadFile(Blob.of(data, mime), form.width, form.height, cleaned, alt)


class MetadataUnknown(InvalidData):
    """A file may say where and when it was made, and by whom, and nobody here can take that out."""

    def __init__(self, mime: str) -> None:
        super().__init__(
            f"a file of type {mime} may say where, when and by whom it was made, and that cannot be"
            " taken out here: it goes out as it is only if you say so"
        )
        self.mime = mime


def _bytes_of(path: Path) -> bytes:
    try:
        path = path.expanduser()
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InvalidData(f"{path} is not a file")
        if found.st_size > MOST_BYTES:
            raise InvalidData(f"{path} has {found.st_size} bytes: at most {MOST_BYTES} are sent")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except RuntimeError:  # a home of somebody who is not there
        raise InvalidData(f"{path} is not a file") from None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    if not 0 < len(data) <= MOST_BYTES:
        raise InvalidData(f"{path} is empty, or grows")
    return data


class Uploads:
    """Sends files to servers, each made by `server_at`; copies are kept in `folder`."""

    def __init__(self, server_at: Callable[[str], MediaServer], folder: BlobFolder) -> None:
        self._server_at = server_at
        self._folder = folder

    async def upload(
        self,
        file: UploadFile,
        servers: Sequence[str],
        *,
        wanted: int = WANTED,
        on_progress: OnProgress = lambda progress: None,
    ) -> UploadReport:
        """Have `file` served by `wanted` of `servers`, the first of them first.

        The same once more goes on where it ended: who serves it already is sent nothing. Raises
        InvalidData where no server is named, SignerError, StoreError.
        """
        if not servers:
            raise InvalidData("no media server is named: `nostr-client blossom add URL` names one")
        kept = await asyncio.to_thread(self._folder.keep, file.blob.data)
        answers: list[ServerAnswer] = []
        for url in dict.fromkeys(map(server_url, servers)):
            source = next((answer.url for answer in answers if answer.served), "")
            answer = await self._place(file.blob, url, source, on_progress)
            answers.append(answer)
            size = len(file.blob.data)
            on_progress(UploadProgress(url, "done", size, size, answer))
            if sum(answer.served for answer in answers) >= wanted:
                break
        return UploadReport(file, tuple(answers), kept, wanted)

    async def _place(
        self, blob: Blob, url: str, source: str, on_progress: OnProgress
    ) -> ServerAnswer:
        """At one server: copied from `source` where that is known, or else sent."""
        server, size = self._server_at(url), len(blob.data)
        if source:
            on_progress(UploadProgress(url, "copying", 0, size))
            answer = await server.mirror(blob, source)
            if answer.served or answer.state is ServerState.SILENT:
                return answer
        on_progress(UploadProgress(url, "sending", 0, size))
        return await server.upload(
            blob, lambda sent: on_progress(UploadProgress(url, "sending", sent, size))
        )
