"""keeper.db: two processes, rights, the key, and what policies see of it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
import sys
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from pathlib import Path

import pytest

from nostr_client.errors import InvalidData, StoreError
from nostr_client.nips.nip19 import encode_nsec
from nostr_client.protocol.keys import SecretKey
from relays.config.relay_config import RelayConfig, Web
from relays.moderation import ban_exemptions
from relays.moderation.ban_exemptions import own_addresses
from relays.moderation.opening import open_state
from relays.moderation.records import Area, RecordTables, Rule, RuleType
from relays.moderation.state import POLL
from relays.policies.verdict import IncomingEvent, SourceType
from tests.relays.desk import URL, Desk, OpenDesk
from tests.relays.talk import KEY, NOW, OTHER, note

posix = pytest.mark.skipif(sys.platform == "win32", reason="rights are those of POSIX")


def verdict(desk: Desk, *args: object, **options: object) -> str:
    return desk.state.check(IncomingEvent(*args, now=NOW, **options)).reason  # type: ignore[arg-type]


@posix
async def test_files_are_for_their_owner_only(desk: Desk) -> None:
    for name in ("keeper.db", "relay.key"):
        mode = (desk.folder / name).stat().st_mode
        assert stat.S_IMODE(mode) == 0o600, name


async def test_the_key_stays_the_same_and_hidden(open_desk: OpenDesk) -> None:
    one, two = await open_desk(), await open_desk()
    secret = (one.folder / "relay.key").read_text().strip()
    assert one.state.key == two.state.key == SecretKey.from_hex(secret)
    assert secret not in repr(one.state.__dict__)
    with contextlib.closing(sqlite3.connect(one.folder / "keeper.db")) as db:
        dump = "\n".join(db.iterdump())
    assert one.state.pubkey in dump
    assert secret not in dump


async def test_two_processes_make_one_key(tmp_path: Path) -> None:
    async def pubkey() -> str:
        async with open_state(tmp_path) as state:
            return state.pubkey

    assert len(set(await asyncio.gather(*(pubkey() for _ in range(6))))) == 1


async def test_a_key_of_the_keepers_own(tmp_path: Path) -> None:
    (tmp_path / "relay.key").write_text(encode_nsec(KEY) + "\n")
    async with open_state(tmp_path) as state:
        assert state.key == KEY


@pytest.mark.parametrize("text", ["", "00" * 32, "nsec1junk", "\xff" * 64])
async def test_what_is_no_key_is_said_and_not_quoted(tmp_path: Path, text: str) -> None:
    (tmp_path / "relay.key").write_text(text, "latin-1")
    with pytest.raises(StoreError, match="holds no secret key") as error:
        async with open_state(tmp_path):
            pass
    assert not text or text not in str(error.value)


async def test_a_key_that_cannot_be_read_is_named_and_not_the_records(tmp_path: Path) -> None:
    (tmp_path / "relay.key").mkdir()
    with pytest.raises(StoreError, match=r"cannot read \S+relay\.key"):
        async with open_state(tmp_path):
            pass


async def test_a_lost_or_changed_key_is_said(tmp_path: Path) -> None:
    async with open_state(tmp_path) as state:
        pubkey = state.pubkey
    (tmp_path / "relay.key").write_text(bytes(KEY).hex())
    with pytest.raises(StoreError, match=pubkey):
        async with open_state(tmp_path):
            pass
    (tmp_path / "relay.key").unlink()
    with pytest.raises(StoreError, match="is gone"):
        async with open_state(tmp_path):
            pass
    assert not (tmp_path / "relay.key").exists()


async def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keeper.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match="another program"):
        async with open_state(tmp_path):
            pass
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="damaged, or no database"):
        async with open_state(tmp_path):
            pass


async def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    async with open_state(tmp_path):
        pass
    db = sqlite3.connect(tmp_path / "keeper.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer version"):
        async with open_state(tmp_path):
            pass


async def test_bans_are_in_force_at_once_and_say_why(desk: Desk) -> None:
    event = note()
    assert verdict(desk, event) == ""
    await desk.actions.ban_pubkey(event.pubkey, by="keeper", reason="spam")
    assert verdict(desk, event) == "blocked: spam"
    for source in SourceType:
        assert verdict(desk, event, source=source) == "blocked: spam"
    assert await desk.actions.unban_pubkey(event.pubkey, by="keeper")
    assert not await desk.actions.unban_pubkey(event.pubkey, by="keeper")
    await desk.actions.ban_event(event.id, by="keeper")
    assert verdict(desk, event) == "blocked: this event is banned here"
    assert verdict(desk, note("another")) == ""
    await desk.actions.allow_event(event.id, by="keeper")
    assert verdict(desk, event) == ""


async def test_another_process_is_heard(open_desk: OpenDesk) -> None:
    here, there = await open_desk(), await open_desk()
    changed = asyncio.Event()
    here.state.on_change(changed.set)
    await there.actions.ban_pubkey(note().pubkey, by="keeper")
    assert verdict(there, note()) != ""
    async with asyncio.timeout(POLL + 5):
        await changed.wait()
    assert verdict(here, note()) == "blocked: this key is banned here"
    assert here.state.is_hidden(note())


async def test_only_what_changed_is_read_again(open_desk: OpenDesk) -> None:
    here, there = await open_desk(), await open_desk()
    bans = here.state.bans
    await there.actions.change_info("name", "A new name", by="keeper")
    await here.state.refresh()
    assert here.state.info.name == "A new name"
    assert here.state.bans is bans
    await here.actions.change_info("name", "", by="keeper")
    assert here.state.info.name is None


async def test_a_request_to_vanish_passes_but_is_shown_to_nobody(desk: Desk) -> None:
    ours = note("forget me", kind=62, tags=(("relay", URL),))
    others = note("forget me", kind=62, tags=(("relay", "wss://elsewhere.example"),))
    assert not desk.state.is_hidden(ours)
    await desk.actions.ban_pubkey(ours.pubkey, by="keeper")
    assert verdict(desk, ours) == ""
    assert desk.state.is_hidden(ours)
    assert verdict(desk, others).startswith("blocked:")
    await desk.actions.unban_pubkey(ours.pubkey, by="keeper")
    await desk.actions.ban_word("forget", by="keeper")
    assert verdict(desk, ours) == ""
    assert desk.state.is_hidden(ours)
    assert not desk.state.is_hidden(note("forget"))


async def test_addresses_and_networks(desk: Desk) -> None:
    state = desk.state
    assert await desk.actions.ban_address("203.0.113.77/24", by="k") == "203.0.113.0/24"
    assert await desk.actions.ban_address("2001:DB8::1", by="k", reason="floods") == "2001:db8::1"
    assert await desk.actions.ban_address("::ffff:198.51.100.7", by="k") == "198.51.100.7"
    assert state.banned_address("203.0.113.9") == "blocked: this address is banned here"
    assert state.banned_address("::ffff:203.0.113.9") != ""
    assert state.banned_address("2001:db8::1%eth0") == "blocked: floods"
    assert state.banned_address("198.51.100.7") != ""
    for fine in ("203.0.114.1", "2001:db8::2", "198.51.100.8", "", "unix:", "not an address"):
        assert state.banned_address(fine) == ""
    assert verdict(desk, note(), address="203.0.113.9") != ""
    assert verdict(desk, note(), address="192.0.2.1") == ""
    assert await desk.actions.unban_address("203.0.113.0/24", by="k")
    assert state.banned_address("203.0.113.9") == ""
    for bad in ("", "300.1.1.1", "example.com", "1.2.3.4/99"):
        with pytest.raises(InvalidData):
            await desk.actions.ban_address(bad, by="k")


async def test_many_addresses_are_asked_in_bounded_memory(desk: Desk) -> None:
    await desk.actions.ban_address("198.18.0.0/15", by="k")
    for n in range(5_000):
        assert desk.state.banned_address(f"198.18.{n // 256}.{n % 256}")
    assert len(desk.state._addresses) <= 4096


async def test_kinds(desk: Desk) -> None:
    await desk.actions.disallow_kind(7, by="k")
    assert verdict(desk, note(kind=7)) == "blocked: events of kind 7 are not taken here"
    assert verdict(desk, note(kind=1)) == ""
    await desk.actions.allow_kind(7, by="k")
    assert verdict(desk, note(kind=7)) == ""
    assert verdict(desk, note(kind=1)) == "blocked: events of kind 1 are not taken here"
    for always in (28934, 28936, 62):
        assert verdict(desk, note(kind=always)) == ""
    for bad in (-1, 65536, True):
        with pytest.raises(InvalidData):
            await desk.actions.allow_kind(bad, by="k")


async def test_reposts_do_not_carry_what_is_banned(desk: Desk) -> None:
    bad = note("bad", key=SecretKey(b"\x33" * 32))
    repost = note(bad.json.decode(), kind=6, tags=(("e", bad.id),))
    assert verdict(desk, repost) == ""
    await desk.actions.ban_event(bad.id, by="k")
    assert verdict(desk, repost) == "blocked: it embeds what is banned here"
    assert verdict(desk, note("", kind=6, tags=(("e", bad.id),))) == ""
    assert verdict(desk, note("no event", kind=6)) == ""
    await desk.actions.unban_event(bad.id, by="k")
    await desk.actions.ban_pubkey(bad.pubkey, by="k")
    assert verdict(desk, repost) == "blocked: it embeds what is banned here"
    await desk.actions.unban_pubkey(bad.pubkey, by="k")
    await desk.actions.ban_word("bad", by="k")
    assert verdict(desk, repost) == "blocked: it embeds what is banned here"


async def test_who_runs_the_relay_is_not_banned(desk: Desk) -> None:
    with pytest.raises(InvalidData, match="the key of olga"):
        await desk.actions.ban_pubkey(OTHER.public_key.hex, by="k")
    config = RelayConfig(pubkey=KEY.public_key.hex, web=Web(trusted_proxies=("198.51.100.0/24",)))
    desk.actions.reconfigure(config)
    with pytest.raises(InvalidData, match="the key of keeper"):
        await desk.actions.ban_pubkey(KEY.public_key.hex, by="k")
    mine, theirs = note("some word"), note("a word", key=OTHER)
    await desk.store.save([mine, theirs])
    assert await desk.actions.count_with_word("word") == 1
    assert await desk.actions.remove_word("word", by="k") == 1
    assert await desk.store.get(mine.id) == mine


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0/0", "::/0", "128.0.0.0/1", "0.0.0.0", "::", "2000::/3", "2001::/16"),
        *("127.0.0.1", "127.9.9.9", "127.0.0.0/8", "::1", "::ffff:127.0.0.1", "::ffff:0:0/96"),
        *("198.51.100.7", "198.0.0.0/8", "192.0.2.9", "203.0.113.4", "::ffff:203.0.113.4"),
        *("203.0.112.0/22", "2001:db8::7", "2001:db8::/32"),
    ],
)
async def test_whom_a_ban_of_addresses_may_not_meet(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    config = RelayConfig(host="192.0.2.9", web=Web(trusted_proxies=("198.51.100.0/24",)))
    desk.actions.reconfigure(config)
    monkeypatch.setattr(ban_exemptions, "own_addresses", lambda: {"2001:db8::7"})
    desk.actions.operator_addresses = lambda: ["203.0.113.4"]
    with pytest.raises(InvalidData):
        await desk.actions.ban_address(text, by="k")
    assert await desk.actions.rules() == []
    assert await desk.actions.ban_address("203.0.113.5", by="k")
    with pytest.raises(InvalidData):
        await desk.actions.ban_address("203.0.113.6", by="k", near=["203.0.113.6"])


def test_the_addresses_of_this_machine() -> None:
    for address in own_addresses():
        assert ip_address(address.partition("%")[0])


@pytest.mark.parametrize("word", ["a", "*e*", "of"])
async def test_a_word_that_everybody_writes_is_not_banned(desk: Desk, word: str) -> None:
    with pytest.raises(InvalidData, match="everybody"):
        await desk.actions.ban_word(word, by="k")
    with pytest.raises(InvalidData, match="everybody"):
        await desk.actions.remove_word(word, by="k")


async def test_what_was_banned_before_can_be_taken_back(desk: Desk) -> None:
    for sort, value in ((RuleType.BAN_WORD, "a"), (RuleType.BAN_IP, "0.0.0.0/0")):
        await desk.actions._put(sort, value, "k", "")
    assert await desk.actions.unban_word("a", by="k")
    assert await desk.actions.unban_address("0.0.0.0/0", by="k")


async def test_the_relays_own_key_is_not_banned(desk: Desk) -> None:
    with pytest.raises(InvalidData, match="own key"):
        await desk.actions.ban_pubkey(desk.state.pubkey, by="k")
    for bad in ("", "npub1", "00" * 32, "AB" * 32):
        with pytest.raises(InvalidData):
            await desk.actions.ban_pubkey(bad, by="k")


async def test_a_reason_is_one_line_that_fits_everywhere(desk: Desk) -> None:
    await desk.actions.ban_event(
        "ab" * 32, by="k", reason="two\nlines \x1b[31m\x7f\ud800" + "x" * 2000
    )
    [rule] = await desk.actions.rules()
    assert rule.reason.startswith("two lines")
    assert len(rule.reason) <= 500
    assert rule.reason.isprintable()


async def test_what_was_seen_once_is_known_after_a_restart(tmp_path: Path) -> None:
    clock = [NOW]
    for first in (True, False):
        async with open_state(tmp_path, clock=lambda: clock[0]) as state:
            assert await state.is_first_use("an id", NOW + 60) is first
    clock[0] = NOW + 61
    async with open_state(tmp_path, clock=lambda: clock[0]) as state:
        assert await state.is_first_use("another", NOW + 120)
    with contextlib.closing(sqlite3.connect(tmp_path / "keeper.db")) as db:
        assert db.execute("SELECT id FROM once").fetchall() == [("another",)]


async def test_polling_goes_on_when_the_file_fails(
    open_desk: OpenDesk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relays.moderation.state.POLL", 0.01)
    here, there = await open_desk(), await open_desk()
    counters = here.state.records.counters
    failing = [3]

    async def fails() -> Mapping[Area, int]:
        if failing[0]:
            failing[0] -= 1
            raise StoreError("keeper.db: the disk is gone")
        return await counters()

    here.state.records.counters = fails  # type: ignore[method-assign]
    changed = asyncio.Event()
    here.state.on_change(changed.set)
    await there.actions.ban_event(note().id, by="k")
    async with asyncio.timeout(60):
        await changed.wait()
    assert caplog.text.count("the disk is gone") == 1


async def test_what_was_noticed_and_could_not_be_read_is_read_later(
    open_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = await open_desk(), await open_desk()
    read, failing = here.state.records.read, [True]

    async def fails(ask: Callable[[RecordTables], Awaitable[object]]) -> object:
        if failing:
            failing.clear()
            raise StoreError("keeper.db: the disk is gone")
        return await read(ask)

    monkeypatch.setattr(here.state.records, "read", fails)
    await there.actions.ban_event(note().id, by="k")
    with contextlib.suppress(StoreError):  # or it has been polled meanwhile
        await here.state.refresh()
    await here.state.refresh()
    assert not failing
    assert verdict(here, note()) != ""


async def test_a_ban_is_in_force_although_who_made_it_was_cancelled(desk: Desk) -> None:
    """Behind the commit, and before he could see it."""
    rule = Rule(RuleType.BAN_EVENT, note().id, "", "k", NOW)
    await desk.state.records.write(lambda tables: tables.rules.put(rule))
    await desk.state.refresh()
    assert verdict(desk, note()) != ""
