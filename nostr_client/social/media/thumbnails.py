"""Pictures of strangers as few pixels, decoded in a process of their own (`picture_worker`)."""

from __future__ import annotations

import asyncio
import importlib.util
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from nostr_client.errors import ConfigError, InvalidData
from nostr_client.nips.blurhash import encode_blurhash
from nostr_client.nips.nip92 import MediaItem
from nostr_client.paths import environment_for_children
from nostr_client.processes import end_now
from nostr_client.social.media.file_form import type_of
from nostr_client.social.media.finding import FileFinder
from nostr_client.social.media.picture_worker import NO_PILLOW, UNREADABLE
from nostr_client.social.media.thumbnail_folder import Pixels, ThumbnailFolder

MOST_BYTES: Final = 8 * 1024 * 1024
"""Bytes of a picture that is looked at without being asked for by itself."""
MOST_ASKED: Final = 32 * 1024 * 1024
"""The same of one that was asked for."""
ACROSS: Final = 60
DOWN: Final = 20
"""Pixels of a small picture: two to a row of text, one to a cell."""
LIMIT: Final = 15.0
"""Seconds for one picture."""
AT_ONCE: Final = 2
_HASHED: Final = 32
"""Pixels of a side that a blurhash is made of."""
MOST_SIDE: Final = 4096
"""Pixels of a side that are asked for."""
HINT: Final = "pictures need the package pillow: pip install 'nostr-client[images]'"
_COMMAND: Final = (
    "import sys; sys.path.append(sys.argv[1]);"
    " from nostr_client.social.media.picture_worker import main; main()"
)
_ROOT: Final = str(Path(__file__).resolve().parents[3])


def is_available() -> bool:
    """Can pictures be decoded here? Imports nothing."""
    return importlib.util.find_spec("PIL") is not None


class Thumbnails:
    """Pictures that events name: found by `finder`, decoded, and kept small in `folder`.

    Both methods raise InvalidData for what is no picture, is too large or takes too long, or where
    nothing may be fetched; RelayError where nobody answered; ConfigError where `pillow` is not
    installed; StoreError.
    """

    def __init__(self, finder: FileFinder, folder: ThumbnailFolder) -> None:
        self._finder = finder
        self._folder = folder
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def small(self, item: MediaItem, author: str) -> Pixels:
        """The picture that `author` (hex) named, at most `ACROSS` x `DOWN` pixels."""
        kept = await asyncio.to_thread(self._folder.get, item.url)
        if kept is None:
            kept = await self.large(item, author, ACROSS, DOWN, most_bytes=MOST_BYTES)
            await asyncio.to_thread(self._folder.keep, item.url, kept)
        return kept

    async def large(
        self, item: MediaItem, author: str, across: int, down: int, *, most_bytes: int = MOST_ASKED
    ) -> Pixels:
        """The same, at most `across` x `down`, and kept nowhere."""
        if not is_available():
            raise ConfigError(HINT)
        async with self._turns:
            found = await self._finder.find(item, author, most_bytes=most_bytes)
            return await decoded(found.data, across, down)


async def decoded(data: bytes, across: int, down: int) -> Pixels:
    """The picture in the file `data`, at most `across` x `down` pixels.

    Raises InvalidData, ConfigError.
    """
    if not type_of(data).startswith("image/"):
        raise InvalidData("what lies there is no picture")
    if not (0 < across <= MOST_SIDE and 0 < down <= MOST_SIDE):
        raise InvalidData(f"a picture is shown with 1 to {MOST_SIDE} pixels a side")
    return await _decoded(data, across, down)


async def blurhash_of(data: bytes) -> str:
    """What stands in for the picture in the file `data`; empty where it is none, or nothing here
    can tell."""
    if not is_available() or not type_of(data).startswith("image/"):
        return ""
    try:
        small = await decoded(data, _HASHED, _HASHED)
    except (InvalidData, ConfigError):
        return ""
    return await asyncio.to_thread(encode_blurhash, small.data, small.width, small.height)


async def _decoded(data: bytes, across: int, down: int) -> Pixels:
    """By a process of its own, which ends with whoever waits for it."""
    detached: dict[str, Any]
    if sys.platform == "win32":
        detached = {
            "creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        }
    else:
        detached = {"start_new_session": True}
    command = [sys.executable, "-P", "-c", _COMMAND, _ROOT, str(across), str(down)]
    try:
        done = await asyncio.create_subprocess_exec(
            *command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment_for_children(),
            **detached,
        )
    except OSError as error:
        raise InvalidData(f"no process to decode it: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(LIMIT):
            shown, _ = await done.communicate(data)
    except TimeoutError:
        raise InvalidData(f"this picture was not decoded within {LIMIT:g} s") from None
    finally:
        await end_now(done)
    if done.returncode == NO_PILLOW:
        raise ConfigError(HINT)
    if done.returncode == UNREADABLE:
        raise InvalidData("this picture cannot be read")
    if done.returncode or len(shown) < 4:
        raise InvalidData(f"decoding this picture failed ({done.returncode})")
    width, height = struct.unpack_from(">HH", shown)
    if width > across or height > down:
        raise InvalidData("decoding this picture failed: too many pixels")
    return Pixels(width, height, shown[4:])
