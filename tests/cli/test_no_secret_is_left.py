"""After every flow the secret stands nowhere: not in what was said, in no file, in no process."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import sys
from pathlib import Path

import pytest

from nostr_client.nips import nip06, nip19, nip49
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import PASSWORD, Home
from tests.conftest import RelayProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
PHRASE = "leader monkey parrot ring guide accident before fence cannon height naive bean"
KEY = nip06.secret_key(PHRASE)
FORMS = {
    "nsec": nip19.encode_nsec(KEY).encode(),
    "hex": bytes(KEY).hex().encode(),
    "HEX": bytes(KEY).hex().upper().encode(),
    "raw": bytes(KEY),
    "base64": base64.b64encode(bytes(KEY))[:40],
    "words": b"leader monkey parrot",
    "password": PASSWORD.encode(),
}
CODE = nip49.encrypt(KEY, PASSWORD, 4)
IMPORTS = {
    "nsec": nip19.encode_nsec(KEY),
    "hex": bytes(KEY).hex(),
    "ncryptsec": CODE,
    "words": PHRASE,
    "an export": f"npub: {nip19.encode_npub(KEY.public_key.hex)}\nnsec: {nip19.encode_nsec(KEY)}\n",
}


def found_in(data: bytes) -> list[str]:
    return [name for name, secret in FORMS.items() if secret in data]


def left_by(home: Home) -> list[str]:
    """Where a form of the secret is left: in files (WAL, logs, drafts), or in what was said."""
    left = [f"said: {name}" for text in home.said for name in found_in(text.encode())]
    for file in home.folder.rglob("*"):
        if file.is_file():
            left += [f"{file}: {name}" for name in found_in(file.read_bytes())]
    return left


def test_it_would_be_found(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for number, secret in enumerate(FORMS.values()):
        (tmp_path / f"file-{number}.db-wal").write_bytes(b"before" + secret + b"behind")
    home.said.append(f"error: {nip19.encode_nsec(KEY)}")
    assert len(left_by(home)) == len(FORMS) + 1


@pytest.mark.parametrize("form", IMPORTS)
async def test_after_every_flow_of_a_key(form: str, tmp_path: Path, relay: RelayProcess) -> None:
    home = Home(tmp_path / "home")
    home.configure([relay.url])
    ben = nip19.encode_npub(SecretKey(b"\x02" * 32).public_key.hex)
    done = await home.run("account", "import", "--name", "ana", given=IMPORTS[form])
    assert done.code == 0, done.err
    for arguments, code in (
        (("post", "hello"), 0),
        (("feed", "--json"), 0),
        (("dm", "relays", "--set", relay.url, "--start-empty"), 0),
        (("dm", "send", nip19.encode_npub(KEY.public_key.hex), "to myself"), 0),
        (("dm", "list", "--debug"), 0),
        (("mute", "add", ben, "--start-empty"), 0),
        (("account", "export"), 0),
        (("account", "export", "--plain"), 2),
        (("post", f"my key is {nip19.encode_nsec(KEY)}"), 2),
        (("dm", "send", ben, f"take {bytes(KEY).hex()}"), None),
        (("post", "x", "--account", "nobody", "--debug"), 5),
    ):
        done = await home.run(*arguments)
        assert code is None or done.code == code, (arguments, done.err)
    done = await home.run("post", "locked out", NOSTR_CLIENT_PASSWORD="not it")
    assert done.code == 5, done.err
    assert left_by(home) == []


async def test_a_process_that_holds_the_key_shows_it_to_nobody(
    tmp_path: Path, relay: RelayProcess
) -> None:
    """The password comes by a descriptor; killed so that it would dump its core, it leaves none."""
    home = Home(tmp_path / "home")
    home.configure([relay.url])
    assert (await home.run("account", "import", "--name", "ana", given=CODE)).code == 0
    assert (await home.run("dm", "relays", "--set", relay.url, "--start-empty")).code == 0
    home.password = None
    reading, writing = os.pipe()
    os.write(writing, PASSWORD.encode())
    os.close(writing)
    process = await home.start(
        "dm", "await", "--timeout", "60", "--password-fd", str(reading), descriptors=[reading]
    )
    os.close(reading)
    folder = Path(f"/proc/{process.pid}")
    try:
        async with asyncio.timeout(60):
            # It has unlocked the account once there is a file for what it opens.
            while not list(home.paths.data.glob("messages-*.sealed")):
                await asyncio.sleep(0.05)
        assert found_in((folder / "cmdline").read_bytes()) == []
        if os.access(folder / "environ", os.R_OK):
            assert found_in((folder / "environ").read_bytes()) == []
        limits = (folder / "limits").read_text()
        (cores,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert cores.split()[4] == "0"
    finally:
        process.send_signal(signal.SIGABRT)
        out, err = await process.communicate()
    home.said += [out.decode(), err.decode()]
    assert not list(tmp_path.rglob("core*"))
    assert not list(Path.cwd().glob("core*"))
    assert left_by(home) == []
