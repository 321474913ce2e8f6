"""A round through all faces of an installed program: version, account, relay, note, imports.

`python installed_round.py HOME`, with the Python whose program it is; it imports nothing of the
tests. Everything happens on loopback and in the folder HOME.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

LIMIT = 120.0
FACES = (
    *("nostr_client", "nostr_client.blocking", "nostr_client.testing", "nostr_client.bots"),
    *("nostr_client.cli.app", "nostr_client.tui.run", "relays", "relays.cli.app"),
)


def said(*words: str, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "nostr_client", *words],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 0, (words, done.returncode, done.stderr)
    return done.stdout


def main() -> None:
    home = Path(sys.argv[1])
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    environment = {
        **kept,
        "HOME": str(home),
        "NOSTR_CLIENT_HOME": str(home),
        "NOSTR_CLIENT_PASSWORD": "nine owls at noon",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "PYTHONUTF8": "1",
    }
    for face in FACES:
        importlib.import_module(face)
    from nostr_client import Event, Filter, NostrClient  # noqa: F401 - public names are there

    assert said("--version", environment=environment).startswith("nostr-client ")
    account = json.loads(
        said("account", "create", "--name", "ana", "--json", environment=environment)
    )
    start = ("relay", "run", "--port", "0", "--stop-on-eof", "--data", str(home / "relay"))
    with subprocess.Popen(
        [sys.executable, "-m", "nostr_client", *start],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as relay:
        assert relay.stdin is not None
        assert relay.stdout is not None
        url = relay.stdout.readline().strip()
        assert url.startswith("ws://"), url
        (home / "config").mkdir(exist_ok=True)
        (home / "config" / "config.toml").write_text(
            f'relays = ["{url}"]\nown_relay = false\nallow_private_relays = ["127.0.0.1"]\n'
        )
        words = ("event", "-c", "written by what was installed", url)
        made = json.loads(said(*words, environment=environment))
        assert made["pubkey"] == account["pubkey"], (made, account)
        found = json.loads(said("req", "--id", made["id"], url, environment=environment))
        assert found == made
        relay.stdin.close()
        assert relay.wait(LIMIT) == 0
    print("a round through all faces passed")


if __name__ == "__main__":
    main()
