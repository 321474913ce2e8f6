"""Who people say they are, and what their domains say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nostr_client.cli.json_records import profile_record
from nostr_client.errors import (
    ConnectFailed,
    InvalidCode,
    InvalidKey,
    ListNotUnderstood,
    NostrError,
)
from nostr_client.net import http
from nostr_client.net.dial import DialOptions
from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.safe_text import safe_line
from nostr_client.social.profiles import parse_profile
from tests.social.house import (
    BEN,
    BEN_KEY,
    CY_KEY,
    DEAD,
    ME,
    START,
    Relay,
    house,
    relay_list,
    signed,
)

Domain = dict[str, Any]


def profile(content: object, at: int = START):  # type: ignore[no-untyped-def]
    text = content if isinstance(content, str) else json.dumps(content)
    return signed(BEN, kinds.METADATA, text, at=at)


@pytest.fixture
def domain(monkeypatch: pytest.MonkeyPatch) -> Domain:
    """What the domain answers; `asked` gathers the URLs and options."""
    says: Domain = {"status": 200, "body": b"{}", "asked": [], "error": None}

    async def get(url: str, dial: DialOptions, **options: Any) -> http.Response:
        says["asked"].append((url, {"dial": dial, **options}))
        if says["error"]:
            raise says["error"]
        return http.Response(says["status"], {}, says["body"])

    monkeypatch.setattr(http, "get", get)
    return says


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        ('{"name":"b","displayName":"Ben"}', {"name": "b", "display_name": "Ben"}),
        ('{"name":7,"about":null,"picture":["x"],"nip05":{"a":1}}', {}),
        ('{"name":"a","website":"w","unknown":{"deep":[1]}}', {"name": "a", "website": "w"}),
        ("", {}),
        ("[]", {}),
        ("null", {}),
        ("not json", {}),
        ('{"name":"\\ud800"}', {}),
        ("[" * 5000, {}),
    ],
)
def test_the_content_is_read_field_by_field(content: str, fields: dict[str, str]) -> None:
    assert parse_profile(content) == fields


async def test_profiles_come_from_the_store_in_one_query(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        follows = signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY, "", "my friend"),))
        await h.keep(profile({"name": "ben", "bot": True, "nip05": "ben@x.example"}), follows)
        found = await h.profiles.get_many([BEN_KEY, CY_KEY])
        ben, cy = found[BEN_KEY], found[CY_KEY]
        assert (ben.name, ben.bot, ben.petname) == ("ben", True, "my friend")
        assert ben.nip05_state == "unchecked"
        assert ben.event is not None
        assert (cy.event, cy.nip05_state) == (None, "none")
        assert cy.label == cy.short_npub
        assert await h.profiles.get_many([]) == {}


async def test_profiles_are_fetched_with_relay_lists(tmp_path: Path) -> None:
    listed = relay_list(BEN, DEAD)
    async with (
        Relay(profile({"name": "ben"}), listed) as index,
        house(tmp_path, indexers=[index.url]) as h,
    ):
        assert (await h.profiles.fetch([BEN_KEY, CY_KEY])).answered == (index.url,)
        assert (await h.profiles.get(BEN_KEY)).name == "ben"
        assert (await h.courier.book.relays_of(BEN_KEY)).write == (DEAD,)
        assert (await h.profiles.fetch([BEN_KEY], limit=0.2)).new == 0
    async with house(tmp_path / "offline", fallback=[DEAD]) as h:
        assert (await h.profiles.fetch([BEN_KEY])).new == 0


async def test_an_update_leaves_the_other_fields_byte_for_byte(tmp_path: Path) -> None:
    content = '{"name":"old", "big":12345678901234567890.50,"x":{"a" :[1, 2]},"about":"gone"}'
    async with house(tmp_path) as h:
        await h.keep(signed(kind=0, content=content, tags=(("i", "github:me"),)))
        posted = await h.profiles.update(name="new", about=None, bot=True)
        assert posted is not None
        assert posted.event.content == (
            '{"name":"new","big":12345678901234567890.50,"x":{"a" :[1, 2]},"bot":true}'
        )
        assert posted.event.tags == (("i", "github:me"),)
        assert await h.profiles.update(name="new") is None
        assert (await h.profiles.get(ME)).name == "new"
        assert len(await h.store.history(f"0:{ME}:")) == 1


ODD = {
    "an array": "[]",
    "a number": "5",
    "a string": '"x"',
    "cut off": '{"name":"ann","picture":"https://x.example.com/p.png"',
    "a trailing comma": '{"name":"ann",}',
    "a bare line end": '{"name":"ann","about":"a\nb"}',
    "half a character": '{"name":"a\\ud83d","about":"keeps"}',
    "a byte order mark": '\ufeff{"name":"ann"}',
    "no number": '{"name":"ann","x":NaN}',
    "a field twice": '{"name":"first","name":"second"}',
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD.keys())
async def test_a_profile_that_is_not_understood_is_shown_and_not_changed(
    tmp_path: Path, content: str
) -> None:
    async with house(tmp_path) as h:
        old = signed(kind=0, content=content, tags=(("i", "github:me"),))
        await h.keep(old)
        with pytest.raises(ListNotUnderstood) as refusal:
            await h.profiles.update(website="https://w.example.com")
        assert safe_line(content, 300) in str(refusal.value)
        assert await h.store.get_address(f"0:{ME}:") == old
        shown = profile_record(await h.profiles.get(ME))
        assert shown["raw"] == content
        # Whoever says so begins anew; the history keeps the old one.
        posted = await h.profiles.update(start_over=True, name="new")
        assert posted is not None
        assert posted.event.content == '{"name":"new"}'
        assert posted.event.tags == old.tags
        assert await h.store.history(f"0:{ME}:") == [old]
        assert profile_record(await h.profiles.get(ME))["raw"] == ""


# NIP-05


async def test_a_person_is_resolved_from_codes(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        npub = nip19.encode_npub(BEN_KEY)
        nprofile = nip19.encode_nprofile(BEN_KEY, ["wss://ben.example", "ws://127.0.0.99:1"])
        for text in (npub, f" nostr:{npub}\n", nprofile, BEN_KEY, BEN_KEY.upper()):
            assert await h.profiles.resolve(text) == BEN_KEY
        assert h.courier.book.hints(BEN_KEY) == ("wss://ben.example",)


@pytest.mark.parametrize(
    "text",
    ["", "ben", "npub1xxx", "note1" + "q" * 58, "0" * 64, "z" * 64, "nsec", "a@b/c", "@x.example"],
)
async def test_what_names_nobody_is_refused(tmp_path: Path, text: str) -> None:
    async with house(tmp_path) as h:
        with pytest.raises((InvalidCode, InvalidKey)):
            await h.profiles.resolve(text)


async def test_a_secret_key_is_refused_and_not_quoted(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        nsec = nip19.encode_nsec(BEN)
        with pytest.raises(InvalidCode, match="SECRET key") as refusal:
            await h.profiles.resolve(nsec)
        assert nsec not in str(refusal.value)


async def test_a_name_is_looked_up_at_its_domain(tmp_path: Path, domain: Domain) -> None:
    domain["body"] = json.dumps(
        {
            "names": {"ben": BEN_KEY, "_": CY_KEY},
            "relays": {BEN_KEY: ["wss://ben.example", 7, "ws://10.0.0.1"]},
        }
    ).encode()
    async with house(tmp_path) as h:
        assert await h.profiles.resolve("Ben@X.example") == BEN_KEY
        assert await h.profiles.resolve("x.example") == CY_KEY
        assert h.courier.book.hints(BEN_KEY) == ("wss://ben.example",)
        with pytest.raises(InvalidCode, match="nobody"):
            await h.profiles.resolve("eve@x.example")
    urls = [url for url, _ in domain["asked"]]
    assert urls[0] == "https://x.example/.well-known/nostr.json?name=ben"
    for _, options in domain["asked"]:
        assert not options.get("redirects")  # NIP-05 forbids them
        assert not options["dial"].private


@pytest.mark.parametrize(
    ("answer", "valid", "state"),
    [
        ({"body": json.dumps({"names": {"ben": BEN_KEY}}).encode()}, True, "valid"),
        ({"body": json.dumps({"names": {"ben": CY_KEY}}).encode()}, False, "invalid"),
        ({"body": json.dumps({"names": {"ben": BEN_KEY.upper()}}).encode()}, False, "invalid"),
        ({"body": b'{"names":{"ben":7}}'}, False, "invalid"),
        ({"body": b'{"names":[]}'}, False, "invalid"),
        ({"body": b"<html>"}, None, "unreachable"),
        ({"body": b'{"names":{"ben\xff":"no UTF-8"}}'}, None, "unreachable"),
        ({"status": 302}, None, "unreachable"),
        ({"status": 404}, None, "unreachable"),
        ({"error": ConnectFailed("https://x.example", "dns")}, None, "unreachable"),
        ({"error": NostrError("too long")}, None, "unreachable"),
    ],
)
async def test_what_the_domain_says_is_the_state(
    tmp_path: Path, domain: Domain, answer: Domain, valid: bool | None, state: str
) -> None:
    domain |= answer
    async with house(tmp_path) as h:
        await h.keep(profile({"nip05": "ben@x.example"}))
        assert await h.profiles.check_nip05(BEN_KEY) is valid
        assert (await h.profiles.get(BEN_KEY)).nip05_state == state


async def test_an_answer_is_kept_for_a_while(tmp_path: Path, domain: Domain) -> None:
    domain["body"] = json.dumps({"names": {"ben": BEN_KEY}}).encode()
    async with house(tmp_path) as h:
        assert await h.profiles.check_nip05(BEN_KEY) is None  # no name to check
        await h.keep(profile({"nip05": "ben@x.example"}))
        for _ in range(3):
            assert await h.profiles.check_nip05(BEN_KEY)
        assert len(domain["asked"]) == 1
        h.clock.now += 4000
        domain["body"] = b'{"names":{}}'
        assert await h.profiles.check_nip05(BEN_KEY) is False
        await h.keep(profile({"nip05": "not a name"}, at=START + 1))
        assert await h.profiles.check_nip05(BEN_KEY) is False
        assert len(domain["asked"]) == 2
