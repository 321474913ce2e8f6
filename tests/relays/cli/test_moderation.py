"""The keeper's commands of moderation."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nostr_client.nips.nip19 import encode_nevent, encode_note, encode_nprofile, encode_npub
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from relays.cli.app import run_command as main
from relays.config.relay_config import Membership, Moderation, RelayConfig, Web
from relays.moderation.actions import ModerationActions
from relays.process.stores import stores_of
from tests import postgres
from tests.relays.cli.parsed import parsed
from tests.relays.talk import KEY, NOW, OTHER, note

ME = KEY.public_key.hex
NPUB = encode_npub(ME)


class Keepers:
    """A relay's folder, or its `database`, and its keeper's command line."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], database: str = "") -> None:
        self.folder = folder
        self.stores = stores_of(folder, database)
        self._where = ["--data", str(folder), *(["--store", database] if database else [])]
        self._capfd = capfd

    def run(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; its errors, where it is to fail."""
        assert main([*arguments, *self._where]) == code
        out, err = self._capfd.readouterr()
        return err if code else out

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """The records of `--json`."""
        return [json.loads(line) for line in self.run(*arguments, "--json").splitlines()]

    def save(self, *events: Event, name: str = "events.db") -> None:
        async def work() -> None:
            async with self.stores.open(name) as store:
                await store.save(events)

        asyncio.run(work())

    def held(self, name: str = "events.db") -> set[str]:
        async def work() -> set[str]:
            async with self.stores.open(name) as store:
                return {event.id for event in await store.query([Filter()])}

        return asyncio.run(work())

    def start(self, config: RelayConfig) -> None:
        """What a running relay leaves for commands."""

        async def work() -> None:
            async with (
                self.stores.open_state() as state,
                self.stores.open("events.db") as store,
            ):
                await ModerationActions(state, [store], config).settle()

        asyncio.run(work())


@pytest.fixture
def keepers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Keepers:
    found = Keepers(tmp_path, capfd)
    found.save()
    return found


@pytest.fixture(params=["folder", pytest.param("database", marks=pytest.mark.slow)])
async def anywhere(
    request: pytest.FixtureRequest, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> AsyncIterator[Keepers]:
    """The same, wherever the relay is."""
    if request.param == "folder":
        yield Keepers(tmp_path, capfd)
        return
    async with postgres.new_schemas() as url_of:
        yield Keepers(tmp_path, capfd, url_of("relay"))


def test_without_a_relay_nothing_is_made(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "there is no relay" in Keepers(tmp_path, capfd).run("bans", code=1)
    assert list(tmp_path.iterdir()) == []


def test_bans_of_each_sort(anywhere: Keepers) -> None:
    assert "there is no relay" in anywhere.run("bans", code=1)
    bad, worse, fine = note("bad"), note("a casino", key=OTHER), note("fine", key=OTHER)
    anywhere.save(bad, worse, fine)
    said = anywhere.run("ban", "pubkey", encode_nprofile(ME), "--reason", "spam", "--yes")
    assert said == f"banned {NPUB}; 1 event removed\n"
    [record] = anywhere.json("ban", "word", "Casino", "--remove", "--yes")
    assert record == {"banned": "word", "value": "casino", "removed": 1}
    assert anywhere.held() == {fine.id}
    anywhere.run("ban", "event", encode_nevent(fine.id), "--yes")
    anywhere.run("ban", "ip", "203.0.113.9/24")
    assert anywhere.held() == set()
    found = {rule["sort"]: rule for rule in anywhere.json("bans")}
    assert {sort: rule["value"] for sort, rule in found.items()} == {
        "ban-pubkey": ME,
        "ban-word": "casino",
        "ban-event": fine.id,
        "ban-ip": "203.0.113.0/24",
    }
    assert found["ban-pubkey"]["reason"] == "spam"
    assert NPUB in anywhere.run("bans")
    for sort, value in (
        *(("pubkey", ME), ("word", "CASINO"), ("event", encode_note(fine.id))),
        ("ip", "203.0.113.0/24"),
    ):
        anywhere.run("unban", sort, value)
        assert "no such ban" in anywhere.run("unban", sort, value, code=1)
    assert anywhere.run("bans") == ""


def test_what_is_said_of_a_banned_word(keepers: Keepers) -> None:
    keepers.save(note("a casino"))
    assert "what is stored stays" in keepers.run("ban", "word", "casino")
    assert "1 event removed" in keepers.run("ban", "word", "casino", "--remove", "--yes")


@pytest.mark.parametrize(
    ("act", "going"),
    [
        (("ban", "pubkey", NPUB), 2),
        (("ban", "event", "BAD"), 2),
        (("ban", "word", "casino", "--remove"), 2),
        (("reports", "act", NPUB), 2),
        (("reports", "act", "BAD", "--author"), 2),
    ],
)
def test_nothing_is_destroyed_without_a_count_and_a_word(
    keepers: Keepers, monkeypatch: pytest.MonkeyPatch, act: tuple[str, ...], going: int
) -> None:
    bad = note("a casino")
    repost = note(bad.json.decode(), kind=6, tags=(("e", bad.id), ("p", ME)), key=OTHER)
    mentioned = note("no event", kind=6, tags=(("e", bad.id), ("p", ME)), key=OTHER)
    keepers.save(bad, repost, mentioned)
    act = tuple(encode_nevent(bad.id) if word == "BAD" else word for word in act)
    before = keepers.held()
    [record] = keepers.json(*act, "--dry-run")
    assert (record["dry_run"], record["would_remove"]) == (True, going)
    assert f"removes {going} events for good: say --yes" in keepers.run(*act, code=2)
    for answer, code in (("\n", 2), ("", 2), ("no\n", 2), ("y\n", 0)):
        assert keepers.held() == before
        assert keepers.run("bans") == keepers.run("log") == ""
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        keepers.run(*act, code=code)
    assert keepers.held() == {mentioned.id}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_destroys_nothing_is_not_asked_for(keepers: Keepers) -> None:
    keepers.save(note("a casino"))
    assert keepers.json("ban", "word", "casino", "--dry-run")[0]["found"] == 1
    keepers.run("ban", "word", "casino")
    keepers.run("ban", "pubkey", encode_npub(OTHER.public_key.hex))
    assert len(keepers.json("bans")) == 2


def test_the_keeper_is_not_banned(keepers: Keepers, monkeypatch: pytest.MonkeyPatch) -> None:
    keepers.save(note("mine"))
    keepers.start(RelayConfig(pubkey=ME, web=Web(trusted_proxies=("198.51.100.0/24",))))
    monkeypatch.setenv("SSH_CONNECTION", "203.0.113.9 50000 192.0.2.1 22")
    for wrong in (
        *(("pubkey", NPUB), ("pubkey", keepers.json("key")[0]["npub"]), ("ip", "203.0.113.0/24")),
        *(("ip", "198.51.100.1"), ("ip", "127.0.0.1"), ("ip", "0.0.0.0/0"), ("word", "a")),
    ):
        keepers.run("ban", *wrong, "--yes", code=2)
    assert keepers.run("bans") == ""
    assert len(keepers.held()) == 1


@pytest.mark.parametrize(
    "verb",
    [
        ("members", "add", NPUB),
        ("members", "remove", NPUB),
        ("members", "list"),
        ("members", "invite"),
        ("members", "role", "lead"),
        ("reports", "dismiss", NPUB),
        ("log", "list"),
    ],
)
def test_the_folder_may_stand_before_the_verb(tmp_path: Path, verb: tuple[str, ...]) -> None:
    noun, *rest = verb
    before = parsed([noun, "--data", str(tmp_path), "--json", *rest])
    assert (before["data"], before["json"]) == (tmp_path, True)
    after = parsed([noun, *rest, "--data", str(tmp_path), "--json"])
    assert (after["data"], after["json"]) == (tmp_path, True)


@pytest.mark.parametrize(
    "wrong", [("pubkey", "npub1junk"), ("event", NPUB), ("ip", "x"), ("word", "*"), ("pubkey", "0")]
)
def test_what_cannot_be_banned(keepers: Keepers, wrong: tuple[str, str]) -> None:
    keepers.run("ban", *wrong, code=2)
    assert keepers.run("log") == ""


def test_all_rooms_are_cleaned(anywhere: Keepers) -> None:
    rooms = {name: RelayConfig(path=f"/{name}") for name in ("inbox", "none")}
    anywhere.save()
    anywhere.start(RelayConfig(rooms=rooms))
    anywhere.save(note("one"))
    anywhere.save(note("two"), name="inbox.db")
    assert anywhere.json("ban", "pubkey", NPUB, "--yes")[0]["removed"] == 2
    assert anywhere.held("inbox.db") == set()
    assert asyncio.run(anywhere.stores.names()) == ["events.db", "inbox.db"]


def report(event: Event, type: str = "spam") -> Event:
    return note("look\x1b[2J", kind=1984, tags=(("e", event.id, type), ("p", ME)), key=OTHER)


def test_reports_are_listed_dismissed_and_acted_upon(anywhere: Keepers) -> None:
    bad, fine, worse = note("bad"), note("fine"), note("worse", at=NOW + 1)
    anywhere.save(bad, fine, worse, report(bad, "illegal"), report(fine), report(worse, "malware"))
    assert [case["target"] for case in anywhere.json("reports")] == [bad.id, worse.id, fine.id]
    shown = anywhere.run("reports", "list")
    assert "illegal (1)" in shown
    assert "\x1b" not in shown
    assert anywhere.json("reports", "dismiss", fine.id, "--reason", "no")[0]["reporters"] == 1
    assert anywhere.json("reports", "act", bad.id, "--yes")[0]["removed"] == 1
    assert len(anywhere.held()) == 5
    [acted] = anywhere.json("reports", "act", encode_note(worse.id), "--author", "--yes")
    assert acted["author"] == ME
    assert anywhere.json("reports", "list") == []
    assert "nobody reported" in anywhere.run("reports", "act", "00" * 32, code=2)
    missing = anywhere.run("reports", "act", encode_note("00" * 32), "--author", code=1)
    assert "not held" in missing
    anywhere.run("reports", "act", encode_npub(OTHER.public_key.hex), "--yes")
    assert anywhere.held() == set()


def test_admins_of_the_last_start_weigh_more(keepers: Keepers) -> None:
    bad = note("bad")
    keepers.save(bad, report(bad))
    [stranger] = keepers.json("reports")
    keepers.start(RelayConfig(moderation=Moderation(admins={"olga": OTHER.public_key.hex})))
    [admin] = keepers.json("reports")
    assert (stranger["known"], admin["known"]) == (0, 1)
    assert admin["score"] > stranger["score"]


def test_the_log_is_exported_and_verified(keepers: Keepers, tmp_path: Path) -> None:
    keepers.run("ban", "pubkey", NPUB, "--reason", "spam")
    keepers.run("ban", "ip", "203.0.113.9")
    assert [entry["action"] for entry in keepers.json("log")] == ["ban-pubkey", "ban-ip"]
    assert "by keeper" in keepers.run("log", "list")
    export = keepers.run("log", "export", "--verify")
    assert "203.0.113" not in export
    file = tmp_path / "log.jsonl"
    file.write_text(export)
    npub = json.loads(keepers.run("key", "--json"))["npub"]
    assert main(["log", "verify", str(file), "--key", npub]) == 0
    assert main(["log", "verify", str(file), "--key", NPUB]) == 1
    file.write_text(export.replace("spam", "ham"))
    assert main(["log", "verify", str(file)]) == 1


def test_the_relays_key(keepers: Keepers) -> None:
    npub, pubkey = keepers.run("key").split()
    assert npub == encode_npub(pubkey)
    secret = (keepers.folder / "relay.key").read_text().strip()
    assert secret not in keepers.run("key", "--json")


def test_members_by_command(anywhere: Keepers) -> None:
    anywhere.save()
    assert anywhere.run("members", "add", NPUB, "--reason", "a friend") == "added\n"
    assert anywhere.run("members", "add", NPUB) == "a member already\n"
    [member] = anywhere.json("members")
    assert (member["pubkey"], member["by"], member["reason"]) == (ME, "keeper", "a friend")
    assert NPUB in anywhere.run("members", "list")
    assert anywhere.held() == set()
    anywhere.start(RelayConfig(members=Membership(enabled=True)))
    assert len(anywhere.held()) == 1
    anywhere.run("members", "role", "king", "--label", "King", "--color", "37")
    assert anywhere.json("members", "role")[0]["label"] == "King"
    anywhere.run("members", "add", encode_npub(OTHER.public_key.hex), "--role", "king")
    assert [member["roles"] for member in anywhere.json("members")] == [[], ["king"]]
    anywhere.run("members", "role", "king", "--delete")
    anywhere.run("members", "remove", NPUB)
    assert "no member" in anywhere.run("members", "remove", NPUB, code=1)
    assert len(anywhere.json("members", "list")) == 1


def test_invites_by_command(keepers: Keepers) -> None:
    code = keepers.run("members", "invite", "--uses", "3", "--days", "2").strip()
    [invite] = keepers.json("members", "invites")
    assert (invite["uses"], invite["expires"] - invite["at"]) == (3, 2 * 86400)
    assert code not in keepers.run("members", "invites")
    assert code not in keepers.run("log", "export")
    keepers.run("members", "revoke", invite["id"])
    assert "no such invite" in keepers.run("members", "revoke", invite["id"], code=1)
    keepers.run("members", "invite", "--uses", "0", code=2)


def test_options_before_the_second_word_count(keepers: Keepers) -> None:
    assert main(["members", "--data", str(keepers.folder), "--json", "list"]) == 0
