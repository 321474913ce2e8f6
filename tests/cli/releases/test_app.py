"""`nostr-client app`: releases, without any store, registry or host."""

from __future__ import annotations

import asyncio
import ensurepip
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import StoreError
from nostr_client.exits import Exit
from nostr_client.nips.nip19 import encode_npub
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.releases.installation import Installation
from nostr_client.releases.key_change import KeyChange, changes_from
from nostr_client.releases.origin import ReleaseKeys
from nostr_client.version import __version__
from tests.cli.conftest import DEAD, LIMIT, Home
from tests.cli.protocol.in_process import said
from tests.conftest import StartRelay
from tests.releases.made import (
    KEYS,
    NEXT,
    OFFLINE,
    RELEASER,
    STRANGER,
    bundle,
    events_of,
    key_change,
    tree_of,
    with_sidecar,
)
from tests.social.media.blossom_host import blossom_host

NPUB, OFFLINE_NPUB, NEXT_NPUB = (
    encode_npub(key.public_key.hex) for key in (RELEASER, OFFLINE, NEXT)
)
BORN = {"app": KEYS.app, "release_key": KEYS.release_key, "offline_key": KEYS.offline_key}


def real_pip() -> Path:
    """The one that Python itself carries along."""
    found = sorted((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    if not found:
        pytest.skip("this Python carries no pip along")
    return found[0]


def app_of(home: Home) -> Path:
    return home.folder / "data" / "app"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home, for commands that run in this process."""
    home = tmp_path / "home"
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(home))
    return home


def test_whose_a_file_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = bundle(tmp_path, "0.2.0")
    shown = said("app", "show")
    assert (shown.code, "born without a release key" in shown.out) == (0, True)
    with_sidecar(file, events_of(file, "0.2.0"))
    keyless = said("app", "verify", str(file), "--offline", "--json")
    [told] = keyless.faults
    assert (keyless.code, told["refused"]) == (Exit.ERROR, "keyless")
    assert told["signed_by"] == [KEYS.release_key]
    update = said("app", "update", "--from", str(file), "--json")
    assert (update.code, update.faults[0]["refused"]) == (Exit.ERROR, "keyless")
    assert not (folder / "data").exists()

    named = said("app", "trust", NPUB, "--offline", OFFLINE_NPUB)
    assert (named.code, named.err) == (0, "")
    other = said("app", "trust", NEXT_NPUB)
    assert (other.code, "another key follows only where" in other.err) == (Exit.USAGE, True)
    with monkeypatch.context() as read_only:

        def refuse(*_: object) -> None:
            raise StoreError("cannot write")

        read_only.setattr(Installation, "remember", refuse)
        assert said("app", "verify", str(file), "--offline").code == 0
        assert said("app", "update", "--from", str(file), "--json").code == Exit.ERROR
    [good] = said("app", "verify", str(file), "--offline", "--json").records
    assert (good["version"], good["signed_by"]) == ("0.2.0", KEYS.release_key)
    assert good["born_key"]
    plain = said("app", "verify", str(file), "--offline")
    assert NPUB in plain.out
    other_file = str(bundle(tmp_path / "other", "0.2.1"))
    with_sidecar(Path(other_file), events_of(Path(other_file), "0.2.1", key=STRANGER))
    before = tree_of(folder)
    for command in (("verify", other_file, "--offline"), ("update", "--from", other_file)):
        forged = said("app", *command, "--json")
        assert (forged.code, forged.faults[0]["refused"]) == (Exit.ERROR, "other-key")
        assert forged.faults[0].keys() == told.keys(), "whatever the refusal"
        if command[0] == "verify":
            assert forged.faults[0]["signed_by"] == [STRANGER.public_key.hex]
    nobody = said("app", "update", "--from", "http://127.0.0.1:9")
    assert nobody.code == Exit.NO_ANSWER, nobody.err
    assert said("app", "rollback").code == Exit.NOT_FOUND
    assert said("app", "share", "--host", "127.0.0.1").code == Exit.NOT_FOUND
    assert said("app", "share", "--host", "0.0.0.0").code == Exit.USAGE
    assert tree_of(folder) == before


@pytest.mark.usefixtures("folder")
def test_a_release_key_alone_is_told_of() -> None:
    alone = said("app", "trust", NPUB)
    assert (alone.code, "no offline key was named" in alone.err) == (0, True)
    assert said("app", "trust", NPUB, "--quiet").err == ""


def test_a_key_is_changed_by_two(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each signs on its own machine; neither event is sent anywhere."""
    signed = []
    for key in (RELEASER, OFFLINE):
        monkeypatch.setenv("NOSTR_CLIENT_KEY", bytes(key).hex())
        done = said("app", "change-key", NEXT_NPUB, "--offline", OFFLINE_NPUB, "--old", NPUB)
        assert done.code == 0, done.err
        signed.append(Event.parse(done.out.strip()))
    assert all(event.verify() for event in signed)
    made = ReleaseKeys(release_key=NEXT.public_key.hex, offline_key=KEYS.offline_key)
    assert changes_from(KEYS, signed) == [KeyChange(KEYS.release_key, made)]


@asynccontextmanager
async def sharing(home: Home) -> AsyncIterator[str]:
    """A neighbour who shares what is carried."""
    process = await home.start("app", "share", "--host", "127.0.0.1", "--json")
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), LIMIT)
        assert line, (await process.communicate())[1].decode()
        yield json.loads(line)["url"]
    finally:
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), LIMIT)
        assert process.returncode == Exit.INTERRUPTED


@pytest.mark.slow
async def test_the_drill(home: Home, start_relay: StartRelay, tmp_path: Path, warm: Any) -> None:
    """A release is published. Then relays, media servers and registries are gone: a neighbour's
    machine is enough. What is forged, stale or half changes nothing."""
    maker, victim = home, Home(tmp_path / "victim", warm=warm)
    first, second = await start_relay(), await start_relay()
    maker.configure([first.url])
    await maker.import_key(RELEASER, "release")
    pip = real_pip()
    file = bundle(tmp_path / "new", "0.2.0", keys=BORN, pip=pip)
    other = bundle(tmp_path / "wrong", "0.2.0", keys={**BORN, "release_key": "a" * 64}, pip=pip)
    neighbour = Home(tmp_path / "neighbour", warm=warm)
    for each in (neighbour, victim):
        each.configure([first.url])
        assert (await each.run("app", "trust", NPUB, "--offline", OFFLINE_NPUB)).code == 0

    async with blossom_host() as one, blossom_host() as two:
        servers = [f"http://127.0.0.1:{each.port}" for each in (one, two)]
        to = [word for url in servers for word in ("--to", url)]
        wrong = await maker.run("app", "publish", str(other), *to)
        assert (wrong.code, "another release key" in wrong.err) == (Exit.USAGE, True)
        assert one.blobs == {}
        published = await maker.run(
            *("app", "publish", str(file), "--notes", "The first.", "--relay", second.url),
            *(*to, "--json"),
        )
        assert published.code == 0, published.err
        record, *events = published.records
        assert len(record["urls"]) == 2
        assert [each["kind"] for each in events] == [3063, 30063, 32267]
        assert all(set(each["accepted"]) == {first.url, second.url} for each in events)
        assert one.blobs == two.blobs

        alone = tmp_path / "alone.pyz"
        alone.write_bytes(file.read_bytes())
        proven = await victim.run("app", "verify", str(alone), "--json")
        assert (proven.code, proven.record["signed_by"]) == (0, KEYS.release_key), proven.err
        carried = await neighbour.run("app", "carry", "--json")
        assert carried.code == 0, carried.err
        assert carried.record["version"] == "0.2.0"

    # Everybody is gone but the neighbour.
    await first.kill()
    await second.kill()
    for each in (neighbour, victim):
        each.configure([DEAD])
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    async with sharing(neighbour) as url:
        taken = await victim.run("app", "update", "--from", url, "--json", **nowhere)
        assert taken.code == 0, taken.err
        assert (taken.record["version"], taken.record["before"]) == ("0.2.0", None)
        assert await said_by(Path(taken.record["path"])) == "nostr-client 0.2.0\n"
        assert await refusal(victim, url) == "downgrade"

    # The same by the neighbour's own relay, for the next one, which lies nowhere but on a stick.
    newer = bundle(tmp_path / "newer", "0.3.0", keys=BORN, pip=pip)
    with_sidecar(newer, events_of(newer, "0.3.0", at=1_790_000_000))
    own = await start_relay()
    neighbour.configure([own.url])
    await neighbour.import_key(SecretKey.generate(), "ben")
    kept = await neighbour.run("app", "carry", "--from", str(newer), "--to", own.url, "--json")
    assert (kept.code, kept.record["given"]) == (0, {own.url: True}), kept.err
    newer.with_name(f"{newer.name}.jsonl").unlink()
    assert await refusal(victim, str(newer)) == "unsigned"
    half = tmp_path / "half.pyz"
    half.write_bytes(newer.read_bytes()[:-1])
    assert await refusal(victim, str(half), own.url) == "unsigned"
    done = await victim.run(
        *("app", "update", "--from", str(newer), "--from", own.url, "--json"), **nowhere
    )
    assert (done.code, done.record["before"]) == (0, "0.2.0"), done.err
    launcher = Path(done.record["path"])
    assert await said_by(launcher) == "nostr-client 0.3.0\n"
    assert await refusal(victim, str(file)) == "downgrade"

    back = await victim.run("app", "rollback", "--json")
    assert (back.record["version"], back.record["before"]) == ("0.2.0", "0.3.0")
    assert await said_by(launcher) == "nostr-client 0.2.0\n"
    between = bundle(tmp_path / "between", "0.2.5", keys=BORN, pip=pip)
    with_sidecar(between, events_of(between, "0.2.5"))
    assert await refusal(victim, str(between)) == "stale"

    # Another key follows: by two keys, and by a person's word.
    last = bundle(tmp_path / "last", "0.4.0", keys={**BORN, "release_key": "a" * 64}, pip=pip)
    with_sidecar(last, [*events_of(last, "0.4.0", key=NEXT), *key_change(RELEASER, OFFLINE)])
    asked = await victim.run("app", "update", "--from", str(last), "--json")
    assert (asked.code, json.loads(asked.err)["refused"]) == (Exit.USAGE, "key-change")
    agreed = await victim.run("app", "update", "--from", str(last), "--new-key", NEXT_NPUB)
    assert agreed.code == 0, agreed.err
    assert await said_by(launcher) == "nostr-client 0.4.0\n"
    shown = (await victim.run("app", "show", "--json")).record
    assert shown["release_key"] == NEXT.public_key.hex
    assert (shown["version"], shown["in_use"]) == (__version__, "0.4.0")


async def refusal(home: Home, *places: str) -> str:
    """Why it is refused; nothing of the installation has changed."""
    before = tree_of(app_of(home))
    words = [word for place in places for word in ("--from", place)]
    done = await home.run("app", "update", *words, "--json")
    assert done.code == Exit.ERROR, done.out
    assert tree_of(app_of(home)) == before
    return str(json.loads(done.err.splitlines()[-1])["refused"])


async def said_by(launcher: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        launcher, "--version", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), LIMIT)
    return out.decode()


KILLED = """\
import os, signal, sys

step, file, root = int(sys.argv[1]), sys.argv[2], sys.argv[3]
writing = os.O_WRONLY | os.O_RDWR
steps = ("os.rename", "os.mkdir", "os.symlink", "os.rmdir", "subprocess.Popen")
seen = 0

def count(event, given):
    global seen
    opened = event == "open" and isinstance(given[2], int) and given[2] & writing
    if (opened or event in steps) and any(root in str(each) for each in given[:2]):
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(count)
from nostr_client.cli.app import run_command
sys.exit(run_command(["app", "update", "--from", file]))
"""
"""Kills itself right before it changes something in the folder for the so many-th time."""
STEPS = (2, 5, 7, 12, 15, 22, 23, 24, 25, 26, *range(2, 20))
"""Before the wheels, the environment, pip and the trial; and once more from the beginning, when the
environment is there: before what is known is written, and the switch."""


@pytest.mark.slow
async def test_killed_at_any_step_it_is_the_old_one_or_the_new_one(
    home: Home, tmp_path: Path
) -> None:
    pip = real_pip()
    first, second = (
        with_sidecar(made, events_of(made, version))
        for version in ("0.2.0", "0.3.0")
        for made in [bundle(tmp_path / version, version, keys=BORN, pip=pip)]
    )
    assert (await home.run("app", "trust", NPUB)).code == 0
    done = await home.run("app", "update", "--from", str(first), "--json")
    assert done.code == 0, done.err
    launcher, ends = Path(done.record["path"]), []
    for step in STEPS:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", KILLED, str(step), str(second), str(app_of(home))),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=home.environment,
        )
        _, err = await asyncio.wait_for(process.communicate(), LIMIT)
        ends.append(process.returncode)
        assert process.returncode in (0, -signal.SIGKILL), err.decode()
        version = await said_by(launcher)
        assert version in ("nostr-client 0.2.0\n", "nostr-client 0.3.0\n")
        # Killed after the switch it is the new one, with something left to be cleaned up.
        assert process.returncode or version == "nostr-client 0.3.0\n"
        if version == "nostr-client 0.3.0\n":
            break
    assert ends.count(-signal.SIGKILL) > 12
    assert version == "nostr-client 0.3.0\n"
    assert (await home.run("app", "rollback")).code == 0
    assert await said_by(launcher) == "nostr-client 0.2.0\n"
