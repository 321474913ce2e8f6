"""The plain face: the same names, made from the asynchronous ones, and waited for here."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import nostr_client
from nostr_client import blocking
from nostr_client.blocking import faces, loop_thread
from nostr_client.blocking.faces import OpenedBy, is_asynchronous, opens, plain_class
from nostr_client.blocking.stubs import FILE, Stubs
from nostr_client.config import ClientConfig
from nostr_client.errors import InvalidCode, StoreError
from nostr_client.paths import Paths
from nostr_client.protocol.filters import Filter
from nostr_client.protocol.keys import SecretKey
from nostr_client.tasks import OwnedTasks
from tests.waiting import wait_until

KEY = SecretKey.from_hex("1" * 64)
ASYNCHRONOUS = [
    name
    for name in nostr_client.__all__
    if inspect.isclass(getattr(nostr_client, name)) and is_asynchronous(getattr(nostr_client, name))
]
NOTES = Filter.of(kinds=[1])


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Any]:
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    settings = ClientConfig(own_relay=False)
    with blocking.NostrClient.open(KEY, relays=[], paths=where, config=settings) as opened:
        yield opened


# Both are one


def test_every_name_is_there() -> None:
    assert set(blocking.__all__) == {*nostr_client.__all__, "OpenedBy"}
    assert set(ASYNCHRONOUS) >= {"NostrClient", "RelayPool", "Accounts", "LocalSigner"}
    for name in blocking.__all__:
        assert getattr(blocking, name) is not None
        assert name in dir(blocking)
    for name in {*nostr_client.__all__} - {*ASYNCHRONOUS}:
        value = getattr(nostr_client, name)
        if not (inspect.iscoroutinefunction(value) or opens(value)):
            assert getattr(blocking, name) is value
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = blocking.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ASYNCHRONOUS)
def test_both_faces_are_equal(name: str) -> None:
    there, here = getattr(nostr_client, name), getattr(blocking, name)
    assert here.__doc__ == there.__doc__
    public = [one for one in dir(there) if not one.startswith("_")]
    more = ["close"] if faces.closes(there) else []
    assert [one for one in dir(here) if not one.startswith("_")] == sorted(public + more)
    for one in public:
        model, plain = (inspect.getattr_static(kind, one) for kind in (there, here))
        if isinstance(model, classmethod | staticmethod) or inspect.isfunction(model):
            model, plain = getattr(there, one), getattr(here, one)
            assert plain.__doc__ == model.__doc__
            assert plain.__name__ == model.__name__
            parameters = inspect.signature(model).parameters
            assert inspect.signature(plain).parameters == parameters
            assert "Async" not in str(inspect.signature(plain).return_annotation)
            assert not inspect.iscoroutinefunction(plain)
            assert not inspect.isasyncgenfunction(plain)
    assert hasattr(here, "__enter__") == hasattr(there, "__aenter__")
    assert hasattr(here, "__iter__") == hasattr(there, "__aiter__")


@pytest.mark.slow  # it loads every room there is
def test_type_checkers_know_all_of_it() -> None:
    assert FILE.read_text("utf-8") == Stubs().text(), "run `make stubs`"


# At work


def test_what_was_awaited_is_waited_for(client: Any) -> None:
    assert isinstance(client, blocking.NostrClient)
    assert client.pubkey == KEY.public_key.hex
    posted = client.post("hi")
    assert list(client.fetch(NOTES)) == [posted.event]
    assert client.notes == client.notes
    assert hash(client.store) == hash(client.store)
    assert "NostrClient" in repr(client)
    feed = client.feed(Filter.of(kinds=[1], since=0))
    assert next(feed) == posted.event
    reply = client.reply(posted.id, "yes")
    assert next(feed) == reply.event
    feed.close()
    assert next(feed, None) is None
    with client.store.watch([NOTES]) as watch:
        again = client.post("again")
        assert next(watch) == again.event
    with pytest.raises(InvalidCode):
        client.reply("nonsense", "")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = client.nonsense
    client.consent = consent = lambda *_: True
    assert client.consent is consent


def test_an_iterator_says_at_its_end_what_was_missed(client: Any) -> None:
    history = client.history(NOTES, relays=[])
    assert list(history) == []
    assert history.missed == {}
    assert history.complete


async def test_where_a_loop_runs_already_as_in_a_notebook(tmp_path: Path) -> None:
    where = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    signer = blocking.LocalSigner(KEY)
    opened = blocking.NostrClient.open(signer, relays=[], paths=where)
    client = opened.start()
    try:
        assert client.post("from a cell").event.verify()
        assert signer.pubkey == KEY.public_key.hex
    finally:
        opened.close()
    opened.close()


def test_a_callback_cannot_wait(client: Any) -> None:
    problems = []

    def call(*_: object) -> bool:
        try:
            client.post("from a callback")
        except RuntimeError as error:
            problems.append(error)
        return True

    faces._thread.run(_called(call))
    assert "callback" in str(problems[0])


async def _called(call: Any) -> None:
    call()


class Hangs:
    """Never closes."""

    async def __aenter__(self) -> str:
        return "open"

    async def __aexit__(self, *_: object) -> None:
        await asyncio.Event().wait()


def test_closing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces, "CLOSE_LIMIT", 0.01)
    opened = OpenedBy(Hangs())
    assert opened.start() == "open"
    with pytest.raises(TimeoutError, match=r"Hangs did not close in 0\.01 s"):
        opened.close()
    with pytest.raises(TimeoutError) as late, OpenedBy(Hangs()):
        raise KeyError("mine")
    assert isinstance(late.value.__cause__, KeyError)


def test_errors_are_what_they_are() -> None:
    seen: list[object] = []

    @asynccontextmanager
    async def opened(fails: bool) -> AsyncIterator[int]:
        async with OwnedTasks() as tasks:
            if fails:
                tasks.start(_fail())
            try:
                yield 1
            finally:
                seen.append(sys.exception())

    with pytest.raises(KeyError), OpenedBy(opened(False)):
        raise KeyError("mine")
    assert isinstance(seen.pop(), KeyError)
    # Work in the background that fails is said when it is left, as it is in a block of its own.
    failing = OpenedBy(opened(True))
    failing.start()
    faces._thread.run(asyncio.sleep(0.01))
    with pytest.raises(StoreError, match="full"):
        failing.close()


async def _fail() -> None:
    raise StoreError("the disk is full")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_what_is_waited_for() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def forever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    main = threading.main_thread().ident
    assert main is not None
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        begun.wait(60)
        signal.pthread_kill(main, signal.SIGINT)

    helper = threading.Thread(target=interrupt)
    helper.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            faces._thread.run(forever())
    finally:
        helper.join()
        signal.signal(signal.SIGINT, before)
    assert ended.is_set()


def test_a_ctrl_c_just_before_a_wait_is_seen_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float | None] = []
    wait = loop_thread.futures.wait

    def noted(these: Any, limit: float | None = None) -> Any:
        limits.append(limit)
        return wait(these, limit)

    monkeypatch.setattr(loop_thread.futures, "wait", noted)
    faces._thread.run(asyncio.sleep(0.01))
    assert limits
    assert all(limit is not None and limit <= 1 for limit in limits)


# Forgotten


@asynccontextmanager
async def noting(closed: list[str]) -> AsyncIterator[int]:
    try:
        yield 1
    finally:
        closed.append("closed")


def test_what_is_forgotten_is_closed_with_a_warning() -> None:
    closed: list[str] = []
    opened = OpenedBy(noting(closed), "Note")
    opened.start()
    with pytest.warns(ResourceWarning, match="Note was never closed"):
        del opened
    wait_until(lambda: closed)


def test_what_is_open_at_the_end_is_closed_with_a_warning() -> None:
    closed: list[str] = []
    thread = loop_thread.LoopThread()
    thread.run(asyncio.sleep(0))
    opened = OpenedBy(noting(closed), "Note")
    opened.start()
    with pytest.warns(ResourceWarning, match="Note was never closed"):
        faces._close_all()
    assert closed
    thread.end()
    assert not any(one.name == "nostr-client" and one is thread._thread for one in _alive())
    thread.end()


def _alive() -> list[threading.Thread]:
    return threading.enumerate()


OPENS = """
import os, sys
from nostr_client.blocking import NostrClient, SecretKey
def run():
    client = NostrClient.open(SecretKey.generate(), relays=[]).start()
    print(client.post("hi").event.content, flush=True)
    return client
"""
NEVER_CLOSED = "nostr_client.blocking:0: ResourceWarning: NostrClient.open was never closed\n"


def ended(program: str, home: Path, *, code: int = 0) -> str:
    """What a program says on standard error that opens a client, and then does this."""
    done = subprocess.run(
        [sys.executable, "-W", "always::ResourceWarning", "-c", OPENS + program],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"NOSTR_CLIENT_HOME": str(home)},
    )
    assert done.stdout.startswith("hi\n"), done.stderr
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("client = run()", 0, ""),
        ("run()", 0, ""),
        ("client = run()\nfeed = client.feed()\nsys.exit(4)", 4, ""),
        ("client = run()\nraise KeyError('mine')", 1, "KeyError: 'mine'\n"),
        ("client = run()\nraise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt\n"),
    ],
)
def test_a_program_that_never_closes_is_told_so_in_one_line(
    tmp_path: Path, program: str, code: int, said: str
) -> None:
    words = ended(program, tmp_path, code=code)
    assert words.endswith(said + NEVER_CLOSED)
    assert words.count("Traceback") == bool(said)
    assert words.count("\n") <= 6


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_leaves_the_client_to_its_parent(tmp_path: Path) -> None:
    program = """
client = run()
if os.fork() == 0:
    try:
        client.post("from the child")
    except RuntimeError as error:
        print(error, flush=True)
    with NostrClient.open(SecretKey.generate(), relays=[]) as other:
        print(other.post("its own").event.content, flush=True)
    sys.exit(3)
assert os.wait()[1] >> 8 == 3
print(client.post("from the parent").event.content)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OPENS + program],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={"NOSTR_CLIENT_HOME": str(tmp_path)},
    )
    assert done.stderr == ""
    assert [line[:23] for line in done.stdout.splitlines()] == [
        "hi",
        "this NostrClient is of ",
        "its own",
        "from the parent",
    ]


def test_classes_are_made_once() -> None:
    assert plain_class(nostr_client.NostrClient) is blocking.NostrClient
