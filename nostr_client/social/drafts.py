"""Notes not sent yet, on disk: one file for each thing that is being written.

A draft is written within half a second of the last key, readable by its owner only (0600), whole or
not at all, and goes away only when its note is stored or when the person throws it away. What
cannot be read is never overwritten: it is set aside, and who writes is told where.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from nostr_client.errors import DecryptionFailed, SignerError, StoreError
from nostr_client.paths import Paths, private_folder, store_error, translated, write_private
from nostr_client.signing.signer import Signer

SAVE_AFTER: Final = 0.3
"""Seconds without a key after which a draft is written."""
LONGEST: Final = 1_000_000
"""Characters read back at most."""
MOST_BYTES: Final = 4 * LONGEST + 1
MOST_ASIDE: Final = 100
_one_at_a_time = threading.Lock()
"""Held while a draft is looked at and then changed: two composers may have written it."""
_under_way: Final[dict[Path, tuple[str, DraftFile]]] = {}
"""Texts that this process is sending, and who does, by the file of their draft: no drafts any
more."""
_is_name = re.compile("[0-9a-z-]{1,80}").fullmatch
NEW_NOTE: Final = "note"
POLL: Final = "poll"
PRIVATE: Final = "private-"
"""Begins the name of what is written in a conversation."""
SHOWN_BYTES: Final = 4_096
MOST_SHOWN: Final = 1_000
EDITING: Final = ".editing.txt"
SENDING: Final = ".sending.txt"


def private_room(members: Iterable[str]) -> str:
    """Begins the names of all that is written in the conversation of `members` (hex)."""
    room = hashlib.sha256(",".join(sorted(members)).encode()).hexdigest()[:32]
    return f"{PRIVATE}{room}"


def name_of(reply_to: str = "", quote: str = "") -> str:
    """The name of the draft of a note: each that answers or quotes another has its own."""
    if reply_to:
        return f"reply-{reply_to}"
    return f"quote-{quote}" if quote else NEW_NOTE


def put_before(text: str, begun: str) -> str:
    """A text that was not sent, before what was `begun` since. What it begins with itself was not
    begun since: so it was kept last, where no later text could be (a full disk). Where it stands
    before that already, it does not come twice."""
    begun, bare = begun.strip(), text.strip()
    if begun.startswith(f"{bare}\n\n"):
        return begun
    return text if bare.startswith(begun) else f"{text}\n\n{begun}"


def _written_at(path: Path) -> int:
    """When a file was written, in ns since 1970; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


class KeptDraft(NamedTuple):
    """A draft as it lies there: its name, the beginning of its text, when it was written (seconds
    since 1970)."""

    name: str
    text: str
    at: int

    @property
    def is_private(self) -> bool:
        """Is it encrypted, and of a conversation?"""
        return self.name.startswith(PRIVATE)

    @property
    def is_poll(self) -> bool:
        """Is it a poll, as its lines are written?"""
        return self.name == POLL

    @property
    def answers(self) -> str:
        """The event (id) that it answers, if it does."""
        return self._after("reply-")

    @property
    def quotes(self) -> str:
        """The event (id) that it quotes, if it does."""
        return self._after("quote-")

    def _after(self, prefix: str) -> str:
        return self.name.removeprefix(prefix) if self.name.startswith(prefix) else ""


def kept_drafts(paths: Paths, pubkey: str) -> list[KeptDraft]:
    """The drafts of an account, the newest first. Blocks. Raises StoreError."""
    found: list[KeptDraft] = []
    with translated("the drafts cannot be read"):
        for path in (paths.data / "drafts" / pubkey).glob("*.txt"):
            if not _is_name(path.stem):  # a text that an editor has open
                continue
            with suppress(FileNotFoundError), path.open("rb") as file:
                text = file.read(SHOWN_BYTES).decode(errors="ignore")
                found.append(KeptDraft(path.stem, text, int(path.stat().st_mtime)))
    found.sort(key=lambda draft: (-draft.at, draft.name))
    return found[:MOST_SHOWN]


class DraftFile:
    """One draft's file. All methods block."""

    def __init__(self, paths: Paths, pubkey: str, name: str) -> None:
        if not _is_name(pubkey) or not _is_name(name):
            raise ValueError("a draft is named by lowercase letters, digits and hyphens")
        self.name = name
        self.path: Path = paths.data / "drafts" / pubkey / f"{name}.txt"
        self.editor_file: Path = self.path.with_suffix(EDITING)
        """Where its text lies while another program edits it."""
        self.sending_file: Path = self.path.with_suffix(SENDING)
        """Where a text on its way lies once another one is begun in its place."""
        self.aside: Path | None = None
        """Where the last file lies that could not be read whole."""
        self._unread = False

    def read(self) -> str:
        """What was kept, or nothing. Raises StoreError.

        A file that cannot be read, or not whole, is set `aside`: what is written next replaces it.
        What an editor wrote when we were ended is what the draft has become.
        """
        with (
            translated(f"{self.editor_file} cannot be made the draft"),
            suppress(FileNotFoundError),
        ):
            if self.editor_file.stat().st_mtime_ns >= _written_at(self.path):
                self.editor_file.replace(self.path)
        try:
            with self.path.open("rb") as file:
                data = file.read(MOST_BYTES)
            text = data.decode(errors="replace")[:LONGEST]
            if text.encode() != data or len(data) == MOST_BYTES:
                self.set_aside()
                self._write(text)
        except FileNotFoundError:
            return ""
        except OSError as error:
            self._unread = True
            problem = store_error("the draft cannot be read", error)
            raise type(problem)(f"{problem}; it is kept as {self.set_aside()}") from error
        return text

    def set_aside(self) -> Path:
        """Keep the file beside itself: what is written next replaces it. Raises StoreError."""
        for number in range(1, MOST_ASIDE):
            aside = self.path.with_suffix(f".damaged-{number}")
            if not aside.exists():
                with translated(f"the draft {self.path} cannot be read, nor moved away"):
                    self.path.replace(aside)
                self.aside, self._unread = aside, False
                return aside
        raise StoreError(f"the draft {self.path} is damaged, and so were many before: move it away")

    def write(self, text: str) -> None:
        """Keep the text; nothing but blanks is not worth a file. Raises StoreError."""
        with _one_at_a_time:
            self._write(text)

    def _write(self, text: str) -> None:
        self._make_way()
        if not text.strip():
            self.drop()
            return
        if self._unread:
            self.set_aside()
        private_folder(self.path.parent)
        write_private(self.path, text.encode("utf-8", "replace"))

    def _make_way(self) -> None:
        """What another one of this process is sending steps aside, once, for what is written now: a
        signer may take minutes for it, and until then it lies nowhere else."""
        _, sender = _under_way.get(self.path, ("", self))
        if sender is self or self.sending_file.exists():
            return
        with (
            translated(f"{self.path} cannot be kept while it is sent"),
            suppress(FileNotFoundError),
        ):
            self.path.replace(self.sending_file)

    def left_over(self) -> str:
        """What was on its way when we were ended, and had stepped aside; or nothing. Raises
        StoreError."""
        return "" if self.path in _under_way else self._stood_aside()

    def came_home(self, kept: str) -> None:
        """What had stepped aside, as it was `kept`, was sent, or lies in the draft. Raises
        StoreError."""
        if self._stood_aside().strip() == kept.strip():
            with translated(f"{self.sending_file} cannot go"):
                self.sending_file.unlink(missing_ok=True)

    def _stood_aside(self) -> str:
        with (
            translated(f"{self.sending_file} cannot be read"),
            suppress(FileNotFoundError),
            self.sending_file.open("rb") as file,
        ):
            return file.read(MOST_BYTES).decode(errors="replace")[:LONGEST]
        return ""

    def drop(self) -> None:
        """Throw it away; what could not be read is set aside. Raises StoreError."""
        if self._unread:
            self.set_aside()
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise store_error(f"the draft {self.path} cannot go", error) from error

    def drop_sent(self, text: str) -> None:
        """Throw it away unless it has become another text meanwhile. Raises StoreError."""
        with _one_at_a_time:
            if self.read().strip() == text.strip():
                self.drop()

    def put_back(self, text: str) -> str:
        """A text that was not sent comes before what was begun since; what lay there, for
        `take_out`. Raises StoreError."""
        with _one_at_a_time:
            begun = self.read()
            self._write(put_before(text, begun))
            return begun

    def take_out(self, text: str, begun: str) -> None:
        """Undo `put_back`, which found `begun`, unless it has become another text meanwhile. Raises
        StoreError."""
        with _one_at_a_time:
            if self.read().strip() == put_before(text, begun).strip():
                self._write(begun)


class DraftSaver:
    """Writes one draft behind the typing: in order, the last text last, one thread at a time."""

    def __init__(self, draft: DraftFile) -> None:
        self._draft = draft
        self._text: str | None = None
        self._writing = asyncio.Lock()

    @property
    def path(self) -> Path:
        """Its file: two that have one write the same draft."""
        return self._draft.path

    @property
    def editor_file(self) -> Path:
        """Where the text lies while another program edits it."""
        return self._draft.editor_file

    @property
    def aside(self) -> Path | None:
        """Where a draft lies that could not be read whole, and was replaced by what was read."""
        return self._draft.aside

    async def load(self) -> str:
        """What was kept before, unless it is being sent just now. Raises StoreError."""
        text = self._at_rest(await asyncio.to_thread(self._draft.read))
        if left := await asyncio.to_thread(self._draft.left_over):
            text = put_before(left, text)
            await asyncio.to_thread(self._draft.write, text)
            await asyncio.to_thread(self._draft.came_home, left)
        return text

    @contextmanager
    def sending(self, text: str) -> Iterator[None]:
        """Within the block the text is on its way: whoever opens the draft begins a new one."""
        path, mine = self._draft.path, (text.strip(), self._draft)
        _under_way[path] = mine
        try:
            yield
        finally:
            if _under_way.get(path) == mine:
                del _under_way[path]

    def _at_rest(self, text: str) -> str:
        """The text, unless it is on its way."""
        return "" if text.strip() == _under_way.get(self._draft.path, ("",))[0] else text

    def typed(self, text: str) -> None:
        """The text is now this; `flush` writes it."""
        self._text = text

    async def flush(self) -> None:
        """Put the last text on disk, if it is not there yet. Raises StoreError: then it is still
        to be put there."""
        async with self._writing:
            while self._text is not None:
                text, self._text = self._text, None
                try:
                    await asyncio.to_thread(self._draft.write, text)
                except BaseException:
                    if self._text is None:
                        self._text = text
                    raise

    async def sent(self, text: str) -> None:
        """The text is kept as a note: it is no draft any more. Raises StoreError."""
        async with self._writing:
            self._text = None
            await asyncio.to_thread(self._draft.drop_sent, text)
            await asyncio.to_thread(self._draft.came_home, text)

    async def put_back(self, text: str) -> None:
        """The text could not be kept as a note: it is a draft again. Raises StoreError."""
        async with self._writing:
            self._text = None
            await asyncio.to_thread(self._draft.put_back, text)
            await asyncio.to_thread(self._draft.came_home, text)


class SealedDraftSaver(DraftSaver):
    """The same for what is private: the file holds it encrypted (NIP-44) to the account itself."""

    def __init__(self, draft: DraftFile, signer: Signer, *, start: str = "") -> None:
        """`start` is the text where no draft of it was kept."""
        super().__init__(draft)
        self._start = start
        self._signer = signer
        self._plain: str | None = None
        self._kept = ""
        """What stands in the file, as far as it is ours."""
        self._sealing = asyncio.Lock()

    async def load(self) -> str:
        """What was kept before. What nobody can open is kept beside the next draft.

        Raises StoreError; SignerUnavailable or SigningRefused where the signer may open it another
        time: until then nothing may be written over it.
        """
        sealed = self._at_rest(await asyncio.to_thread(self._draft.read))
        left = await asyncio.to_thread(self._draft.left_over)
        try:
            opened, stood_aside = await self._opened(sealed), await self._opened(left)
        except DecryptionFailed as error:
            aside = await asyncio.to_thread(self._draft.set_aside)
            raise StoreError(
                f"the draft cannot be opened ({error}); it is kept as {aside}"
            ) from error
        self._kept = sealed
        if stood_aside:
            opened = put_before(stood_aside, opened)
            self.typed(opened)
            await self.flush()
            await asyncio.to_thread(self._draft.came_home, left)
        return self._at_rest(opened) or self._start

    async def _opened(self, sealed: str) -> str:
        return await self._signer.nip44_decrypt(self._signer.pubkey, sealed) if sealed else ""

    def typed(self, text: str) -> None:
        self._plain = text

    async def flush(self) -> None:
        async with self._sealing:
            text, self._plain = self._plain, None
            if text is None:
                return
            try:
                me, words = self._signer.pubkey, text.strip()
                sealed = await self._signer.nip44_encrypt(me, text) if words else ""
                super().typed(sealed)
                await super().flush()
                self._kept = sealed
            except BaseException as error:
                if self._plain is None:
                    self._plain = text
                if isinstance(error, SignerError):
                    raise StoreError(str(error)) from error
                raise

    async def sent(self, text: str) -> None:
        async with self._sealing:
            self._plain = None
            await asyncio.to_thread(self._draft.drop_sent, self._kept)
            await asyncio.to_thread(self._draft.came_home, self._kept)

    async def put_back(self, text: str) -> None:
        self._start, kept = "", self._kept
        begun = self._plain if self._plain is not None else await self.load()
        self.typed(put_before(text, begun))
        await self.flush()
        await asyncio.to_thread(self._draft.came_home, kept)
