"""Bots: each request is answered once, whatever happens, and no talk goes on for ever."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from nostr_client.bots import Bot, BotRequest, RateLimit, timetable, work
from nostr_client.bots import memory as memory_module
from nostr_client.bots.memory import LATE, MOST_DONE, BotMemory
from nostr_client.bots.rates import BotRates
from nostr_client.bots.requests import BY_A_BOT, command_of, is_by_a_bot, parent_of
from nostr_client.client import NostrClient
from nostr_client.config import ClientConfig
from nostr_client.errors import ConfigError, FolderInUse
from nostr_client.nips import nip10, nip19
from nostr_client.paths import Paths, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from tests.loopback import loopback_only
from tests.routing.moody import Relay
from tests.waiting import until

__all__ = ["loopback_only"]

BOT, ANA, OTHER = (SecretKey.from_hex(digit * 64) for digit in "123")
ME = BOT.public_key.hex
NPUB = nip19.encode_npub(ME)
LOOPBACK = ClientConfig(allow_private_relays=("127.0.0.1",), own_relay=False)


def note(
    text: str, key: SecretKey = ANA, *, to: Event | None = None, ago: float = 0, **more: Any
) -> Event:
    at = int(time.time() - ago)
    tags = more.get("tags", (("p", ME),)) + (nip10.reply_tags(to) if to else ())
    return Draft(1, text, tags).sign(key, at)


def simple_bot(**options: Any) -> Bot:
    bot = Bot("simple", **options)

    @bot.command("say", "says it")
    async def say(request: BotRequest) -> str:
        return f"said {request.text}"

    @bot.command("fail")
    async def fail(request: BotRequest) -> str:
        raise KeyError("a fault")

    @bot.command("count")
    async def count(request: BotRequest) -> str:
        return 5  # type: ignore[return-value]

    @bot.command("post")
    async def post(request: BotRequest) -> None:
        await request.client.post(request.text)

    @bot.mention
    async def greet(request: BotRequest) -> str:
        return "hello"

    @bot.message
    async def whisper(request: BotRequest) -> str:
        assert request.is_private
        return "psst"

    return bot


def folders(path: Path) -> Paths:
    return Paths(path / "config", path / "data", path / "state")


@asynccontextmanager
async def serving(
    path: Path, relay: Relay, bot: Bot, key: SecretKey = BOT, **options: Any
) -> AsyncIterator[NostrClient]:
    async with NostrClient.open(
        key, relays=[relay.url], paths=folders(path), config=LOOPBACK, key_only_here=True
    ) as client:
        task = asyncio.create_task(bot.serve(client, **options))
        try:
            await until(
                lambda: task.done() or any(one.tags.get("p") for one in relay.listened if one.tags)
            )
            yield client
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def answers(relay: Relay, to: Event, by: str = ME) -> list[str]:
    return [
        event.content
        for event in relay.held
        if event.pubkey == by and event.kind == 1 and parent_of(event).id == to.id
    ]


async def answered(relay: Relay, event: Event) -> list[str]:
    await relay.tell(event)
    return await until(lambda: answers(relay, event))  # type: ignore[no-any-return]


async def test_commands_and_mentions(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with Relay() as relay, serving(tmp_path, relay, simple_bot()):
        first = note(f"nostr:{NPUB} /say good morning")
        assert await answered(relay, first) == ["said good morning"]
        assert is_by_a_bot(next(e for e in relay.held if e.content == "said good morning").tags)
        hint = note("/HELP")
        assert await answered(relay, hint) == [
            "/help  this list\n/say  says it\n/fail\n/count\n/post"
        ]
        mention = note(f"what about nostr:{NPUB}?")
        assert await answered(relay, mention) == ["hello"]
        ours = next(event for event in relay.held if event.content == "hello")
        assert await answered(relay, note("thanks", to=ours)) == ["hello"]
        # What is not for it, what fails, and what another bot writes, is not answered.
        passed_over = [
            note("a person to another in the thread", OTHER, to=mention),
            note("/fail"),
            note("/count"),
            note("/say no", tags=(("p", ME), *BY_A_BOT)),
        ]
        for event in passed_over:
            await relay.tell(event)
        assert await answered(relay, note("/say last")) == ["said last"]
        assert not [event for event in passed_over if answers(relay, event)]
        assert "TypeError: a handler gives a text or None, and not a int" in caplog.text
        profile = next(e for e in relay.held if e.kind == 0 and e.pubkey == ME)
        assert json.loads(profile.content) == {"bot": True}


async def test_what_a_stranger_has_echoed_ends_no_bot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A secret key, which the signer refuses: in an answer, by the handler itself, at a time."""
    nsec = nip19.encode_nsec(OTHER)
    bot = simple_bot()
    closed: list[str] = []
    close = BotMemory.close

    async def noted(self: BotMemory, id: str, *times: Any, **how: Any) -> None:
        await close(self, id, *times, **how)
        closed.append(id)

    monkeypatch.setattr(BotMemory, "close", noted)

    @bot.every(hours=1)
    async def headline(client: NostrClient) -> str:
        return f"Somebody says {nsec}"

    async with Relay() as relay, serving(tmp_path, relay, bot):
        bad = [note(f"/{command} {nsec}") for command in ("say", "post")]
        for event in bad:
            await relay.tell(event)
        await until(lambda: {event.id for event in bad} <= set(closed))
        assert await answered(relay, note("/say on")) == ["said on"]
        await until(lambda: caplog.text.count("was not sent") == 2)
    assert caplog.text.count("a handler failed") == 1
    assert nsec not in caplog.text


async def test_a_restart_answers_what_came_meanwhile_and_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = simple_bot(max_age=3600.0)
    async with Relay() as relay:
        before = note("/say before anything", ago=60)
        relay.keep(before)
        async with serving(tmp_path, relay, bot):
            done = note("/say once")
            assert await answered(relay, done) == ["said once"]
        # It is killed after it answered, before it noted so: the answer itself is on disk.
        crashed = note("/say crash")

        reached = asyncio.Event()

        close = BotMemory.close

        async def crash(self: BotMemory, id: str, *times: Any, **how: Any) -> None:
            if id == crashed.id:
                reached.set()
                await asyncio.Event().wait()
            await close(self, id, *times, **how)

        with monkeypatch.context() as patch:
            patch.setattr(BotMemory, "close", crash)
            async with serving(tmp_path, relay, bot):
                await answered(relay, crashed)
                await reached.wait()
        missed, old = note("/say missed"), note("/say old", ago=7200)
        relay.keep(missed)
        relay.keep(old)
        async with serving(tmp_path, relay, bot):
            await until(lambda: answers(relay, missed))
            assert await answered(relay, note("/say end")) == ["said end"]
        assert answers(relay, missed) == ["said missed"]
        assert answers(relay, done) == ["said once"]
        assert answers(relay, crashed) == ["said crash"]
        assert not answers(relay, old)
        assert not answers(relay, before)


async def test_two_bots_that_answer_each_other_come_to_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where neither says that it is one: a thread has a budget."""
    monkeypatch.setattr(work, "BY_A_BOT", ())

    async def is_bot(*_: object) -> bool:
        return False

    monkeypatch.setattr(work.BotWork, "_is_bot", is_bot)
    bots = [simple_bot(thread_budget=3), Bot("second", thread_budget=3)]

    @bots[1].mention
    async def echo(request: BotRequest) -> str:
        return f"you said {request.text}"

    async with (
        Relay() as relay,
        serving(tmp_path / "one", relay, bots[0]),
        serving(tmp_path / "two", relay, bots[1], OTHER),
    ):
        begun = note("hello", OTHER)
        await relay.tell(begun)
        await until(lambda: sum(e.kind == 1 for e in relay.held) == 7)
        assert await answered(relay, note("/say another thread")) == ["said another thread"]
        assert sum(e.kind == 1 for e in relay.held) == 9


async def test_private_messages(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bot = simple_bot()

    @bot.command("long")
    async def long(request: BotRequest) -> str:
        return "more than can be encrypted" * 10_000

    async with Relay() as relay, serving(tmp_path / "bot", relay, bot) as client:
        await client.messages.set_relays([relay.url])
        async with NostrClient.open(
            ANA,
            relays=[relay.url],
            paths=folders(tmp_path / "ana"),
            config=LOOPBACK,
            key_only_here=True,
        ) as ana:
            await ana.messages.set_relays([relay.url])
            ana.messages.start()
            await ana.messages.send([ME], "/long")
            await ana.messages.send([ME], "/say it")
            await ana.messages.send([ME], "anything")

            async def heard() -> list[str] | None:
                found = await ana.messages.messages([ME])
                texts = sorted(one.text for one in found if one.author == ME)
                return texts if len(texts) == 2 else None

            assert await until(heard) == ["psst", "said it"]
            assert caplog.text.count("was not sent") == 1
            (file,) = (client.paths.data / "bots").glob("*.json")
            await until(lambda: len(file.read_bytes().splitlines()) == 1 + 3)  # all are closed


async def test_what_is_done_at_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "LOOK", 0.01)
    begun = time.time()
    now = [begun]
    bot = Bot("timed")

    @bot.every(hours=1)
    async def hourly(client: NostrClient) -> str:
        return f"it is {now[0] - begun:.0f}"

    def posted(relay: Relay) -> list[str]:
        return [event.content for event in relay.held if event.kind == 1]

    async with Relay() as relay:
        for hours, expected in ((0, 1), (0.5, 1), (1, 2), (9, 3)):
            now[0] = begun + hours * 3600
            async with serving(tmp_path, relay, bot, clock=lambda: now[0]):
                await until(lambda count=expected: len(posted(relay)) == count)  # type: ignore[misc]
        assert posted(relay) == ["it is 0", "it is 3600", "it is 32400"]


async def test_one_of_a_name_serves_at_a_time(tmp_path: Path) -> None:
    bot = simple_bot()
    async with Relay() as relay, serving(tmp_path, relay, bot) as client:
        with pytest.raises(FolderInUse):
            await bot.serve(client)
    async with NostrClient.open(pubkey=ME, relays=[], paths=folders(tmp_path / "w")) as watching:
        with pytest.raises(ConfigError, match="only watches"):
            await bot.serve(watching)
    with pytest.raises(ConfigError, match="name"):
        Bot("../elsewhere")


def test_what_cannot_be_told_apart_is_refused_where_it_is_written() -> None:
    bot = simple_bot()

    async def handler(request: BotRequest) -> None: ...

    async def deed(client: NostrClient) -> None: ...

    for name in ("say", "SAY", "", "two words", "/say", "x" * 41):
        with pytest.raises(ValueError, match=r"already|a command is a word"):
            bot.command(name)
    bot.command("help", "another list")(handler)
    for taken in (bot.mention, bot.message):
        with pytest.raises(ValueError, match="already"):
            taken(handler)
    bot.every(hours=1)(deed)
    with pytest.raises(ValueError, match="a name of its own"):
        bot.daily("08:30")(deed)


def test_the_timetable() -> None:
    def at(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    due = timetable.daily("08:30")
    assert due(None, at("2024-05-01 07:00")) == at("2024-05-01 08:30")
    assert due(None, at("2024-05-01 09:00")) == at("2024-05-02 08:30")
    assert due(at("2024-05-01 08:30"), at("2024-05-01 12:00")) == at("2024-05-02 08:30")
    assert due(at("2024-04-20 08:30"), at("2024-05-01 07:00")) == at("2024-04-30 08:30")
    east = timetable.daily("08:30", timezone(timedelta(hours=2)))
    assert east(None, at("2024-05-01 06:00")) == at("2024-05-01 06:30")
    often = timetable.every(60)
    assert often(None, 1000.0) == 1000.0
    assert often(990.0, 1000.0) == 1050.0
    assert often(5000.0, 1000.0) == 1060.0  # the clock was set back
    for wrong in ("8:30", "24:00", "noon"):
        with pytest.raises(ConfigError):
            timetable.daily(wrong)
    with pytest.raises(ConfigError):
        timetable.every(0)


def test_rates() -> None:
    rates = BotRates(RateLimit(2, 60.0), RateLimit(3, 60.0))
    assert [rates.take("ana", 0.0), rates.take("ana", 1.0), rates.take("ana", 2.0)] == [
        *(True, True, False)
    ]
    assert rates.take("ben", 3.0)
    assert not rates.take("carl", 4.0)
    assert rates.take("ana", 61.5)


async def test_memory_is_bounded_and_survives(tmp_path: Path) -> None:
    file = tmp_path / "bots" / "bot.json"
    memory = await BotMemory.open(file, 1000.0, 500.0)
    assert not memory.is_open("early", 999, 1000.0)
    await memory.close("a", 1001, 1001.0)
    again = await BotMemory.open(file, 1200.0, 500.0)
    assert not again.is_open("a", 1001, 1200.0)
    assert again.is_open("b", 1001, 1200.0)
    assert not again.is_open("b", 1001, 1600.0)  # too old by then
    assert [again.spend("thread", 2, 0.0) for _ in range(3)] == [True, True, False]
    assert again.spend("thread", 2, 86_400.0)
    assert again.is_open("a little ahead", 1200 + LATE, 1200.0)
    assert not again.is_open("ahead", 1201 + LATE, 1200.0)
    again._kept.done = {str(number): 1000 + number for number in range(MOST_DONE)}
    await again.close("more", 1000 + MOST_DONE, 1000.0 + MOST_DONE)
    assert len(again._kept.done) <= MOST_DONE // 2 + 1
    assert not again.is_open("early again", 1500, 1500.0)
    file.write_bytes(b'{"since": ')
    anew = await BotMemory.open(file, 3000.0, 500.0)
    assert anew.since(3000.0) == 3000


async def test_dates_ahead_do_not_silence_a_bot(tmp_path: Path) -> None:
    file = tmp_path / "bot.json"
    memory = await BotMemory.open(file, 1000.0, 500.0)
    memory._kept.done = {str(number): 1000 for number in range(MOST_DONE)}
    for number in range(3):
        memory._kept.done |= {f"{number} {n}": 1000 for n in range(MOST_DONE)}
        await memory.close(f"ahead {number}", 9000, 1100.0)
    assert memory.since(1100.0) <= 1101
    # Nor those that an earlier version believed.
    file.write_text('{"since": 90000, "done": {"a": 90000}}')
    memory = await BotMemory.open(file, 2000.0, 500.0)
    assert memory.since(2000.0) == 2000
    assert not memory.is_open("a", 2000, 2000.0)
    assert set(memory._kept.done.values()) == {2000}


async def test_a_request_more_is_a_line_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[int] = []

    def noted(path: Path, data: bytes) -> None:
        whole.append(len(data))
        write_private(path, data)

    monkeypatch.setattr(memory_module, "write_private", noted)
    monkeypatch.setattr(memory_module, "MOST_LINES", 10)
    file = tmp_path / "bot.json"
    memory = await BotMemory.open(file, 1000.0, 500.0)
    for number in range(32):
        assert memory.spend("thread", 40, 1000.0)
        await memory.close(str(number), 1000, 1000.0, durably=number < 2)
    assert len(whole) == 1 + 2
    with file.open("ab") as damaged:
        damaged.write(b'\n["cut sho')
    again = await BotMemory.open(file, 1000.0, 500.0)
    assert set(again._kept.done) == {str(number) for number in range(32)}
    assert not again.spend("thread", 32, 1000.0)
    assert again.spend("thread", 33, 1000.0)


def test_commands_are_read() -> None:
    for text, expected in {
        "/say it": ("say", "it"),
        f"nostr:{NPUB} /SAY  it ": ("say", "it"),
        f"{NPUB}, @bot: /say": ("say", ""),
        "say it": ("", "say it"),
        "/": ("", "/"),
        "": ("", ""),
    }.items():
        assert command_of(text, "/") == expected
    begun = time.thread_time()
    assert command_of("@a " * 350_000 + "/say it", "/") == ("say", "it")
    assert time.thread_time() - begun < 2
    assert is_by_a_bot(BY_A_BOT)
    assert not is_by_a_bot((("l", "robot"), ("l",), ("t", "bot")))
    assert kinds.NOTE == 1
