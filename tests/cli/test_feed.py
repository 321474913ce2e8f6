"""`feed` and `thread`: what others write, also when they mean harm."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
import time

import pytest

from nostr_client.cli.context import MEANWHILE_LIMIT, ClientContext
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.resilience.replication import Replication
from tests.cli.conftest import DEAD, Home
from tests.cli.test_notes import put
from tests.conftest import StartRelay
from tests.routing.moody import Relay

HOSTILE = (
    "\x1b]0;title\x07\x1b[2J\x1b[31mred\x9b31m \x1bPdcs\x1b\\ \x90dcs\x9c \r overwritten "
    "\u202egnitirw\u202c \u2028line [@click=app.quit]x[/] \ud7ff \u0085nel \x08\x08back"
)
_harmful = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


async def test_the_feed_shows_whom_i_follow(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    author = SecretKey.generate()
    profile = json.dumps({"name": "ben\x1b[31m", "about": HOSTILE})
    await put(relay.url, Draft(0, profile), author)
    first = await put(relay.url, Draft(1, "first", created_at=1_700_000_001), author)
    second = await put(relay.url, Draft(1, HOSTILE, created_at=1_700_000_002), author)
    npub = nip19.encode_npub(author.public_key.hex)
    followed = await home.run("follow", npub, "--start-empty")
    assert followed.code == 0, followed.err
    again = await home.run("follow", npub, "--json")
    assert again.record["changed"] is False

    plain = await home.run("feed")
    assert plain.code == 0, plain.err
    assert _harmful.sub("", plain.out) == plain.out
    assert "first" in plain.out
    assert "[@click=app.quit]x[/]" in plain.out
    assert nip19.encode_note(second) in plain.out
    assert plain.out.index("first") < plain.out.index("red")

    me = (("p", key.public_key.hex),)
    said = await put(relay.url, Draft(24, HOSTILE, me, created_at=1_700_000_003), author)
    await put(relay.url, Draft(1, HOSTILE, me, created_at=1_700_000_004), SecretKey.generate())
    heard = await home.run("notifications", "--json")
    assert [(each["sort"], each["stranger"]) for each in heard.records] == [
        ("message", False),
        ("mention", True),
    ]
    assert heard.records[0]["event"] == said
    assert heard.records[0]["people"] == [author.public_key.hex]
    plain = await home.run("notifications", "--offline", "--tab", "mentions", "--limit", "1")
    assert _harmful.sub("", plain.out) == plain.out
    assert "nobody you know follows them" in plain.out
    assert (await home.run("notifications", "--offline", "--tab", "zaps")).code == Exit.NOT_FOUND

    exact = await home.run("feed", "--json", "--limit", "2", "--offline")
    assert _harmful.sub("", exact.out) == exact.out
    assert [event["id"] for event in exact.records] == [first, second]
    assert exact.records[1]["content"] == HOSTILE

    thread = await home.run("thread", nip19.encode_note(second), "--json")
    assert [event["id"] for event in thread.records] == [second]
    assert (await home.run("thread", "f" * 64)).code == Exit.NOT_FOUND

    shown = await home.run("profile", npub)
    assert shown.code == 0, shown.err
    assert _harmful.sub("", shown.out) == shown.out
    assert shown.out.startswith("ben")
    listed = await home.run("follows", "--json")
    assert [p["npub"] for p in listed.records] == [npub]
    assert (await home.run("unfollow", npub)).code == 0
    assert (await home.run("follows")).out == ""


async def test_a_profile_is_changed_field_by_field(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    done = await home.run("profile", "set", "--name", "ana", "--about", "hi", "--start-empty")
    assert done.code == 0, done.err
    assert (await home.run("profile", "set", "--about", "")).code == 0
    shown = (await home.run("profile", "--json")).record
    assert (shown["name"], shown["about"]) == ("ana", "")
    assert (await home.run("profile", "set")).code == Exit.USAGE


async def test_a_list_that_cannot_be_read_is_not_published(home: Home, key: SecretKey) -> None:
    home.configure(["ws://127.0.0.1:9"])
    await home.import_key(key)
    npub = nip19.encode_npub(SecretKey.generate().public_key.hex)
    done = await home.run("follow", npub)
    assert done.code == Exit.NOT_READ
    assert len(done.err.splitlines()) == 1
    assert "--without" in done.err


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, 143)]
)
async def test_following_ends_cleanly(
    home: Home, key: SecretKey, start_relay: StartRelay, number: int, code: int
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    assert (await home.run("post", "hello")).code == 0
    process = await home.start("feed", "--follow", "--json")
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 60)
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, out, err) == (code, b"", b"")


async def test_following_ends_where_every_relay_refuses(home: Home, key: SecretKey) -> None:
    async with Relay() as wall:
        wall.challenge, wall.words = "prove it", "restricted: members only"
        home.configure([wall.url])
        npub = nip19.encode_npub(key.public_key.hex)
        await home.import_key(key)
        done = await home.run("feed", "--follow", "--signer", npub)
        assert (done.code, done.out) == (Exit.NOT_ALLOWED, "")
        assert "restricted: members only" in done.err


async def test_a_reader_that_goes_away_is_no_error(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(key)
    for n in range(3):
        assert (await home.run("post", f"{n} {'x' * 30000}")).code == 0
    process = await asyncio.create_subprocess_shell(
        f"{sys.executable} -m nostr_client feed --offline | head -c 10",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=home.environment,
        start_new_session=True,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert len(out) == 10
    assert err == b""


async def test_a_first_feed_reads_at_the_own_relays_those_that_the_relays_know_nothing_of(
    home: Home, key: SecretKey
) -> None:
    """A new home: the relay that is known has my list, my relay on this machine has the rest."""
    ben = SecretKey.generate()
    now = int(time.time())
    note = Draft(1, "hello from ben", created_at=now - 9).sign(ben, now)
    follows = Draft(3, "", (("p", ben.public_key.hex),), created_at=now).sign(key, now)
    cys = Draft(1, "by cy", created_at=now - 20).sign(SecretKey.generate(), now)
    repost = Draft(6, "", (("e", cys.id),), created_at=now - 5).sign(ben, now)
    async with Relay(note, follows, repost, cys) as mine, Relay() as known:
        known.keep(Draft(10_002, "", (("r", mine.url),), created_at=now).sign(key, now))
        home.configure([known.url, DEAD], private=())
        await home.import_key(key)
        shown = await home.run("feed", "--json")
        assert (shown.code, shown.err) == (0, "")
        assert [event["id"] for event in shown.records] == [note.id, repost.id]
        plain = await home.run("feed", "--offline")
        assert "by cy" in plain.out  # what the repost is of was fetched, and is shown
        assert "not here" not in plain.out


async def test_offline_nothing_is_sent_nor_waited_for(
    home: Home, key: SecretKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody sends for who only looks at what is here: to wait for that would be in vain."""
    home.configure()
    await home.import_key(key)
    waited: list[float] = []

    async def drain(_: Replication, limit: float) -> bool:
        waited.append(limit)
        return False

    monkeypatch.setattr(Replication, "drain", drain)
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(home.folder))
    monkeypatch.setattr("nostr_client.cli.context.keep_log", lambda path: None)
    run = ClientContext(json=False)
    account = run.must_act()
    for who, offline in ((account, True), (None, False)):
        async with run.reading(who, offline=offline):
            pass
    assert waited == []
    async with run.reading(account):
        pass
    assert waited == [MEANWHILE_LIMIT]


async def test_search_finds_what_is_here_and_says_who_was_asked(home: Home, key: SecretKey) -> None:
    """No relay of the account searches: what is here is found, and that is said."""
    home.configure()
    await home.import_key(key)
    posted = await home.run("post", f"the library roof {HOSTILE}", "--json")
    found = await home.run("search", "library", "roo", "--json")
    assert found.code == 0, found.err
    assert [(r["found"], r["id"]) for r in found.records] == [("note", posted.record["id"])]
    plain = await home.run("search", "libr", "--offline")
    assert _harmful.sub("", plain.out) == plain.out
    assert "library roof" in plain.out
    nothing = await home.run("search", "cathedral")
    assert (nothing.code, "no relay" in nothing.err) == (Exit.NO_ANSWER, True), nothing.err
    assert (await home.run("search", "cathedral", "--offline")).code == Exit.NOT_FOUND
    secret = await home.run("search", nip19.encode_nsec(SecretKey.generate()))
    assert secret.code != 0
    assert "nsec1" not in secret.err
