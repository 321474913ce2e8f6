"""What the person said about telling relays who they are (NIP-42): for this session, or for good.

What is for good stands in one file an account, in the data folder, and is read again when another
process changed it. A file that is not understood is an error, and is never written over: it may
hold a no.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import msgspec

from nostr_client.errors import StoreError
from nostr_client.paths import FileStamp, FolderLock, file_stamp, private_folder, write_private

LARGEST: Final = 1 << 20
MOST_CHOICES: Final = 2_000
"""Relays about which something is remembered for good, and as many for the session."""
LOCK_LIMIT: Final = 5.0


class AuthChoice(msgspec.Struct, frozen=True):
    """The person's word about the relay at `url`; `lasting`: it counts after a restart too."""

    url: str
    allowed: bool
    lasting: bool


class SavedAuthChoices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file: relays (in their one spelling) that are told who asks, and those that never are;
    `told`: the person has heard what a recipient's relay learns."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    told: bool = False


class AuthChoices:
    """The choices of one account; `path` None: of this session alone."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: FileStamp | None = None
        self._saved = SavedAuthChoices()
        self._session: dict[str, bool] = {}

    def of(self, url: str) -> bool | None:
        """The person's word about the relay at `url` (one spelling); None where there is none.

        Raises StoreError.
        """
        if url in self._session:
            return self._session[url]
        saved = self._read()
        return False if url in saved.denied else True if url in saved.allowed else None

    def all(self) -> list[AuthChoice]:
        """Every word, by URL. Raises StoreError."""
        saved = self._read()
        lasting = dict.fromkeys(saved.allowed, True) | dict.fromkeys(saved.denied, False)
        choices = [AuthChoice(url, yes, True) for url, yes in lasting.items()]
        choices = [choice for choice in choices if choice.url not in self._session]
        choices += [AuthChoice(url, yes, False) for url, yes in self._session.items()]
        return sorted(choices, key=lambda choice: choice.url)

    @property
    def told(self) -> bool:
        """Has the person heard what a recipient's relay learns? Raises StoreError."""
        return self._read().told

    def choose_for_now(self, url: str, allowed: bool) -> None:
        """For this session."""
        self._session.pop(url, None)
        self._session[url] = allowed
        if len(self._session) > MOST_CHOICES:
            del self._session[next(iter(self._session))]

    async def choose(self, url: str, allowed: bool) -> None:
        """For good. Raises StoreError."""
        await asyncio.to_thread(self._change, url, allowed)
        self._session.pop(url, None)

    async def forget(self, url: str) -> bool:
        """Take back what was said; False if nothing was. Raises StoreError."""
        said = self.of(url) is not None
        if said:
            await asyncio.to_thread(self._change, url, None)
        self._session.pop(url, None)
        return said

    async def note_told(self) -> None:
        """The person has heard it. Raises StoreError."""
        await asyncio.to_thread(self._change, "", None, told=True)

    def _read(self) -> SavedAuthChoices:
        if self._path is None:
            return self._saved
        stamp = file_stamp(self._path)
        if stamp != self._stamp:
            self._saved = SavedAuthChoices() if stamp is None else _read_file(self._path)
            self._stamp = stamp
        return self._saved

    def _change(self, url: str, word: bool | None, *, told: bool = False) -> None:
        """Write down what has changed. Blocks."""
        if self._path is None:
            self._saved = _changed(self._saved, url, word, told)
            return
        private_folder(self._path.parent)
        with FolderLock(self._path.with_suffix(".lock"), LOCK_LIMIT):
            saved = _changed(_read_file(self._path), url, word, told)
            if len(saved.allowed) + len(saved.denied) > MOST_CHOICES:
                raise StoreError(f"{self._path} holds {MOST_CHOICES} relays: take some back first")
            write_private(self._path, msgspec.json.encode(saved))


def auth_choices(folder: Path, pubkey: str) -> AuthChoices:
    """Those of the account `pubkey`; `folder` is that of the data."""
    return AuthChoices(folder / f"auth-{pubkey[:16]}.json")


def _changed(saved: SavedAuthChoices, url: str, word: bool | None, told: bool) -> SavedAuthChoices:
    allowed = [one for one in saved.allowed if one != url]
    denied = [one for one in saved.denied if one != url]
    if word is not None:
        (allowed if word else denied).append(url)
    return SavedAuthChoices(tuple(allowed), tuple(denied), saved.told or told)


def _read_file(path: Path) -> SavedAuthChoices:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(LARGEST), type=SavedAuthChoices)
    except FileNotFoundError:
        return SavedAuthChoices()
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror or error}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(
            f"{path} is not understood: {error}; it says which relays are told who you are, so it "
            "is left as it is: mend it or move it away"
        ) from error
