"""`nostr-client account`: secrets come in by every door but the arguments, and never out."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pexpect
import pytest
from websockets.asyncio.client import connect

from nostr_client.exits import Exit
from nostr_client.nips import nip19, nip49
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.saved_relays import found_at
from tests.cli.conftest import LIMIT, PASSWORD, Home
from tests.cli.test_notes import put
from tests.conftest import StartRelay


def descriptor_with(text: str) -> int:
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    return reading


async def test_create_list_switch_remove(home: Home) -> None:
    empty = await home.run("account", "list")
    assert (empty.code, empty.out) == (0, "")
    assert "account create" in empty.err
    made = await home.run("account", "create", "--name", "ana", "--no-profile")
    assert made.code == 0
    npub = made.out.strip()
    assert npub.startswith("npub1")
    assert "Back it up" in made.err
    assert str(home.folder) in made.err, "it says where the key rests"
    other = (await home.run("account", "create", "--name", "ben", "--no-profile", "--json")).record
    assert other["protection"] == "password"
    listed = (await home.run("account", "list", "--json")).records
    assert [(a["name"], a["current"]) for a in listed] == [("ana", True), ("ben", False)]
    assert (await home.run("account", "switch", "ben")).code == 0
    assert (await home.run("account", "switch", npub[:20])).code == 0
    assert "* ana" in (await home.run("account", "list")).out
    kept = await home.run("account", "remove", "ana")
    assert kept.code == Exit.USAGE
    assert "only copy" in kept.err
    assert (await home.run("account", "remove", "ana", "--yes")).code == 0
    assert (await home.run("account", "remove", "ana", "--yes")).code == Exit.ERROR


async def test_the_name_of_a_new_account_is_its_profile(
    home: Home, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure([relay.url])
    made = await home.run("account", "create", "--name", "ana")
    assert made.code == 0
    assert f"{relay.url}: accepted" in made.err
    async with asyncio.timeout(LIMIT), connect(relay.url) as socket:
        await socket.send(json.dumps(["REQ", "x", {"kinds": [0]}]))
        event = json.loads(await socket.recv())[2]
    assert (event["content"], made.out.strip()) == (
        '{"name":"ana"}',
        nip19.encode_npub(event["pubkey"]),
    )


async def test_without_password_and_keyring_it_says_so_and_stores_nothing(home: Home) -> None:
    home.password = None
    done = await home.run("account", "create")
    assert done.code == Exit.LOCKED
    assert len(done.err.splitlines()) == 1
    assert "--password-fd" in done.err
    assert not list(home.folder.rglob("*.json"))
    refused = await home.run("account", "create", "--keyring")
    assert refused.code == Exit.ERROR
    assert "no key store that encrypts" in refused.err


async def test_a_password_comes_by_descriptor(home: Home) -> None:
    home.password = None
    number = descriptor_with("from a pipe\n")
    done = await home.run(
        *("account", "create", "--password-fd", str(number)), descriptors=[number]
    )
    os.close(number)
    assert done.code == 0, done.err
    home.password = "from a pipe"
    code = (await home.run("account", "export", "--json")).record["ncryptsec"]
    assert nip49.decrypt(code, "from a pipe").public_key.hex == nip19_hex(done.out.strip())
    bad = await home.run("account", "export", "--password-fd", "77")
    assert bad.code == Exit.USAGE


@pytest.mark.parametrize("form", ["nsec", "hex", "ncryptsec"])
async def test_import_takes_every_form(home: Home, key: SecretKey, form: str) -> None:
    text = {
        "nsec": nip19.encode_nsec(key),
        "hex": bytes(key).hex(),
        "ncryptsec": nip49.encrypt(key, PASSWORD, 4),
    }[form]
    done = await home.run("account", "import", given=f"{text}\n")
    assert done.code == 0, done.err
    assert nip19_hex(done.out.strip()) == key.public_key.hex


async def test_import_by_descriptor(home: Home, key: SecretKey) -> None:
    number = descriptor_with(nip19.encode_nsec(key))
    done = await home.run("account", "import", "--secret-fd", str(number), descriptors=[number])
    os.close(number)
    assert done.code == 0, done.err


async def test_what_cannot_be_imported(home: Home, key: SecretKey) -> None:
    nsec = nip19.encode_nsec(key)
    for text, code in (
        (nsec[:-2], Exit.USAGE),
        (nip49.encrypt(key, "another", 4), Exit.LOCKED),
    ):
        done = await home.run("account", "import", given=text)
        assert done.code == code, done.err
        assert not done.out
        assert len(done.err.splitlines()) == 1
        assert not text or text not in done.err
    assert (await home.run("account", "list")).out == ""


async def test_the_relays_in_an_nprofile_are_asked(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    """A watched account is found there, and at a relay that is added to it."""
    near, other = await start_relay(), await start_relay()
    pubkey = key.public_key.hex
    await put(near.url, Draft(0, '{"name":"ben"}', created_at=1_700_000_000), key)
    code = nip19.encode_nprofile(pubkey, [near.url])
    assert (await home.run("account", "watch", code, "--name", "ben")).code == 0
    assert (await home.run("profile", "--json")).record["name"] == "ben"
    added = await home.run("relays", "add", other.url, "--json")
    assert (added.code, added.record) == (0, {"changed": True, "published": False}), added.err
    assert found_at(home.paths.data, pubkey).read() == (near.url, other.url)


async def test_watching(home: Home, key: SecretKey) -> None:
    npub = nip19.encode_npub(key.public_key.hex)
    done = await home.run("account", "watch", npub, "--name", "ben")
    assert (done.code, done.out.strip()) == (0, npub)
    refused = await home.run("post", "as ben")
    assert refused.code == Exit.LOCKED
    assert "watch-only" in refused.err
    assert (await home.run("account", "remove", "ben")).code == 0, "no key, no question"
    assert (await home.run("account", "watch", "npub1nonsense")).code == Exit.USAGE


async def test_a_wrong_password_is_5(home: Home, key: SecretKey) -> None:
    await home.import_key(key)
    home.password = "wrong"
    done = await home.run("post", "hello")
    assert done.code == Exit.LOCKED
    assert len(done.err.splitlines()) == 1
    home.password = None
    done = await home.run("post", "hello")
    assert done.code == Exit.LOCKED
    assert "NOSTR_CLIENT_PASSWORD" in done.err


async def test_no_account_is_5(home: Home) -> None:
    done = await home.run("post", "hello")
    assert done.code == Exit.LOCKED
    assert "account create" in done.err


async def test_nothing_secret_is_ever_seen(home: Home, key: SecretKey) -> None:
    """Every output, every file and every argument list, while the key is at work."""
    nsec, text = nip19.encode_nsec(key), bytes(key).hex()
    home.warm = None  # each has an argument list
    seen: set[bytes] = set()

    async def look() -> None:
        while True:
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes())
                except OSError:
                    continue
            await asyncio.sleep(0.05)  # a command runs for ten times as long

    looking = asyncio.create_task(look())
    await home.run("account", "import", "--name", "ana", given=nsec)
    for command in (
        ("account", "list", "--json"),
        ("account", "export"),
        ("account", "switch", "nobody", "--debug"),
        ("post", "hello", "--debug", "--no-own-relay"),
        ("account", "import", "--debug"),
    ):
        await home.run(*command, given=nsec if command[1] == "import" else "")
    looking.cancel()
    printed = "\n".join(home.said).encode()
    kept = b"\n".join(p.read_bytes() for p in home.folder.rglob("*") if p.is_file())
    for secret in (nsec, text, PASSWORD):
        for where in (printed, kept, *seen):
            assert secret.encode() not in where
    assert any(b"nostr_client" in line for line in seen), "the look-out was awake"


class TestOnATerminal:
    """The same with somebody at the keyboard."""

    def spawn(self, home: Home, *arguments: str) -> pexpect.spawn[str]:
        import sys

        environment = home.environment
        environment.pop("NOSTR_CLIENT_PASSWORD", None)
        return pexpect.spawn(
            sys.executable,
            ["-m", "nostr_client", *arguments],
            env=environment,  # type: ignore[arg-type]
            encoding="utf-8",
            timeout=90,
        )

    def test_a_new_password_is_asked_twice_and_not_shown(self, home: Home) -> None:
        child = self.spawn(home, "account", "create", "--name", "ana", "--no-profile")
        child.expect("New password for this key: ")
        child.sendline("open sesame, please")
        child.expect("Once more: ")
        child.sendline("something else")
        child.expect("The two differ")
        child.expect("New password for this key: ")
        child.sendline("open sesame, please")
        child.expect("Once more: ")
        child.sendline("open sesame, please")
        child.expect("npub1")
        child.expect(pexpect.EOF)
        assert "sesame" not in (child.before or "")
        child.close()
        assert child.exitstatus == 0

    def test_ctrl_c_at_the_prompt_is_130_and_stores_nothing(self, home: Home) -> None:
        child = self.spawn(home, "account", "create")
        child.expect("New password for this key: ")
        # Python loses a signal that comes just before it waits for input: then one presses again.
        while child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 1:
            child.sendintr()
        child.close()
        assert child.exitstatus == Exit.INTERRUPTED
        assert not list((home.folder / "data").rglob("*.json"))

    def test_removing_asks(self, home: Home) -> None:
        made = asyncio.run(home.run("account", "create", "--name", "ana", "--no-profile"))
        assert made.code == 0, made.err
        for answer, code, left in (("n", Exit.ERROR, 1), ("y", Exit.DONE, 0)):
            child = self.spawn(home, "account", "remove", "ana")
            child.expect("only copy.*N] ")
            child.sendline(answer)
            child.expect(pexpect.EOF)
            child.close()
            assert child.exitstatus == code
            assert len(list((home.folder / "data" / "accounts").glob("*.json"))) == left


def nip19_hex(npub: str) -> str:
    code = nip19.decode(npub)
    assert isinstance(code, nip19.Npub)
    return code.pubkey
