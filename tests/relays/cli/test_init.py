"""`relay init` and `relay config check`."""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from pathlib import Path

import pexpect
import pytest

from nostr_client.nips.nip19 import encode_npub, encode_nsec
from relays.cli.app import run_command as main
from relays.cli.init_template import Answers, template
from relays.config.purposes import PURPOSES
from relays.config.relay_config import assemble, load_config
from tests.relays.talk import KEY

NPUB = encode_npub(KEY.public_key.hex)
REACHES = {
    "here": "",
    "proxy": "wss://relay.example.com",
    "onion": f"ws://{'a' * 56}.onion",
}


@pytest.mark.parametrize("profile", PURPOSES)
@pytest.mark.parametrize("reach", REACHES)
def test_what_is_written_is_the_profile(tmp_path: Path, profile: str, reach: str) -> None:
    file = tmp_path / "deep" / "relay.toml"
    options = ["--profile", profile, "--pubkey", NPUB, "--reach", reach]
    if REACHES[reach]:
        options += ["--domain", REACHES[reach]]
    assert main(["init", str(file), *options]) == 0
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    config = load_config(file)
    assert config.profile == profile
    assert config.pubkey == KEY.public_key.hex
    assert config.urls == ((REACHES[reach],) if REACHES[reach] else ())
    assert bool(config.web.trusted_proxies) == (reach == "proxy")
    bare, problems = assemble({"profile": profile, "pubkey": NPUB})
    assert not problems
    same = ("access", "events", "rates", "trust", "members", "limits")
    for name in same:
        assert getattr(config, name) == getattr(bare, name)
    assert config.rooms.keys() == bare.rooms.keys()


@pytest.mark.parametrize("profile", PURPOSES)
def test_what_is_only_shown_may_be_set(profile: str) -> None:
    text = template(Answers(profile, "", "here", ""), Path("relay.toml"))
    assert tomllib.loads(text)
    shown = re.sub(r"^# (?=\[|[a-z_]+ = )", "", text, flags=re.MULTILINE)
    assert shown.count("\n#") < text.count("\n#") - 3
    table = tomllib.loads(
        shown.replace('"npub1..."', f'"{NPUB}"').replace("wss://...", "wss://a.b")
    )
    assert assemble(table).problems == []


def test_a_file_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("mine")
    assert main(["init", str(file), "--profile", "open", "--pubkey", "", "--reach", "here"]) == 1
    assert file.read_text() == "mine"
    assert "stays as it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pubkey", "", "--reach", "here"], "give --profile"),
        (["--profile", "personal", "--pubkey", "", "--reach", "here"], "somebody's"),
        (["--profile", "open", "--reach", "here"], "give --pubkey"),
        (["--profile", "open", "--pubkey", "npub1x", "--reach", "here"], "--pubkey: this is no"),
        (["--profile", "open", "--pubkey", ""], "give --reach"),
        (["--profile", "open", "--pubkey", "", "--reach", "proxy"], "give --domain"),
        (["--profile", "open", "--pubkey", "", "--domain", "a b"], "--domain: "),
        (
            ["--profile", "open", "--pubkey", "", "--reach", "onion", "--domain", "a.example"],
            "--domain: an onion service",
        ),
    ],
)
def test_where_nobody_can_be_asked(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    words: str,
) -> None:
    with Path(os.devnull).open() as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        assert main(["init", str(tmp_path / "relay.toml"), *options]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "relay.toml").exists()


def test_a_secret_key_is_never_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nsec = encode_nsec(KEY)
    file = tmp_path / "relay.toml"
    assert main(["init", str(file), "--profile", "open", "--pubkey", nsec, "--reach", "here"]) == 1
    file.write_text(f'pubkey = "{nsec}"\n[access]\nwriters = ["{nsec}"]\n')
    assert main(["config", "check", str(file)]) == 1
    said = capsys.readouterr()
    assert "SECRET" in said.err
    assert nsec not in said.err + said.out


def test_three_questions(tmp_path: Path) -> None:
    command = ["-m", "relays", "init", str(tmp_path / "relay.toml")]
    child = pexpect.spawn(sys.executable, command, encoding="utf-8", timeout=90)
    child.expect("Whom is the relay for")
    child.sendline("nobody")
    child.expect("Number: ")
    child.sendline("1")
    child.expect("public key")
    child.sendline("")
    child.expect("needs your npub")
    child.sendline(NPUB)
    child.expect("Where will it be reached")
    child.sendline("2")
    child.expect("domain")
    child.sendline("")
    child.expect("a name such as")
    child.sendline("relay.example.com")
    child.expect("is written")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    config = load_config(tmp_path / "relay.toml")
    assert (config.profile, config.urls) == ("personal", ("wss://relay.example.com",))
    assert config.rooms["chat"].urls == ("wss://relay.example.com/chat",)


# config check


def checked(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str, str]:
    code = main(["config", "check", *options])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[mirror]]\nurls = ["foo"]\n', "mirror: foo: not a URL"),
        ('[web]\ntls_key = "none.pem"\n', "go together"),
        ('[web]\ntls_key = "none"\ntls_certificate = "none"\n', "used: No such file"),
    ],
)
def test_what_a_relay_would_not_start_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(text)
    code, _, said = checked(capsys, str(file))
    assert code == 1
    assert words in said


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "none.jsonl"
    assert main(["import", str(file), "--data", str(tmp_path / "relay")]) == 1
    assert capsys.readouterr().err.endswith(f"{file}: No such file or directory\n")


def test_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = checked(capsys)
    assert code == 0
    assert "profile: open" in said
    assert "listens on 127.0.0.1, port 7777: this machine only" in said


def test_every_mistake_in_one_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('nmae = "x"\nport = "x"\n[events]\nwork = 300\n[rates.events]\naddress = "x"\n')
    code, said, wrong = checked(capsys, str(file))
    assert (code, said) == (1, "")
    assert [
        line.removeprefix(f"error: {file}: ").partition(" ")[0] for line in wrong.splitlines()
    ] == [
        "nmae",
        "port:",
        "events.work:",
        "rates.events.address:",
    ]


def test_what_can_be_read_and_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "relay.toml"
    (tmp_path / "own.py").write_text("async def judge(asking): return None\n")
    file.write_text(
        '[events]\nwords = ["*", "fine"]\n[web]\ntrusted_proxies = ["x"]\n[policies]\n'
        'plugins = ["./gone.py", "cat -"]\npython = ["gone.py:judge", "own.py:judge"]\n'
        'questions = ["own.py:judge"]\n'
    )
    code, _, wrong = checked(capsys, str(file))
    assert code == 1
    assert len(wrong.splitlines()) == 5
    for words in (
        "'*'",
        "gone.py:judge",
        "questions: own.py:judge is async",
        "gone.py is not there",
    ):
        assert words in wrong


def test_what_it_means(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(f'profile = "public"\nhost = "0.0.0.0"\npubkey = "{NPUB}"\n')
    code, said, _ = checked(capsys, str(file))
    assert code == 0
    for words in (
        "every machine that reaches it",
        "who may write: anyone",
        "web of trust: whom 1 person follows",
        "proof of work: 16 bits of strangers (some 65,536 tries)",
        "events: 240 a minute, 500 at once for one address; 60 a minute, 200 at once for one key",
    ):
        assert words in said


@pytest.mark.parametrize("profile", PURPOSES)
def test_every_profile_has_a_meaning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text(f'profile = "{profile}"\npubkey = "{NPUB}"\nname = "a\\u001b[31mb"\n')
    code, said, _ = checked(capsys, str(file))
    assert code == 0
    assert "\x1b" not in said
    assert ("/private (kept in private.db)" in said) == (profile == "personal")
