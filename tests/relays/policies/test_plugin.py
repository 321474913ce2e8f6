"""strfry's plugin protocol: what is asked and answered, and every way in which a plugin fails."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relays.policies import plugin as plugins
from relays.policies.plugin import Plugin, request
from relays.policies.verdict import IncomingEvent, SourceType
from tests.relays.talk import KEY, NOW, OTHER, note
from tests.waiting import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the plugins are scripts")

ECHO = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    content = asked["event"]["content"]
    answer = json.loads(content) if content.startswith("{") else {"action": "accept"}
    print(json.dumps({"id": asked["event"]["id"]} | answer), flush=True)
"""
"""Answers what the event's content says."""
NOT_ASKED = "error: this relay's policy cannot be asked now, try again later"


def script(folder: Path, text: str, name: str = "plugin.py") -> str:
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{text}")
    file.chmod(0o700)
    return f"./{name}"


def offer(content: str = "hello", **fields: object) -> IncomingEvent:
    return IncomingEvent(note(content), NOW, **fields)  # type: ignore[arg-type]


@asynccontextmanager
async def running(folder: Path, command: str, seconds: float = 10.0) -> AsyncIterator[Plugin]:
    made = Plugin(command, folder=str(folder), seconds=seconds)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(made.run())
        try:
            yield made
        finally:
            task.cancel()


def test_what_is_asked() -> None:
    offered = offer(address="203.0.113.1")
    asked = json.loads(request(offered))
    assert asked["event"] == json.loads(offered.event.json)
    del asked["event"]
    assert asked == {
        "type": "new",
        "receivedAt": NOW,
        "sourceType": "IP4",
        "sourceInfo": "203.0.113.1",
    }


@pytest.mark.parametrize(
    ("fields", "source"),
    [
        ({"address": "2001:db8::1"}, "IP6"),
        ({"source": SourceType.IMPORT}, "Import"),
        ({"source": SourceType.SYNC, "address": "wss://a.example"}, "Sync"),
        ({"source": SourceType.MIRROR, "address": "wss://a.example"}, "Stream"),
    ],
)
def test_where_it_comes_from(fields: dict[str, object], source: str) -> None:
    line = request(offer("two\nlines", **fields))
    assert json.loads(line)["sourceType"] == source
    assert line.count(b"\n") == 1


def test_who_has_authenticated() -> None:
    own, other = KEY.public_key.hex, OTHER.public_key.hex
    assert "authed" not in json.loads(request(offer()))
    for keys, authed in (({own, other}, own), ({other}, other)):
        asked = json.loads(request(offer(keys=frozenset(keys))))
        assert asked["authed"] == authed


async def test_answers(tmp_path: Path) -> None:
    unwanted = "blocked: this relay's policy does not take this event"
    expected = {
        "hello": "",
        '{"action": "accept", "msg": "so what", "more": 1}': "",
        '{"action": "reject", "msg": "pow: more"}': "pow: more",
        '{"action": "reject", "msg": "no"}': "blocked: no",
        '{"action": "reject", "msg": "a\\u001b[31mb"}': "blocked: ab",
        '{"action": "reject", "msg": ""}': unwanted,
        '{"action": "reject"}': unwanted,
        '{"action": "shadowReject", "msg": "secret"}': unwanted,
        '{"action": "dance"}': "error: this relay's policy gave no answer that could be read",
    }
    async with running(tmp_path, script(tmp_path, ECHO)) as plugin:
        verdicts = await asyncio.gather(
            *(plugin.check_async(offer(content)) for content in expected)
        )
    assert [verdict.reason for verdict in verdicts] == list(expected.values())
    assert [verdict.accepted for verdict in verdicts] == [not why for why in expected.values()]


async def test_many_are_asked_at_once_and_answered_in_any_order(tmp_path: Path) -> None:
    backwards = """
import json, sys
while True:
    ids = [json.loads(sys.stdin.readline())["event"]["id"] for _ in range(50)]
    for number, id in enumerate(reversed(ids)):
        print(json.dumps({"id": id, "action": "reject", "msg": "number %d" % number}), flush=True)
"""
    async with running(tmp_path, script(tmp_path, backwards)) as plugin:
        verdicts = await asyncio.gather(*(plugin.check_async(offer(f"n {n}")) for n in range(1000)))
    assert [verdict.reason for verdict in verdicts] == [
        f"blocked: number {49 - number % 50}" for number in range(1000)
    ]


async def test_lines_that_are_no_answer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    chatty = """
import json, sys
for line in sys.stdin:
    print("hello \\x1b[31mred")
    print('{"id": 5, "action": "accept"}')
    print(json.dumps({"id": "00" * 32, "action": "accept"}))
    print("to the \\x1b]0;log", file=sys.stderr, flush=True)
    print(json.dumps({"id": json.loads(line)["event"]["id"], "action": "accept"}), flush=True)
"""
    async with running(tmp_path, script(tmp_path, chatty)) as plugin:
        assert (await plugin.check_async(offer())).accepted
        await until(lambda: "says: to the" in caplog.text)
    assert "no answer: hello red" in caplog.text
    assert "an answer to nothing" in caplog.text
    assert "\x1b" not in caplog.text


async def test_a_flood_of_words_does_not_fill_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    text = ECHO + "\nsys.stderr.write('x' * 500_000 + 'flood\\n' * 50_000)\n"
    flood = text.replace("for line", "sys.stderr.write('flood\\n' * 50_000)\nfor line")
    async with running(tmp_path, script(tmp_path, flood)) as plugin:
        assert (await plugin.check_async(offer())).accepted
    assert 0 < caplog.text.count("flood") < 500


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "FIRST_REST", 0.01)
    monkeypatch.setattr(plugins, "LONGEST_REST", 0.05)


async def works_again(plugin: Plugin) -> None:
    async def accepts() -> bool:
        verdict = await plugin.check_async(offer())
        assert verdict.accepted or verdict.reason == NOT_ASKED
        return verdict.accepted

    await until(accepts)


ONCE = """
import json, os, pathlib, sys, time
first = not pathlib.Path("ran").exists()
pathlib.Path("ran").touch()
if first:
    sys.stdin.readline()
    {}
"""


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("os._exit(3)", "it has ended"),
        ("time.sleep(100)", "it said nothing for 0.5 seconds"),
        ("print('x' * 200_000, flush=True); time.sleep(100)", "a line of more than"),
        ("os.close(1); os.close(2); time.sleep(100)", "it "),
    ],
)
@pytest.mark.usefixtures("impatient")
async def test_one_that_fails_is_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, deed: str, words: str
) -> None:
    command = script(tmp_path, ONCE.format(deed) + ECHO)
    silent = deed.startswith(("time.sleep", "os.close"))
    async with running(tmp_path, command, seconds=0.5 if silent else 30) as plugin:
        await until((tmp_path / "ran").exists)
        verdicts = await asyncio.gather(*(plugin.check_async(offer(f"n {n}")) for n in range(5)))
        assert {verdict.reason for verdict in verdicts} == {NOT_ASKED}
        plugin.seconds = 10
        await works_again(plugin)
    assert words in caplog.text


SKIPS = """
import json, sys
for line in sys.stdin:
    event = json.loads(line)["event"]
    if event["content"] != "skip":
        print(json.dumps({"id": event["id"], "action": "accept"}), flush=True)
"""
LOST = "error: this relay's policy did not answer in time, try again later"


async def test_an_event_that_is_passed_over_is_lost_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugins, "_LOOK", 0.02)
    async with running(tmp_path, script(tmp_path, SKIPS), seconds=60) as plugin:
        skipped = [asyncio.create_task(plugin.check_async(offer("skip"))) for _ in range(3)]
        others = await asyncio.gather(*(plugin.check_async(offer(f"n {n}")) for n in range(300)))
        assert all(verdict.accepted for verdict in others)
        plugin.seconds = 0.05
        assert {verdict.reason for verdict in await asyncio.gather(*skipped)} == {LOST}
        plugin.seconds = 60
        assert (await plugin.check_async(offer("after"))).accepted
    assert "said nothing" not in caplog.text
    assert not plugin._asked


async def test_one_asked_alone_and_passed_over_is_no_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugins, "_LOOK", 0.02)
    async with running(tmp_path, script(tmp_path, SKIPS), seconds=60) as plugin:
        for _ in range(3):  # what is answered in between says that it is well
            asked = asyncio.create_task(plugin.check_async(offer("skip")))
            await until(lambda: bool(plugin._ahead))
            plugin.seconds = 0.05
            assert (await asked).reason == LOST
            plugin.seconds = 60
            assert (await plugin.check_async(offer())).accepted
        assert "said nothing" not in caplog.text
        plugin.seconds = 0.05
        reasons = [(await plugin.check_async(offer("skip"))).reason for _ in range(3)]
        assert reasons == [LOST, LOST, NOT_ASKED]
        await until(lambda: "said nothing" in caplog.text)


async def test_one_that_cannot_be_started_lets_nothing_pass(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path, "./nothing-here.sh") as plugin:
        assert (await plugin.check_async(offer())).reason == NOT_ASKED
    async with running(tmp_path / "no-folder", "true") as plugin:
        await until(lambda: "could not be started" in caplog.text)
        assert (await plugin.check_async(offer())).reason == NOT_ASKED


async def test_who_waits_too_long_in_all_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "PATIENCE", 0.2)
    async with running(tmp_path, "cat > /dev/null", seconds=60) as plugin:
        verdict = await plugin.check_async(offer())
    assert verdict.reason.startswith("error: this relay's policy did not answer in time")
    assert not plugin._asked


async def test_a_changed_file_is_started_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugins, "_LOOK", 0.02)
    command = script(tmp_path, ECHO)
    async with running(tmp_path, command) as plugin:
        assert (await plugin.check_async(offer())).accepted
        script(tmp_path, ECHO.replace('"action": "accept"', '"action": "reject", "msg": "new"'))

        async def is_new() -> bool:
            return (await plugin.check_async(offer())).reason == "blocked: new"

        await until(is_new)


async def test_commands_of_the_shell_and_what_they_start_end(tmp_path: Path) -> None:
    """A plugin ends with all it started, and knows nothing of our secrets."""
    script(tmp_path, ECHO)
    command = f"sleep 300 & echo $! > pid; env > env; exec {sys.executable} plugin.py"
    os.environ["NOSTR_CLIENT_PASSWORD"] = "hidden"
    try:
        async with running(tmp_path, command) as plugin:
            assert (await plugin.check_async(offer())).accepted
            child = int((tmp_path / "pid").read_text())
            os.kill(child, 0)
    finally:
        del os.environ["NOSTR_CLIENT_PASSWORD"]
    assert "hidden" not in (tmp_path / "env").read_text()

    def is_gone() -> bool:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{child}/stat").read_text().split()[2] == "Z"
        return True

    await until(is_gone)


async def test_ending_is_quiet(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with running(tmp_path, script(tmp_path, ECHO)) as plugin:
        waiting = asyncio.create_task(plugin.check_async(offer('{"action": "accept"}')))
        assert (await waiting).accepted
    assert not caplog.records
