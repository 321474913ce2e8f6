"""One file at one media server (BUD-01, 02, 04, 06, 12): sent, copied, read back, deleted.

What a server says is worth nothing but as words: a file is there when its bytes came back, and have
the hash. It is asked for where it must be (`/<sha256>`), not where the server says that it is.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from nostr_client.errors import InvalidData, RelayError, SigningRefused
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips.nip92 import ending_of
from nostr_client.nips.nipb7 import (
    BlobDescriptor,
    authorization,
    blob_url,
    descriptors_of,
    header_of,
)
from nostr_client.safe_text import safe_line
from nostr_client.signing.signer import Signer

SLOWEST: Final = 20_000
"""Bytes a second that a server must take or give at least."""
ANSWER_LIMIT: Final = 20.0
"""Seconds for a question that moves no file; and those beside what a file takes."""
COPY_LIMIT: Final = 60.0
"""Seconds for a server to fetch a file from another one."""
ASKED_FIRST: Final = 1024 * 1024
"""Bytes from which on a server is asked whether it would take a file, before it is sent."""
MOST_LISTED: Final = 20_000
"""Files of somebody that one server is asked for."""
LISTED_AT_ONCE: Final = 1_000
_DESCRIPTOR: Final = 64 * 1024
_LIST: Final = 2 * 1024 * 1024
_NOT_KNOWN: Final = frozenset({404, 405, 501})
"""Answers of a server that does not have this door (BUD-06 is optional)."""
_WORDS: Final = 200


class Blob(msgspec.Struct, frozen=True):
    """A file that is to lie on servers: its bytes, their SHA-256 (hex) and MIME type."""

    data: bytes
    sha256: str
    type: str

    @classmethod
    def of(cls, data: bytes, mime: str) -> Blob:
        """Blocks for as long as the hash takes."""
        return cls(data, sha256(data).hexdigest(), mime)

    def url_at(self, server: str) -> str:
        """Where a server has it."""
        return blob_url(server, self.sha256, ending_of(self.type))

    @property
    def limit(self) -> float:
        """Seconds in which it must have gone over the line."""
        return ANSWER_LIMIT + len(self.data) / SLOWEST


class ServerState(Enum):
    """How a file stands at a server."""

    SERVED = "serves it"
    """It was read back, and is the same."""
    REFUSED = "refused it"
    WRONG = "does not give back what was sent"
    MISSING = "does not have it"
    SILENT = "was not reached"
    DELETED = "deleted it"
    """It does not give it back any more."""


class ServerAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one file at one `server`. `url` is where it lies if it is served there;
    `words` are the server's, or ours for what went wrong; raw."""

    server: str
    state: ServerState
    url: str
    words: str = ""

    @property
    def served(self) -> bool:
        return self.state is ServerState.SERVED

    @property
    def deleted(self) -> bool:
        return self.state is ServerState.DELETED

    def __str__(self) -> str:
        words = f": {safe_line(self.words, _WORDS)}" if self.words else ""
        return f"{self.server} {self.state.value}{words}"


class _SaidNo(InvalidData):
    """A server said no."""


class MediaServer:
    """One server (`url` as `nipb7.server_url` spells it), dialled by `dial`, for one `signer`."""

    def __init__(
        self, url: str, dial: DialOptions, signer: Signer | None, clock: Callable[[], float]
    ) -> None:
        self.url = url
        self._dial = dial
        self._signer = signer
        self._clock = clock

    async def check(self, blob: Blob) -> ServerAnswer:
        """Does it serve the file? Reads it back."""
        return await self._answer(blob.url_at(self.url), self._found(blob))

    async def upload(self, blob: Blob, on_sent: http.OnSent = lambda sent: None) -> ServerAnswer:
        """Send it there, unless the server has it, and read it back.

        Raises SignerError."""

        async def put() -> None:
            await self._ask_first(blob)
            headers = await self._headers(blob, "Upload a file")
            headers |= {"Content-Type": blob.type, "X-SHA-256": blob.sha256}
            _check(
                await http.send(
                    "PUT",
                    f"{self.url}/upload",
                    self._dial,
                    body=blob.data,
                    headers=headers,
                    timeout=blob.limit,
                    max_bytes=_DESCRIPTOR,
                    on_sent=on_sent,
                )
            )

        return await self._answer(blob.url_at(self.url), self._placed(blob, put))

    async def mirror(self, blob: Blob, source: str) -> ServerAnswer:
        """Have the server fetch it from the URL `source`, unless it has it, and read it back.

        Raises SignerError."""

        async def put() -> None:
            headers = await self._headers(blob, "Copy a file from another server")
            headers["Content-Type"] = "application/json"
            body = msgspec.json.encode({"url": source})
            _check(
                await http.send(
                    "PUT",
                    f"{self.url}/mirror",
                    self._dial,
                    body=body,
                    headers=headers,
                    timeout=COPY_LIMIT,
                    max_bytes=_DESCRIPTOR,
                )
            )

        return await self._answer(blob.url_at(self.url), self._placed(blob, put))

    async def delete(self, sha256: str) -> ServerAnswer:
        """Have it deleted there (hex), and look whether it is gone. Raises SignerError."""
        url = blob_url(self.url, sha256)

        async def gone() -> ServerState:
            headers = await self._signed("delete", sha256, "Delete a file")
            answer = await http.send(
                "DELETE", url, self._dial, headers=headers, timeout=ANSWER_LIMIT
            )
            if answer.status == 404:
                return ServerState.MISSING
            _check(answer)
            left = await http.send("HEAD", url, self._dial, timeout=ANSWER_LIMIT)
            if left.status == 200:
                raise InvalidData("it says that it deleted it, and serves it all the same")
            return ServerState.DELETED

        return await self._answer(url, gone())

    async def files(self, pubkey: str) -> list[BlobDescriptor]:
        """What the server says that `pubkey` (hex) has there, the newest first, page by page; it
        is its word alone. Raises InvalidData, also where it says no, RelayError, SignerError."""
        found: dict[str, BlobDescriptor] = {}
        for _ in range(MOST_LISTED // LISTED_AT_ONCE):
            cursor = f"&cursor={next(reversed(found))}" if found else ""
            url = f"{self.url}/list/{pubkey}?limit={LISTED_AT_ONCE}{cursor}"
            headers = await self._signed("list", "", "List files") if self._signer else {}
            answer = await http.send(
                "GET", url, self._dial, headers=headers, timeout=ANSWER_LIMIT, max_bytes=_LIST
            )
            _check(answer)
            page = descriptors_of(answer.body)
            new = {one.sha256: one for one in page if one.sha256 not in found}
            found |= new
            if not new or len(page) < LISTED_AT_ONCE:
                break
        return list(found.values())

    async def _answer(self, url: str, work: Awaitable[ServerState]) -> ServerAnswer:
        """What `work` with the file at `url` came to, or what went wrong with it."""
        words = ""
        try:
            state = await work
        except _SaidNo as error:
            state, words = ServerState.REFUSED, str(error)
        except InvalidData as error:
            state, words = ServerState.WRONG, str(error)
        except RelayError as error:
            state, words = ServerState.SILENT, error.message
        return ServerAnswer(server=self.url, state=state, url=url, words=words)

    async def _placed(self, blob: Blob, put: Callable[[], Awaitable[None]]) -> ServerState:
        """Do `put` where the file is not there, and look whether it is."""
        if await self._found(blob) is ServerState.SERVED:
            return ServerState.SERVED
        await put()
        back = await self._given_back(blob)
        return ServerState.WRONG if back is ServerState.MISSING else back

    async def _found(self, blob: Blob) -> ServerState:
        """Nobody is asked to give back megabytes of which he says that he does not have them."""
        url = blob.url_at(self.url)
        answer = await http.send("HEAD", url, self._dial, timeout=ANSWER_LIMIT)
        return ServerState.MISSING if answer.status == 404 else await self._given_back(blob)

    async def _given_back(self, blob: Blob) -> ServerState:
        """Are the bytes that it serves those of the file?"""
        answer = await http.get(
            blob.url_at(self.url),
            self._dial,
            timeout=blob.limit,
            max_bytes=len(blob.data),
            accept="*/*",
            redirects=http.FILE_REDIRECTS,
        )
        if answer.status != 200:
            return ServerState.MISSING
        digest = await asyncio.to_thread(lambda: sha256(answer.body).hexdigest())
        same = hmac.compare_digest(digest, blob.sha256)
        return ServerState.SERVED if same else ServerState.WRONG

    async def _ask_first(self, blob: Blob) -> None:
        """Would it take the file (BUD-06)? Raises _SaidNo where it says no."""
        if len(blob.data) < ASKED_FIRST:
            return
        headers = await self._headers(blob, "Upload a file")
        headers |= {
            "X-SHA-256": blob.sha256,
            "X-Content-Type": blob.type,
            "X-Content-Length": str(len(blob.data)),
        }
        answer = await http.send(
            "HEAD", f"{self.url}/upload", self._dial, headers=headers, timeout=ANSWER_LIMIT
        )
        if answer.status not in _NOT_KNOWN:
            _check(answer)

    async def _headers(self, blob: Blob, words: str) -> dict[str, str]:
        """That the account lets this server take this file. Raises SignerError."""
        return await self._signed("upload", blob.sha256, words)

    async def _signed(self, verb: str, sha256: str, words: str) -> dict[str, str]:
        if self._signer is None:
            raise SigningRefused("this account is only watched: it has no key to sign with")
        draft = authorization(verb, sha256, self.url, self._clock(), words)
        return {"Authorization": header_of(await self._signer.sign(draft))}


def _check(answer: http.Response) -> None:
    """Raises _SaidNo for a status that says no, with the server's words."""
    if answer.status not in (200, 201, 204):
        reason = answer.headers.get("x-reason", "")
        raise _SaidNo(f"{answer.status} {safe_line(reason, _WORDS)}".strip())
