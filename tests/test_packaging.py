"""Files for those who install a relay, each read by the program that it is for, if that is here."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from relays.cli.app import run_command as main
from tests.relays.cli.parsed import parsed
from tests.relays.server.test_tls import write_pair

pytestmark = pytest.mark.tree

FOLDER = Path(__file__).parents[1] / "packaging"


def check(*command: str) -> None:
    """Run the checker of another program."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    result = subprocess.run(command, check=False, capture_output=True, timeout=60)
    assert result.returncode == 0, (result.stdout + result.stderr).decode()


def unit() -> dict[str, str]:
    """The service's settings; of a doubled one the last."""
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((FOLDER / "nostr-relay.service").read_text())
    return dict(parser["Service"])


def test_the_unit_starts_what_there_is(tmp_path: Path) -> None:
    words = shlex.split(unit()["ExecStart"])
    assert words[1] == "relay"
    options = parsed(words[2:])
    assert str(options["data"]) == "/var/lib/nostr-relay"
    # What stands in the unit must exist where it is checked.
    text = (FOLDER / "nostr-relay.service").read_text().replace(words[0], "/bin/true")
    (tmp_path / "nostr-relay.service").write_text(text)
    check("systemd-analyze", "verify", str(tmp_path / "nostr-relay.service"))


def test_the_container_starts_what_there_is() -> None:
    text = (FOLDER / "Containerfile").read_text()
    assert re.search("^USER 10001", text, re.MULTILINE)
    for name, skipped in (("CMD", 0), ("HEALTHCHECK.*?CMD", 2)):
        found = re.findall(rf"^{name} (\[.*\])$", text, re.MULTILINE | re.DOTALL)
        assert found, name
        words = re.findall('"([^"]*)"', found[-1].splitlines()[0])
        parsed(words[skipped:])


def test_the_container_is_begun_as_its_head_says(tmp_path: Path) -> None:
    text = (FOLDER / "Containerfile").read_text()
    head = text[: text.index("FROM")]
    [build] = re.findall(r"^#   (podman build .*)$", head, re.MULTILINE)
    assert "--format docker" in build, "or there is no health check"
    first, second = re.findall(r"^#   podman run .* nostr-relay ?(.*)$", head, re.MULTILINE)
    assert second == ""  # the image's own command
    file = tmp_path / "relay.toml"
    words = shlex.split(first.replace("/data/relay.toml", str(file)))
    answers = ("--profile", "public", "--reach", "proxy", "--domain", "relay.example.com")
    assert main([*words, *answers, "--pubkey", ""]) == 0
    [command] = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert f'"{words[-1]}"'.replace(str(file), "/data/relay.toml") in command


def test_nginx(tmp_path: Path) -> None:
    certificate, key = write_pair(tmp_path)
    text = (FOLDER / "nginx.conf").read_text()
    text = re.sub("(ssl_certificate ).*;", rf"\1 {certificate};", text)
    text = re.sub("(ssl_certificate_key ).*;", rf"\1 {key};", text)
    paths = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}}"
        f" http {{ access_log off; {paths} {text} }}"
    )
    check("nginx", "-t", "-c", str(tmp_path / "nginx.conf"))


def test_caddy() -> None:
    check("caddy", "validate", "--adapter", "caddyfile", "--config", str(FOLDER / "Caddyfile"))


def test_tor() -> None:
    check("tor", "--verify-config", "-f", str(FOLDER / "torrc"))
