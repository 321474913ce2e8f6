"""Settings from TOML: defaults, profiles, rooms, and errors that name file and key."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from nostr_client.errors import ConfigError
from nostr_client.nips.nip19 import encode_nprofile, encode_npub, encode_nsec
from relays.config.purposes import PURPOSES, Profile
from relays.config.relay_config import RelayConfig, assemble, load_config
from relays.config.sections import Limits, Rated
from relays.config.sub_relays import sub_relays
from relays.config.values import Rate, rate_of
from tests.relays.talk import KEY, OTHER

ME, OTHERS = KEY.public_key.hex, OTHER.public_key.hex
DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('name = "Ana"\nurls = ["wss://a.example"]\n[limits]\nsubscriptions = 3\n')
    config = load_config(file)
    assert config == RelayConfig(
        name="Ana", urls=("wss://a.example",), limits=Limits(subscriptions=3)
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nmae = 'x'", "nmae"),
        ("port = 'x'", "port"),
        ("[limits]\nsubscriptions = 1.5", "limits.subscriptions"),
        ("[members]\ninvite_days = inf", "members.invite_days"),
        ("[members]\ninvite_days = nan", "members.invite_days"),
        ("name = ", "relay.toml"),
        ("\udcff", "relay.toml"),
        pytest.param("x = " + "[" * 100_000, "not TOML", id="nested without end"),
        pytest.param("#" * (2 << 20), "too large", id="too large"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigError, match=words):
        load_config(file)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"relay\.toml"):
        load_config(tmp_path / "relay.toml")


def problems(**table: object) -> list[str]:
    return assemble(table).problems


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(
        'nmae = "x"\nport = 70000\nprofile = "publik"\n[limits]\nmax_limit = 1\n'
        '[[events.rules]]\nwork = 3\n[events]\nkinds = [1, 70000, "x"]\nrefused_kinds = [1]\n'
        '[web]\ntrusted_header = "x"\n[moderation.admins]\nana = "x"\n'
    )
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    found = [line.removeprefix(f"{file}: ") for line in str(caught.value).splitlines()]
    assert "nmae is no setting of ours; did you mean name?" in found
    assert (
        'profile: \'publik\'; allowed: "personal", "community", "public", "archive",'
        ' "open"' in found
    )
    assert "events.kinds[1]: 70000; allowed: a whole number from 0 to 65535" in found
    assert "events.kinds[2]: 'x'; allowed: a whole number from 0 to 65535" in found
    assert "port: 70000; allowed: a number from 0 to 65535" in found
    assert "limits.default_limit is larger than limits.max_limit" in found
    for start in ("events.rules[0].kinds is missing", "web.trusted_header: ", "moderation.admins."):
        assert any(line.startswith(start) for line in found)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("7f" * 32, "not a point"),
        ("npub1x", "npub1"),
        (5, "not a text"),
        ([ME], "not a text"),
        (encode_nsec(KEY), "SECRET"),
        (encode_nsec(KEY).upper(), "SECRET"),
    ],
)
def test_wrong_keys(value: object, words: str) -> None:
    [found] = problems(pubkey=value)
    assert found.startswith("pubkey: ")
    assert words in found
    assert "npub1... or 64 hex digits" in found
    assert encode_nsec(KEY) not in found.lower()


@pytest.mark.parametrize(
    "text", [ME, ME.upper(), encode_npub(ME), encode_nprofile(ME, ["wss://a.example"])]
)
def test_spellings_of_a_key(text: str) -> None:
    assert assemble({"pubkey": text}).config.pubkey == ME


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("60/minute", Rate(60, 60, 60)),
        ("5/second, burst 20", Rate(5, 1, 20)),
        ("100 MiB/hour burst 1GiB", Rate(100 * 2**20, 3600, 2**30)),
        ("10_000/day", Rate(10_000, 86_400, 10_000)),
        ("2k/minute", Rate(2000, 60, 2000)),
        ("none", None),
    ],
)
def test_rates(text: str, rate: Rate | None) -> None:
    assert rate_of(text) == rate


@pytest.mark.parametrize(
    "text", ["", "60", "60/year", "-1/minute", "0/minute", "1/day, burst 0", 5]
)
def test_no_rates(text: object) -> None:
    [found] = problems(rates={"events": {"address": text}})
    assert found.startswith("rates.events.address: ")
    assert "60/minute" in found


# Profiles


@pytest.mark.parametrize("profile", PURPOSES)
def test_profiles_are_without_fault(profile: str) -> None:
    config, found = assemble({"profile": profile, "pubkey": ME, "host": "0.0.0.0"})
    assert found == []
    assert config.profile == profile


@pytest.mark.tree
def test_the_guide_says_what_profiles_are_for() -> None:
    text = (DOCS / "relay.md").read_text("utf-8")
    assert re.findall(r"^\| `(\w+)` \| (.+) \|$", text, re.MULTILINE) == list(PURPOSES.items())
    assert tuple(PURPOSES) == get_args(Profile)


def test_what_the_keeper_sets_counts_more() -> None:
    table = {
        "profile": "public",
        "events": {"work": 3, "duplicates": {"by_one": 0}},
        "rates": {"events": {"address": "none"}},
    }
    config = assemble(table).config
    assert (config.events.work, config.events.work_of) == (3, "strangers")
    assert (config.events.duplicates.by_one, config.events.duplicates.by_many) == (0, 5)
    assert config.rates.events == Rated(key=Rate(60, 60, 200))


def test_open_is_for_this_machine_unless_it_was_chosen() -> None:
    for host in ("127.0.0.1", "::1", "localhost", "127.3.2.1"):
        assert problems(host=host) == []
    for host in ("0.0.0.0", "::", "192.0.2.1", "relay.example"):
        [found] = problems(host=host)
        assert "choose one" in found
        assert problems(host=host, profile="open") == []


def test_the_command_line_counts_more(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('profile = "archive"\nport = 5\nurls = ["wss://a.example"]\n')
    config = load_config(file, {"profile": "public", "port": 6}, ["wss://b.example"])
    assert (config.profile, config.port) == ("public", 6)
    assert config.urls == ("wss://a.example", "wss://b.example")
    assert load_config(None, {"port": 0}).port == 0
    with pytest.raises(ConfigError, match=r"^urls: "):
        load_config(None, None, ["no url"])


def test_whom_members_only_means() -> None:
    config = assemble({"members": {"enabled": True}}).config
    assert (config.writers_are, config.readers_are) == ("members", "anyone")
    config = assemble({"members": {"enabled": True}, "access": {"write": "trusted"}}).config
    assert config.writers_are == "trusted"


@pytest.mark.parametrize(
    ("table", "start"),
    [
        ({"access": {"write": "trusted"}}, "trust.roots: "),
        ({"access": {"read": "trusted"}}, "trust.roots: "),
        ({"access": {"write": "listed"}}, "access.writers: "),
        ({"access": {"read": "listed"}}, "access.readers: "),
        ({"path": "inbox"}, "path: "),
        ({"urls": ["http://a.example"]}, "urls: "),
        ({"profile": "personal"}, "pubkey: "),
    ],
)
def test_what_cannot_be(table: dict[str, object], start: str) -> None:
    assert any(line.startswith(start) for line in problems(**table))


# Rooms


def test_the_rooms_of_one_person() -> None:
    table = {
        "profile": "personal",
        "pubkey": ME,
        "name": "Ana",
        "urls": ["wss://a.example/"],
        "trust": {"depth": 1},
        "access": {"writers": [OTHERS]},
        "rooms": {"chat": {"name": "Write me", "events": {"work": 8}}},
    }
    config, found = assemble(table)
    assert found == []
    every = {room.name: room for room in sub_relays(config)}
    assert [(room.path, room.database) for room in every.values()] == [
        ("/", "events.db"),
        ("/inbox", "inbox.db"),
        ("/chat", "chat.db"),
        ("/private", "private.db"),
    ]
    assert {room.follows_of for room in every.values()} == {"events"}
    assert every["inbox"].config.urls == ("wss://a.example/inbox",)
    assert every["inbox"].config.name == "Ana: inbox"
    assert every["inbox"].config.trust.depth == 1
    assert every["inbox"].config.access.writers == ()
    assert (every["chat"].config.name, every["chat"].config.events.work) == ("Write me", 8)
    assert every["chat"].config.events.to == (ME,)


def test_other_profiles_have_one_room() -> None:
    assert [room.path for room in sub_relays(RelayConfig())] == ["/"]
    assert problems(rooms={"x": {}}) == [
        "rooms.x: the profile open has the rooms: none besides its own"
    ]


def test_mistakes_in_rooms() -> None:
    given = {"chat": {"port": 5, "events": {"work": "x"}}, "attic": {}, "inbox": 5}
    found = problems(profile="personal", pubkey=ME, rooms=given)
    assert "rooms.chat.port is set for all rooms alike" in found
    assert "rooms.inbox: allowed: a table" in found
    assert any(
        line.startswith("rooms.attic: the profile personal has the rooms: ") for line in found
    )
    found = problems(profile="personal", pubkey=ME, rooms={"chat": {"events": {"work": "x"}}})
    assert found == ["rooms.chat.events.work: 'x'; allowed: a whole number from 0 to 256"]


def test_two_rooms_at_one_path() -> None:
    [found] = problems(profile="personal", pubkey=ME, rooms={"chat": {"path": "/inbox"}})
    assert found == "rooms.chat.path: /inbox is another room's, too"
    own_host = {"private": {"urls": ["wss://private.example"]}}
    [found] = problems(profile="personal", pubkey=ME, rooms=own_host)
    assert found == "rooms.private.urls: the path / is another room's, too"
    broken = problems(profile="personal", pubkey=ME, urls=["wss://[x"])
    assert broken
    assert all("urls: wss://[x" in line for line in broken)


def test_own_policies_are_beside_the_file(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(
        f'profile = "personal"\npubkey = "{ME}"\n[policies]\nseconds = 5\n'
        '[rooms.chat.policies]\nplugins = ["x"]\n[rooms.inbox.policies]\nfolder = "/else"\n'
    )
    config = load_config(file)
    assert config.policies.folder == str(tmp_path)
    assert config.rooms["chat"].policies.folder == str(tmp_path)
    assert config.rooms["inbox"].policies.folder == "/else"
    assert config.rooms["private"].policies.plugins == ()


def test_a_mirrors_proxy_is_checked_and_its_password_is_not_said_back() -> None:
    mirror = {"urls": ["wss://peer.example.com"], "proxy": "ftp://me:hunter2@localhost:1"}
    [problem] = assemble({"mirror": [mirror]}).problems
    assert problem.startswith("mirror[0].proxy: allowed: tor://HOST:PORT")
    assert "hunter2" not in problem
