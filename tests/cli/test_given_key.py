"""A key that a script gives for one run: it signs as itself, and is left nowhere."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from nostr_client.cli.context import ClientContext
from nostr_client.cli.secret_input import KEY_VARIABLE
from nostr_client.exits import Exit
from nostr_client.nips import nip19, nip49
from nostr_client.protocol.keys import SecretKey
from tests.accounts.bunkers import ACCOUNT, FakeBunker, Switchboard
from tests.cli.conftest import PASSWORD, Home
from tests.cli.protocol.in_process import said
from tests.cli.test_account import descriptor_with
from tests.routing.moody import Relay

KEY, OTHER = SecretKey(b"\x2c" * 32), SecretKey(b"\x2d" * 32)
NSEC, CODE = nip19.encode_nsec(KEY), nip49.encrypt(KEY, PASSWORD, 4)


def forms_left(home: Home) -> list[str]:
    """The files that hold the key in some form."""
    forms = NSEC.encode(), bytes(KEY).hex().encode(), bytes(KEY)
    files = [path for path in home.folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if any(form in path.read_bytes() for form in forms)]


async def test_it_signs_and_is_not_kept(home: Home) -> None:
    async with Relay() as relay:
        home.configure([relay.url])
        await home.import_key(OTHER, "ben")
        posted = await home.run("post", "hello", "--json", NOSTR_CLIENT_KEY=NSEC)
        assert posted.code == 0, posted.err
        assert posted.record["pubkey"] == KEY.public_key.hex
        for words, code in (
            (("dm", "relays", "--set", relay.url, "--start-empty"), 0),
            (("dm", "send", nip19.encode_npub(KEY.public_key.hex), "to myself"), 0),
            (("dm", "list", "--json"), 0),
            (("follow", nip19.encode_npub(OTHER.public_key.hex), "--start-empty"), 0),
            (("bunker", "invite", "--relay", relay.url), 0),
            (("account", "export"), Exit.USAGE),
        ):
            done = await home.run(*words, NOSTR_CLIENT_KEY=NSEC)
            assert done.code == code, done.err
        follows = await home.run("follows", "--json", NOSTR_CLIENT_KEY=NSEC)
        assert [one["pubkey"] for one in follows.records] == [OTHER.public_key.hex]
        # It is a key of this machine from now on: no account here may publish it.
        leak = await home.run("post", f"look: {bytes(KEY).hex()}")
        assert (leak.code, relay.url in leak.err) == (Exit.USAGE, False)
        assert "of an account of yours" in leak.err
    assert forms_left(home) == []
    listed = (await home.run("account", "list", "--json")).records
    assert [(one["name"], one["current"]) for one in listed] == [("ben", True)]


async def test_the_account_of_the_same_key_is_the_one_that_acts(home: Home) -> None:
    """By whatever door it comes, the list says who acts, and whence the key is."""
    await home.import_key(KEY, "ana")
    for given in (NSEC, CODE, f"{bytes(KEY).hex()}\n"):
        listed = await home.run("account", "list", "--json", NOSTR_CLIENT_KEY=given)
        (one,) = listed.records
        assert (one["name"], one["protection"], one["current"]) == ("ana", "given", True)
        assert one["key_from"] == "$NOSTR_CLIENT_KEY"
    reading = descriptor_with(NSEC)
    number = str(reading)
    done = await home.run("account", "list", "--key-fd", number, descriptors=[reading])
    os.close(reading)
    assert done.out == (
        f"* ana  {nip19.encode_npub(KEY.public_key.hex)}  given by --key-fd {number}, not kept\n"
    )
    wanted = await home.run("relays", "auth", "allow", "wss://a.example", NOSTR_CLIENT_KEY=NSEC)
    assert "told that ana asks" in wanted.out
    plain = await home.run("relays", "auth", "--json")
    assert [one["relay"] for one in plain.records] == ["wss://a.example"], "the account's own"


async def test_what_cannot_be_meant_is_said(home: Home) -> None:
    await home.import_key(OTHER, "ben")
    npub = nip19.encode_npub(KEY.public_key.hex)
    gate = asyncio.Semaphore(3)

    async def refused(words: str, code: int, *more: str, **environment: str) -> None:
        async with gate:
            done = await home.run("account", "list", *more, **environment)
            assert (done.code, done.out) == (code, ""), words
            assert words in done.err
            assert NSEC not in done.err

    await asyncio.gather(
        refused("$NOSTR_CLIENT_KEY: it is empty", Exit.LOCKED, NOSTR_CLIENT_KEY=""),
        refused("public key", Exit.LOCKED, NOSTR_CLIENT_KEY=npub),
        refused("several keys", Exit.LOCKED, NOSTR_CLIENT_KEY=f"{NSEC} {CODE}"),
        refused("take one", Exit.USAGE, "--key-fd", "9", NOSTR_CLIENT_KEY=NSEC),
        refused("nothing can be read", Exit.USAGE, "--key-fd", "9"),
        refused("", Exit.LOCKED, NOSTR_CLIENT_KEY=CODE, NOSTR_CLIENT_PASSWORD="not it"),
        refused(
            "a password is needed", Exit.LOCKED, NOSTR_CLIENT_KEY=CODE, NOSTR_CLIENT_PASSWORD=""
        ),
    )
    both = await home.run("post", "x", "--account", "ben", NOSTR_CLIENT_KEY=NSEC)
    assert both.code == Exit.USAGE
    assert "--account" in both.err


def test_no_child_inherits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nostr_client.cli.context.keep_log", lambda path: None)
    monkeypatch.setenv(KEY_VARIABLE, NSEC)
    context = ClientContext()
    assert KEY_VARIABLE not in os.environ
    given = context.given_key
    assert given is not None
    assert given.key == KEY
    assert NSEC not in json.dumps([repr(given), repr(context), repr(context._from_environment)])
    assert bytes(KEY).hex() not in repr(given)


async def test_a_signer_of_any_sort_by_one_string(home: Home, tmp_path: Path) -> None:
    """`--signer` takes what `signer_from` takes, and keeps nothing of it."""
    me, npub = KEY.public_key.hex, nip19.encode_npub(KEY.public_key.hex)
    await home.import_key(OTHER, "ben")
    file = tmp_path / "key"
    file.write_text(NSEC)

    async def signed(what: str, *descriptors: int) -> str:
        done = await home.run("event", "-c", "x", "--signer", what, descriptors=descriptors)
        assert done.code == 0, done.err
        return str(done.record["pubkey"])

    assert await signed(f"file:{file}") == me
    assert await signed("ben") == OTHER.public_key.hex
    reading = descriptor_with(CODE)
    assert await signed(f"fd:{reading}", reading) == me
    os.close(reading)
    listed = await home.run("account", "list", "--json", "--signer", f"file:{file}")
    assert [(one["npub"], one["current"]) for one in listed.records] == [
        (npub, True),
        (nip19.encode_npub(OTHER.public_key.hex), False),
    ]
    assert listed.records[0]["key_from"] == f"--signer file:{file}"
    named = await home.run("account", "list", "--json", "--signer", "ben")
    assert [(one["name"], one["current"]) for one in named.records] == [("ben", True)]
    watched = await home.run("event", "-c", "x", "--signer", npub)
    assert (watched.code, "watch-only" in watched.err) == (Exit.LOCKED, True)
    assert forms_left(home) == []


async def test_a_bunker_by_its_address(home: Home, tmp_path: Path) -> None:
    """Its secret stands in no argument: in a file, say."""
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        (tmp_path / "address").write_text(bunker.uri.format())
        done = await home.run("event", "-c", "x", "--signer", f"file:{tmp_path / 'address'}")
        assert done.code == 0, done.err
        assert done.record["pubkey"] == ACCOUNT.public_key.hex
        assert [event.content for event in bunker.signed] == ["x"]
        refused = await home.run("event", "-c", "x", "--signer", bunker.uri.format())
        assert (refused.code, "fd:N or file:PATH" in refused.err) == (Exit.USAGE, True)
    assert not [text for text in home.said if bunker.secret in text]
    assert (await home.run("account", "list", "--json")).records == []


@pytest.mark.parametrize("secret", [NSEC, f"nostr:{NSEC}", CODE, bytes(KEY).hex(), f"file:{NSEC}"])
def test_a_secret_that_is_the_argument_is_refused(
    secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path))
    done = said("event", "-c", "x", "--signer", secret)
    assert (done.code, done.out) == (Exit.USAGE, "")
    assert "SECRET key" in done.err or "secret key: give an npub" in done.err
    assert secret.removeprefix("nostr:").removeprefix("file:") not in done.err
    both = said("event", "-c", "x", "--signer", "ben", "--key-fd", "9")
    assert (both.code, "take one" in both.err) == (Exit.USAGE, True)
