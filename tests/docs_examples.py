"""The examples of README.md and docs/: found, and the small internet in which they are run.

An example is run as it is printed. Its hosts, `*.example.com`, are led to relays of ours by a proxy
that the settings name, and speak TLS under a certificate that the programs are told to trust. A
comment on the line before says why one is not run, or what it says once those after it may follow:

    <!-- not run: it installs what is being tested -->
    <!-- goes on: ws://127.0.0.1 -->
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import ssl
from collections.abc import Iterator
from itertools import dropwhile
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from nostr_client.command_line.parse import find, parse
from nostr_client.command_line.tree import Command, Group
from nostr_client.routing.starter_relays import starter_relays
from tests.net.certificates import contexts
from tests.net.proxies import SocksServer

_ASSIGNMENT: Final = re.compile(r"[A-Z_]+=")
ROOT: Final = Path(__file__).parents[1]
NAMES: Final = ("example.com", "*.example.com")
_BLOCK: Final = re.compile(
    r"^(?:<!-- (?P<mark>not run|goes on): (?P<said>.+?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^ *```$",
    re.DOTALL | re.MULTILINE,
)


class Example(NamedTuple):
    """A fenced block: where it stands, and in which language. `why` it is not run, if it is not; or
    `until` which word of its own it goes on beside those that follow."""

    page: str
    line: int
    language: str
    text: str
    why: str = ""
    until: str = ""

    @property
    def file(self) -> str:
        """The name under which a reader saves it, as its first line has it; else empty."""
        named = re.match(r"# ([\w-]+\.(?:py|toml))\n", self.text)
        return named[1] if named else ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """Every page that a reader may copy from."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples(*languages: str) -> list[Example]:
    """All blocks, or those in these languages, in the order of the pages."""
    found = []
    for path in pages():
        text, page = path.read_text("utf-8"), path.relative_to(ROOT).as_posix()
        for block in _BLOCK.finditer(text):
            line = text.count("\n", 0, block.start("language")) + 1
            body = re.sub(f"^{block['indent']}", "", block["text"], flags=re.MULTILINE)
            marks = {block["mark"]: block["said"]}
            why, until = marks.get("not run", ""), marks.get("goes on", "")
            found.append(Example(page, line, block["language"], body, why, until))
    return [one for one in found if not languages or one.language in languages]


# Commands


def commands(script: str) -> Iterator[list[str]]:
    """The words of every `nostr-client` in a script for the shell, without what redirects it."""
    for line in script.replace("\\\n", " ").splitlines():
        for given in _simple_commands(line):
            words = list(dropwhile(_ASSIGNMENT.match, given))
            if words and words[0] == "nostr-client":
                yield _without_redirections(words)


def _simple_commands(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if (word and set(word) <= set("|&;()")) or word in ("$", "<(", ">("):
            yield words
            words = []
        elif word in ("then", "do", "else", "while", "until", "if", "!"):
            words = []
        else:
            words.append(word)
    yield words


def _without_redirections(words: list[str]) -> list[str]:
    kept: list[str] = []
    left = iter(words)
    for word in left:
        if word and set(word) <= set("<>"):
            if kept and kept[-1].isdigit():
                kept.pop()
            next(left, "")
        else:
            kept.append(word)
    return kept


def understood(root: Group, words: list[str]) -> Command:
    """The command that the words of a whole line mean. Raises UsageError."""
    found, left = find(root, words)
    assert isinstance(found, Command), f"{words}: which of {', '.join(found.members)}?"
    parse(found.parameters(), left)
    return found


def mentioned(text: str) -> Iterator[list[str]]:
    """Commands in a running text, `like so [OPTION]`; one with `a|b` is one for each."""
    for words in re.findall(r"`nostr-client ([^`\n]+)`", text):
        first, *rest = words.split(" ")
        for one in first.split("|"):
            for two in rest[0].split("|") if rest else [""]:
                yield [one, *([two] if two else []), *rest[1:]]


# The small internet


class SmallInternet:
    """Every `*.example.com` there is, and the relays that everybody starts with: one relay of ours,
    and names (NIP-05) at example.com.

    Host and port do not matter. `names` are those that example.com knows, with their public keys.
    """

    def __init__(self, folder: Path, relay_url: str, names: dict[str, str]) -> None:
        starters = {urlsplit(one.url).hostname or "" for one in starter_relays().relays}
        self._server, _ = contexts(folder, *NAMES, *sorted(starters))
        self.certificate = folder / "server.pem"
        self._relay = urlsplit(relay_url).port
        self._names = names
        self._tasks: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        self._front = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._server)
        self._proxy = SocksServer(self._front.sockets[0].getsockname()[1])
        await self._proxy.__aenter__()
        self.proxy = f"socks5h://{self._proxy.at}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._front.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._proxy.__aexit__(kind, error, trace)
        await self._front.wait_closed()

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to live in it."""
        return {"SSL_CERT_FILE": str(self.certificate)}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"GET /.well-known/nostr.json"):
                body = json.dumps({"names": self._names}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body))
                writer.write(b"Content-Type: application/json\r\nConnection: close\r\n\r\n" + body)
                await writer.drain()
            else:
                await self._lead_on(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # whoever asked has gone
        except asyncio.CancelledError:
            writer.transport.abort()  # and no farewell of TLS, which waits for another
            raise
        finally:
            writer.close()

    async def _lead_on(
        self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        relay_reader, relay_writer = await asyncio.open_connection("127.0.0.1", self._relay)
        try:
            relay_writer.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, relay_writer))
                group.create_task(_copy(relay_reader, writer))
        except* (OSError, ssl.SSLError):
            pass
        finally:
            relay_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
