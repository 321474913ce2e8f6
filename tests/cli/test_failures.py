"""When something is wrong: one line, a code, no traceback, no secret."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from nostr_client.cli.context import ClientContext
from nostr_client.command_line.error_log import MOST_BYTES, keep_log, trace_of
from nostr_client.command_line.run import finish
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.keys import SecretKey
from nostr_client.redact import REDACTED, redacted_for_log
from tests.cli.conftest import Home


async def test_a_broken_configuration_is_one_line(home: Home, key: SecretKey) -> None:
    await home.import_key(key)
    (home.folder / "config" / "config.toml").write_text("relays = 7")
    done = await home.run("feed")
    assert done.code == Exit.ERROR
    assert len(done.err.splitlines()) == 1
    assert "config.toml" in done.err
    spoken = await home.run("feed", "--json")
    assert spoken.err.startswith('{"error":')


async def test_a_store_of_another_program_is_one_line(home: Home, key: SecretKey) -> None:
    await home.import_key(key)
    for path in (home.folder / "data").glob("*.db"):
        path.unlink()
    data = home.folder / "data"
    for name in ("events.db", "store.db", "nostr.db"):
        (data / name).write_bytes(b"this is no database" * 100)
    done = await home.run("feed")
    assert done.code == Exit.ERROR
    assert len(done.err.splitlines()) == 1


def test_a_bug_is_one_line_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path))
    key = SecretKey.generate()
    nsec = nip19.encode_nsec(key)

    def broken() -> None:
        raise RuntimeError(f"bad {nsec} {bytes(key).hex()}")

    before = logging.getLogger().handlers[:]
    try:
        assert finish(ClientContext(), broken) == Exit.ERROR
        shown = capsys.readouterr()
        assert shown.out == ""
        assert len(shown.err.splitlines()) == 1
        log = tmp_path / "state" / "nostr-client.log"
        assert str(log) in shown.err
        assert log.stat().st_mode & 0o777 == 0o600
        assert "RuntimeError" in log.read_text()
        assert finish(ClientContext(debug=True), broken) == Exit.ERROR
        traced = capsys.readouterr().err
        assert "Traceback" in traced
        for text in (shown.err, traced, log.read_text()):
            assert nsec not in text
            assert bytes(key).hex() not in text
    finally:
        logging.captureWarnings(False)
        for handler in set(logging.getLogger().handlers) - set(before):
            logging.getLogger().removeHandler(handler)
            handler.close()


def test_traces_hold_no_values_and_no_keys() -> None:
    key = SecretKey.generate()
    nsec, code = nip19.encode_nsec(key), "ncryptsec1" + "q" * 100

    def inner(password: str) -> None:
        raise ValueError("no")

    typed = "open " + "sesame"
    with pytest.raises(ValueError, match="no") as caught:
        inner(typed)
    assert typed not in trace_of(caught.value)
    shown = redacted_for_log(f"{nsec} {code} {bytes(key).hex()} {bytes(key).hex().upper()} abc")
    assert shown == " ".join([REDACTED] * 4 + ["abc"])


def test_the_log_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "nostr-client.log"
    path.write_bytes(b"x" * (MOST_BYTES + 1))
    before = logging.getLogger().handlers[:]
    keep_log(path)
    try:
        logging.getLogger("nostr_client.test").error("after the flood")
        assert path.stat().st_size < 1000
        assert (tmp_path / "nostr-client.log.1").stat().st_size > MOST_BYTES
    finally:
        logging.captureWarnings(False)
        for handler in set(logging.getLogger().handlers) - set(before):
            logging.getLogger().removeHandler(handler)
            handler.close()


def test_a_log_that_cannot_be_written_is_nobodys_trouble(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    (tmp_path / "state").write_text("no folder can be made here")
    keep_log(tmp_path / "state" / "nostr-client.log")
    logging.getLogger("nostr_client.test").warning("replication pauses")
    logging.captureWarnings(False)
    assert capsys.readouterr() == ("", "")


async def test_an_account_that_is_not_here_is_5(home: Home, key: SecretKey) -> None:
    await home.import_key(key)
    done = await home.run("post", "hello", "--account", "nobody")
    assert done.code == Exit.LOCKED
    assert "nobody" in done.err
    assert len(done.err.splitlines()) == 1
