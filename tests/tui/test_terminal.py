"""The client in a real terminal: what reaches it, how it is given back, what survives."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pyte
import pytest
from pexpect import fdpexpect

from benchmarks.pseudo_terminal import UNKNOWN_TO_PYTE
from nostr_client.protocol.filters import Filter
from nostr_client.store.opening import open_store
from tests.tui.world import PASSWORD, World, world_in
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")

START = 60
"""Seconds for the client to draw its first screen."""
CONFIG = 'relays = ["ws://127.0.0.1:9"]\nown_relay = false\n'
HOSTILE = (
    "before\x1b]0;PWNED\x07\x1b]52;c;UFdORUQ=\x07\x1b[31337m\x9b31337m\x1bPq31337\x1b\\"
    "\x1b[2J\x1b[?1049l\x1bc\x07\x0e after [@click=app.quit]x[/] \u202egnp.exe"
)


BEGUN = re.compile(rb"\x1b(?:\[[0-9;<>=?$]*|\][^\x07\x1b]*\x1b?)?$")
"""A sequence whose end has not come yet."""


class Terminal:
    """The client in a pty, and everything it wrote."""

    def __init__(self, home: Path) -> None:
        environment = {**os.environ, "NOSTR_CLIENT_HOME": str(home), "TERM": "xterm-256color"}
        environment.pop("NO_COLOR", None)
        self.environment = environment
        self.written = bytearray()
        self.screen = pyte.Screen(80, 24)
        self._stream = pyte.ByteStream(self.screen)
        self._rest = b""
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "nostr_client"],
            env=environment,
            dimensions=(24, 80),
            timeout=START,
        )
        self.child.logfile_read = self

    def write(self, data: bytes) -> None:
        self.written += data
        whole = self._rest + data
        begun = BEGUN.search(whole)
        self._rest = whole[begun.start() :] if begun else b""
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", whole[: begun.start()] if begun else whole))

    def flush(self) -> None:
        """For pexpect."""

    @property
    def lines(self) -> list[str]:
        """The screen; of a wide character that is painted over by half, the other half is gone."""
        columns = range(self.screen.columns)
        return ["".join(self.screen.buffer[y][x].data for x in columns) for y in range(24)]

    def wait_for(self, words: str, limit: float = START) -> None:
        """Wait until these words are on the screen: only what differs is written, so that they need
        not be drawn as a whole."""
        seen = re.compile(r"\s*".join(re.escape(word) for word in words.split()))
        end = time.monotonic() + limit
        while not seen.search("\n".join(self.lines)):
            try:
                self.child.read_nonblocking(65_536, timeout=max(end - time.monotonic(), 0.0))
            except pexpect.EOF:
                raise AssertionError(f"it ended: {self.written[-6000:].decode()}") from None
            except pexpect.TIMEOUT:
                shown = "\n".join(self.lines)
                raise AssertionError(f"{words!r} does not come:\n{shown}") from None

    def press(self, key: str) -> None:
        """Send a key, and wait until something is drawn for it."""
        with contextlib.suppress(pexpect.TIMEOUT):
            while True:
                self.child.read_nonblocking(65_536, timeout=0)
        self.child.send(key)
        self.child.expect(b".")

    def ended(self) -> int | None:
        """Wait for the end; the exit status, or minus the signal."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        if self.child.exitstatus is not None:
            return int(self.child.exitstatus)
        return -int(self.child.signalstatus or 0)


@pytest.fixture
def terminal(world: World) -> Iterator[Terminal]:
    """The client, started on the world's folders."""
    world.where.config.mkdir(parents=True)
    (world.where.config / "config.toml").write_text(CONFIG)
    asyncio.run(_furnish(world))
    started = Terminal(world.where.config.parent)
    yield started
    started.child.close(force=True)


async def _furnish(world: World) -> None:
    await world.put(
        world.follows("ana", "eve"),
        world.named("eve", f"eve{HOSTILE}"),
        world.note("eve", HOSTILE),
        world.note("eve", "fine", ago=30, tags=(("content-warning", HOSTILE),)),
    )
    await world.watched("ana")


def given_back(written: bytes) -> bool:
    """At the end: alternate screen left, cursor shown, mouse and paste reports off?"""
    return all(
        written.rfind(off) > written.rfind(on) >= 0
        for on, off in (
            (b"\x1b[?1049h", b"\x1b[?1049l"),
            (b"\x1b[?25l", b"\x1b[?25h"),
            (b"\x1b[?1000h", b"\x1b[?1000l"),
            (b"\x1b[?1003h", b"\x1b[?1003l"),
            (b"\x1b[?2004h", b"\x1b[?2004l"),
        )
    )


def test_nothing_from_a_note_reaches_the_terminal(terminal: Terminal) -> None:
    terminal.wait_for("after [@click=app.quit]x[/]")
    terminal.child.send("\x03")  # which ends nothing
    for keys in ("\r", "\x1b", "p", "\x1b", "s", "r", "4", "2", "1"):
        terminal.press(keys)
    terminal.child.send("\x11")
    assert terminal.ended() == 0
    written = bytes(terminal.written)
    assert b"31337" not in written
    assert set(re.findall(rb"\x1b\](\d+);", written)) <= {b"22"}, "the pointer's shape is Textual's"
    assert b"PWNED" not in written
    assert b"UFdORUQ" not in written
    assert b"\x1bP" not in written
    assert b"\x1bc" not in written
    assert not re.search(rb"\xc2[\x80-\x9f]", written), "no C1 control"
    assert "\u202e".encode() not in written
    assert written.count(b"\x1b[?1049l") == 1
    assert b"\x0e" not in written
    assert given_back(written)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_a_signal_gives_the_terminal_back(terminal: Terminal, number: signal.Signals) -> None:
    before = termios.tcgetattr(terminal.child.child_fd)
    terminal.wait_for("after [@click=app.quit]x[/]")
    assert termios.tcgetattr(terminal.child.child_fd) != before
    terminal.child.kill(number)
    assert terminal.ended() == 128 + number
    assert given_back(bytes(terminal.written))


def test_it_ends_when_its_terminal_is_gone(terminal: Terminal) -> None:
    terminal.wait_for("after [@click=app.quit]x[/]")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, terminal.child.child_fd)
    os.close(nowhere)
    wait_until(lambda: not terminal.child.isalive())


@pytest.mark.slow
def test_it_ends_when_its_terminal_is_gone_and_no_signal_says_so(writer: World) -> None:
    """The terminal of a process that does not lead the session of that terminal."""
    here, there = os.openpty()
    termios.tcsetwinsize(there, (24, 80))
    environment = {
        **os.environ,
        "NOSTR_CLIENT_HOME": str(writer.where.config.parent),
        "TERM": "xterm-256color",
    }
    client = subprocess.Popen(
        (sys.executable, "-m", "nostr_client"),
        env=environment,
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
    )
    os.close(there)
    terminal = fdpexpect.fdspawn(here, timeout=START)
    try:
        for words, keys in (
            ("Unlock", f"{PASSWORD}\r"),
            ("An older note.", "c"),
            ("New note", "half a thought"),
            ("draft kept", ""),
        ):
            terminal.expect(words.replace(" ", ".{1,80}?"))
            terminal.send(keys)
        terminal.close()
        assert client.wait(15) == 128 + signal.SIGHUP
    finally:
        client.kill()
        client.wait()
    assert [path for path in writer.where.data.glob("drafts/*/*") if path.is_file()]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="a shell that can stop and go on")
def test_ctrl_z_gives_the_terminal_to_the_shell_and_fg_takes_it_back(terminal: Terminal) -> None:
    terminal.wait_for("after [@click=app.quit]x[/]")
    terminal.child.send("\x11")
    assert terminal.ended() == 0
    environment = {**terminal.environment, "PS1": "shell: ", "HISTFILE": ""}
    shell = pexpect.spawn(
        "bash", ["--norc", "-i"], env=environment, dimensions=(24, 80), timeout=START
    )
    try:
        shell.expect_exact("shell: ")
        shell.sendline(f"{sys.executable} -m nostr_client")
        shell.expect_exact("app.quit")
        shell.send("\x1a")
        shell.expect_exact("Stopped")
        shell.expect_exact("shell: ")
        shell.sendline("fg")
        shell.expect_exact("\x1b[?1049h")
        shell.expect_exact("app.quit")
        shell.send("\x11")
        shell.expect_exact("\x1b[?1049l")
        shell.expect_exact("shell: ")
    finally:
        shell.close(force=True)


@pytest.fixture
def writer(world: World) -> World:
    """A full account, so that something can be written."""
    world.where.config.mkdir(parents=True)
    (world.where.config / "config.toml").write_text(CONFIG)
    asyncio.run(_with_account(world))
    return world


async def _with_account(world: World) -> None:
    await world.account("ana")
    await world.put(world.note("ana", "An older note."))


def unlocked(world: World, keys: str = f"{PASSWORD}\r") -> Terminal:
    terminal = Terminal(world.where.config.parent)
    terminal.wait_for("Unlock ana")
    terminal.child.send(keys)
    terminal.wait_for("An older note.")
    return terminal


async def notes_of(world: World) -> list[str]:
    async with open_store(world.where.data / "events.db") as store:
        return [event.content for event in await store.query([Filter.of(kinds=[1])])]


@pytest.mark.slow
def test_a_draft_survives_kill_9(writer: World) -> None:
    terminal = unlocked(writer)
    terminal.child.send("c")
    terminal.wait_for("New note")
    terminal.child.send("half a thought")
    terminal.wait_for("draft kept")
    terminal.child.kill(signal.SIGKILL)
    terminal.ended()
    assert PASSWORD.encode() not in terminal.written
    again = unlocked(writer)
    again.child.send("c")
    again.wait_for("half a thought")
    again.child.send("\x11")
    assert again.ended() == 0


def test_ctrl_s_sends_in_a_terminal_with_flow_control(writer: World) -> None:
    terminal = unlocked(writer)
    terminal.child.send("c")
    terminal.wait_for("New note")
    terminal.child.send("sent by ctrl+s\x13")
    terminal.wait_for("1 waiting")
    terminal.child.send("\x11")
    assert terminal.ended() == 0

    assert "sent by ctrl+s" in asyncio.run(notes_of(writer))
    assert not list(writer.where.data.glob("drafts/*/*")), "a sent note leaves no draft"


FOX = "The quick brown fox jumps over the lazy dog, and it was fine."


def fox_notes(world: World) -> list[str]:
    return sorted(text for text in asyncio.run(notes_of(world)) if FOX in text)


ESCAPE = "\x1b[27u"
"""The key as it can be told from the beginning of another one, however fast the next one comes."""


@pytest.mark.slow
def test_whatever_is_typed_or_pasted_comes_once_and_whole(writer: World) -> None:
    """Bracketed pastes and keys that come with them, in the fields of a real terminal."""
    terminal = unlocked(writer, f"\x1b[200~{PASSWORD}\x1b[201~\r")
    for number in range(6):
        terminal.child.send("c")
        terminal.wait_for("New note")
        terminal.child.send(f"{number} \x1b[200~{FOX}\x1b[201~ {FOX}\x13")
        terminal.wait_for("1 waiting")
    terminal.child.send("8a\x1b[200~ws://127.0.0.1:9/pasted/once\x1b[201~")
    terminal.wait_for("/pasted/once")
    terminal.child.send(ESCAPE)
    # What was drawn may be the word of the note before; one that is not kept yet stays a draft.
    wait_until(lambda: len(fox_notes(writer)) >= 6)
    terminal.child.send("\x11")
    assert terminal.ended() == 0
    assert b"once/pasted" not in terminal.written
    assert b"oncews:" not in terminal.written
    assert fox_notes(writer) == [f"{number} {FOX} {FOX}" for number in range(6)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder with 8 MiB in all."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", str(folder))
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(("umount", "-l", str(folder)), check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    filler = folder / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return filler


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a disk of Linux")
def test_on_a_full_disk_it_says_so_and_goes_on(small_disk: Path) -> None:
    world = world_in(small_disk)
    world.where.config.mkdir(parents=True)
    (world.where.config / "config.toml").write_text(CONFIG)
    asyncio.run(_with_account(world))
    terminal = unlocked(world)
    filler = fill(small_disk)
    terminal.child.send("c")
    terminal.wait_for("New note")
    terminal.child.send(FOX)
    terminal.wait_for("draft NOT kept")
    terminal.wait_for("the disk is full: make room on it")
    filler.unlink()
    terminal.wait_for("draft kept")
    terminal.child.send("\x13")
    terminal.wait_for("· now")  # the note stands in the list
    terminal.child.send("\x11")
    assert terminal.ended() == 0
    assert b"Traceback" not in terminal.written
    assert FOX in asyncio.run(notes_of(world))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a disk of Linux")
def test_commands_on_a_full_disk_say_one_line(small_disk: Path) -> None:
    (small_disk / "config").mkdir()
    (small_disk / "config" / "config.toml").write_text(CONFIG)
    filler = fill(small_disk)
    environment = {
        **os.environ,
        "NOSTR_CLIENT_HOME": str(small_disk),
        "NOSTR_CLIENT_PASSWORD": PASSWORD,
    }

    def run(*arguments: str) -> tuple[int, str]:
        ran = subprocess.run(
            (sys.executable, "-m", "nostr_client", *arguments),
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return ran.returncode, ran.stderr

    code, said = run("account", "create", "--name", "ana")
    assert code == 1
    assert said.count("\n") == 1
    assert "the disk is full: make room on it" in said
    filler.unlink()
    assert run("account", "create", "--name", "ana")[0] == 0
    fill(small_disk)
    for arguments in (("post", "hello"), ("account", "switch", "ana"), ("own-relay", "start")):
        code, said = run(*arguments)
        assert (code, said.count("\n")) == (1, 1), (arguments, said)
        assert "make room on it" in said
    assert run("account", "list") == (0, "")
