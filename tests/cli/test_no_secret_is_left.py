"""After every flow the secret stands nowhere: not in what was said, in no file, in no process.

That the search finds what is there is shown in `tests/test_left_secrets.py`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from nostr_client.accounts.keyfiles import KeyFiles
from nostr_client.bunker.files import BunkerFiles
from nostr_client.nips import nip06, nip19, nip49
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from tests.cli.conftest import LIMIT, PASSWORD, Home
from tests.cli.test_account import descriptor_with
from tests.conftest import RelayProcess
from tests.left_secrets import Forms, forms_of, in_data, in_folders, in_process, in_texts

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]
PHRASE = "leader monkey parrot ring guide accident before fence cannon height naive bean"
KEY = nip06.secret_key(PHRASE)
NSEC, NPUB = nip19.encode_nsec(KEY), nip19.encode_npub(KEY.public_key.hex)
FORMS = forms_of(KEY) | {"words": b"leader monkey parrot", "password": PASSWORD.encode()}
CODE = nip49.encrypt(KEY, PASSWORD, 4)
BEN = nip19.encode_npub(SecretKey(b"\x02" * 32).public_key.hex)
IMPORTS = {
    "nsec": NSEC,
    "hex": bytes(KEY).hex(),
    "ncryptsec": CODE,
    "words": PHRASE,
    "an export": f"npub: {NPUB}\nnsec: {NSEC}\n",
    "bytes": json.dumps({"secretKey": list(bytes(KEY))}),
}


def left_by(home: Home, *folders: Path, forms: Forms = FORMS) -> list[str]:
    """Where a form of the secret is left: with this person, or in the `folders` of others."""
    return in_texts(forms, home.said) + in_folders(forms, home.folder, *folders)


async def go_through(home: Home, relay: RelayProcess, **environment: str) -> None:
    """What one does with an account; and what is refused, with the secret in its arguments."""
    for arguments, code in (
        (("post", "hello"), 0),
        (("feed", "--json"), 0),
        (("dm", "relays", "--set", relay.url, "--start-empty"), 0),
        (("dm", "send", NPUB, "to myself"), 0),
        (("dm", "list", "--debug"), 0),
        (("mute", "add", BEN, "--start-empty"), 0),
        (("account", "export", "--plain"), 2),
        (("post", f"my key is {NSEC}"), 2),
        (("dm", "send", NPUB, f"take {bytes(KEY).hex()}"), 2),
    ):
        done = await home.run(*arguments, **environment)
        assert done.code == code, (arguments, done.err)


@pytest.mark.parametrize("form", IMPORTS)
async def test_after_every_flow_of_a_key(form: str, tmp_path: Path, relay: RelayProcess) -> None:
    home = Home(tmp_path / "home")
    home.configure([relay.url])
    done = await home.run("account", "import", "--name", "ana", given=IMPORTS[form])
    assert done.code == 0, done.err
    await go_through(home, relay)
    for arguments, code in (
        (("account", "export"), 0),
        (("post", "x", "--account", "nobody", "--debug"), 5),
    ):
        done = await home.run(*arguments)
        assert done.code == code, (arguments, done.err)
    done = await home.run("post", "locked out", NOSTR_CLIENT_PASSWORD="not it")
    assert done.code == 5, done.err
    assert left_by(home, relay.data) == []


@pytest.mark.parametrize("given", [NSEC, CODE], ids=["nsec", "ncryptsec"])
async def test_after_every_flow_of_a_key_that_is_not_kept(
    given: str, tmp_path: Path, relay: RelayProcess
) -> None:
    """No child has it: the own relay is one, which outlives the command."""
    home = Home(tmp_path / "home")
    home.configure([relay.url], own_relay=True)
    try:
        await go_through(home, relay, NOSTR_CLIENT_KEY=given)
        reading = descriptor_with(given)
        by_descriptor = ("post", "again", "--key-fd", str(reading))
        done = await home.run(*by_descriptor, descriptors=[reading])
        os.close(reading)
        assert done.code == 0, done.err
        own = (await home.run("own-relay", "--json")).record
        assert own["running"]
        assert in_process(FORMS, own["pid"]) == []
        seen = in_process({"of ours": b"PATH="}, own["pid"])
        assert seen == ["environ: of ours"], "it would be seen"
    finally:
        await home.run("own-relay", "stop")
    assert left_by(home, relay.data) == []


async def test_a_process_that_holds_the_key_shows_it_to_nobody(
    tmp_path: Path, relay: RelayProcess
) -> None:
    """The password comes by a descriptor; killed so that it would dump its core, it leaves none."""
    home = Home(tmp_path / "home")
    home.configure([relay.url])
    assert (await home.run("account", "import", "--name", "ana", given=CODE)).code == 0
    assert (await home.run("dm", "relays", "--set", relay.url, "--start-empty")).code == 0
    home.password = None
    for given in ((PASSWORD, "--password-fd"), (NSEC, "--key-fd")):
        await hold_the_key(home, *given)
        # The next one finds what this one opened: it has to open that anew.
        for file in home.paths.data.glob("messages-*.sealed"):
            file.unlink()
    assert not list(tmp_path.rglob("core*"))
    assert not list(Path.cwd().glob("core*"))
    assert left_by(home, relay.data) == []


async def hold_the_key(home: Home, given: str, option: str) -> None:
    """Look at a process that has unlocked the account, and abort it."""
    reading = descriptor_with(given)
    arguments = ("dm", "await", "--timeout", "60", option, str(reading))
    process = await home.start(*arguments, descriptors=[reading])
    os.close(reading)
    folder = Path(f"/proc/{process.pid}")
    try:
        async with asyncio.timeout(60):
            # It has unlocked the account once there is a file for what it opens.
            while not list(home.paths.data.glob("messages-*.sealed")):
                await asyncio.sleep(0.05)
        assert in_process(FORMS, process.pid) == []
        assert in_data({"the option": option.encode()}, (folder / "cmdline").read_bytes())
        limits = (folder / "limits").read_text()
        (cores,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert cores.split()[4] == "0"
    finally:
        process.send_signal(signal.SIGABRT)
        out, err = await process.communicate()
    home.said += [out.decode(), err.decode()]


async def test_after_the_flows_of_a_bunker(tmp_path: Path, relay: RelayProcess) -> None:
    """The account's key stays with the bunker; its own key, the code's secret and the key by which
    it knows the client are with neither the relay nor the other side."""
    keeper, guest = Home(tmp_path / "keeper"), Home(tmp_path / "guest")
    for home in (keeper, guest):
        home.configure([relay.url])
    assert (await keeper.run("account", "import", "--name", "ana", given=CODE)).code == 0
    permitted = "sign_event,nip44_encrypt,nip44_decrypt"
    process = await keeper.start(
        *("bunker", "run", "--relay", relay.url, "--invite", "--perms", permitted, "--json")
    )
    said: list[str] = []
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while "uri" not in (line := json.loads(await process.stdout.readline())):
                said.append(json.dumps(line))
        code = BunkerUri.parse(line["uri"])
        added = await guest.run("account", "add", "--bunker", given=line["uri"])
        assert added.code == 0, added.err
        posted = await guest.run("post", "by way of the bunker", "--json")
        assert (posted.code, posted.record["pubkey"]) == (0, KEY.public_key.hex), posted.err
        refused = await guest.run("post", f"my key is {NSEC}")
        assert refused.code == 2, refused.err
    finally:
        process.terminate()
        out, err = await process.communicate()
    keeper.said += [*said, out.decode(), err.decode()]

    files = BunkerFiles(keeper.paths.data, KEY.public_key.hex)
    secrets = forms_of(await files.key(LocalSigner(KEY), (relay.url,)), "the bunker's")
    assert code.secret
    secrets |= FORMS | {"the code": code.secret.encode()}
    assert left_by(keeper, guest.folder, relay.data, forms=secrets) == []
    assert in_texts(secrets, guest.said) == []
    # What the guest keeps is in one file, where there is no key store.
    (record,) = KeyFiles(guest.paths.data / "accounts").read_all()[0]
    assert record.bunker is not None
    client = forms_of(SecretKey.from_hex(record.bunker.client_key), "the client's")
    (own,) = left_by(guest, keeper.folder, relay.data, forms=client)
    assert own.startswith(f"{guest.paths.data}/accounts/{KEY.public_key.hex}.json: ")
    assert in_texts(client, keeper.said) == []
