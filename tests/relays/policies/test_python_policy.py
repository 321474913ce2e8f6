"""A keeper's own policies in Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nostr_client.errors import ConfigError
from nostr_client.protocol.filters import Filter
from relays.policies import python_policy
from relays.policies.python_policy import PythonPolicy
from relays.policies.verdict import IncomingEvent, IncomingQuery, SourceType
from tests.relays.talk import NOW, note

OFFER = IncomingEvent(note("hello"), NOW)
HEAD = "from relays.policies.verdict import ACCEPTED, refused\n"
BROKEN = "error: a policy of this relay has failed, try again later"


def written(folder: Path, text: str) -> Path:
    file = folder / "own.py"
    file.write_text(HEAD + text)
    return file


def loaded(folder: Path, text: str) -> PythonPolicy:
    written(folder, text)
    return PythonPolicy("own.py:judge", folder=str(folder))


def test_a_function_in_a_file(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        "def judge(offer):\n"
        "    if offer.event.content == 'hello':\n        return refused('blocked: hi')\n"
        "    return ACCEPTED\n",
    )
    assert not policy.is_async
    assert policy.check(OFFER).reason == "blocked: hi"
    assert policy.check(IncomingEvent(note("bye"), NOW)).accepted


def test_the_names_that_keepers_wrote_before(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path,
        "from relays.policies.verdict import Asking, Offer, Source\n"
        "def judge(offer: Offer | Asking):\n"
        "    if isinstance(offer, Asking) or offer.source is Source.SYNC:\n"
        "        return ACCEPTED\n"
        "    return refused('blocked: old')\n",
    )
    assert policy.check(IncomingEvent(note("synced"), NOW, source=SourceType.SYNC)).accepted
    assert policy.check(OFFER).reason == "blocked: old"
    assert policy.check_query(IncomingQuery("REQ", (Filter(),), NOW)).accepted


def test_a_function_of_a_module() -> None:
    assert PythonPolicy("relays.policies.events:not_expired").check(OFFER).accepted


def test_questions(tmp_path: Path) -> None:
    policy = loaded(tmp_path, "def judge(asking):\n    return refused(f'blocked: {asking.verb}')\n")
    assert policy.check_query(IncomingQuery("COUNT", (Filter(),), NOW)).reason == "blocked: COUNT"


@pytest.mark.parametrize("text", ["raise ValueError('\\x1b[31mred')", "return None", "return True"])
async def test_what_fails_refuses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    assert loaded(tmp_path, f"def judge(offer):\n    {text}\n").check(OFFER).reason == BROKEN
    policy = loaded(tmp_path, f"async def judge(offer):\n    {text}\n")
    assert (await policy.check_async(OFFER)).reason == BROKEN
    assert len(caplog.records) == 2
    assert "own.py:judge" in caplog.records[0].getMessage()
    assert "\x1b" not in caplog.records[0].getMessage()


async def test_one_that_waits(tmp_path: Path) -> None:
    policy = loaded(
        tmp_path, "import asyncio\nasync def judge(offer):\n    await asyncio.sleep(60)\n"
    )
    assert policy.is_async
    policy.seconds = 0.02
    assert (await policy.check_async(OFFER)).reason.startswith(
        "error: a policy of this relay did not"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("own.py:nothing", "nothing"),
        ("own.py:number", "no function"),
        ("gone.py:judge", "no file"),
        ("wrong.py:judge", "SyntaxError"),
        ("no.such.module:judge", "no"),
        ("own.py", "not file.py:function"),
        ("judge", "not file.py:function"),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, name: str, words: str) -> None:
    written(tmp_path, "number = 5\n")
    (tmp_path / "wrong.py").write_text("def judge(:\n")
    with pytest.raises(ConfigError, match=words):
        PythonPolicy(name, folder=str(tmp_path))


def test_a_file_that_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(python_policy, "_LOOK", 0)
    policy = loaded(tmp_path, "def judge(offer):\n    return ACCEPTED\n")
    assert policy.check(OFFER).accepted
    written(tmp_path, "def judge(offer):\n    return refused('blocked: other')\n")
    assert policy.check(OFFER).reason == "blocked: other"
    for wrong, words in (
        ("def judge(:", "SyntaxError"),
        ("judge = 5\n", "is no function"),
        ("async def judge(offer):\n    return ACCEPTED\n", "it is async now"),
    ):
        written(tmp_path, wrong)
        assert policy.check(OFFER).reason == "blocked: other"
        assert policy.check(OFFER).reason == "blocked: other"
        assert caplog.text.count(words) == 1
    (tmp_path / "own.py").unlink()
    assert policy.check(OFFER).reason == "blocked: other"
    written(tmp_path, "def judge(offer):\n    return ACCEPTED\n")
    assert policy.check(OFFER).accepted


def test_a_module_that_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_policy, "_LOOK", 0)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "own_policy_module.py").write_text(HEAD + "def judge(_):\n    return ACCEPTED\n")
    policy = PythonPolicy("own_policy_module:judge")
    assert policy.check(OFFER).accepted
    text = HEAD + "def judge(_):\n    return refused('blocked: changed')\n"
    (tmp_path / "own_policy_module.py").write_text(text)
    assert policy.check(OFFER).reason == "blocked: changed"
    del sys.modules["own_policy_module"]
