"""The system's key store: only those that encrypt, and none may hang us."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from typing import Any

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null
from keyring.errors import PasswordSetError

from nostr_client.accounts.keyring_store import KeyringStore, is_trusted
from nostr_client.errors import AccountError
from nostr_client.protocol.keys import SecretKey


class Memory(KeyringBackend):
    """A key store that works."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.kept[service, username]


class Forgetful(Memory):
    """Takes a key and does not keep it."""

    def set_password(self, service: str, username: str, password: str) -> None:
        pass


class Talkative(Memory):
    """Quotes the secret in its error."""

    def set_password(self, service: str, username: str, password: str) -> None:
        raise PasswordSetError(f"cannot store {password}")


class Hanging(Memory):
    """Waits for a dialogue that nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def set_password(self, service: str, username: str, password: str) -> None:
        self.release.wait(60)


def store(*backends: KeyringBackend, trusted: bool = True) -> KeyringStore:
    return KeyringStore(
        lambda: backends,
        trust=lambda backend: trusted and isinstance(backend, Memory),
        ask_limit=0.3,
        look_limit=0.3,
    )


async def test_a_key_comes_back() -> None:
    key, memory = SecretKey.generate(), Memory()
    keyring = store(memory)
    assert await keyring.problem() == ""
    await keyring.put("ana", key)
    assert await keyring.get("ana") == key
    await keyring.delete("ana")
    await keyring.delete("ana")
    assert not memory.kept
    with pytest.raises(AccountError, match="does not hold"):
        await keyring.get("ana")


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring(), Memory()])
async def test_what_does_not_encrypt_is_refused(backend: KeyringBackend) -> None:
    keyring = KeyringStore(lambda: [backend])
    assert "no key store that encrypts" in await keyring.problem()
    assert type(backend).__name__ in await keyring.problem()
    with pytest.raises(AccountError, match="no key store that encrypts"):
        await keyring.put("ana", SecretKey.generate())


def test_the_systems_own_are_trusted() -> None:
    class Service(Memory):
        pass

    for module, trusted in {
        "keyring.backends.SecretService": True,
        "keyring.backends.macOS": True,
        "keyring.backends.Windows": True,
        "keyring.backends.kwallet": True,
        "keyring.backends.null": False,
        "keyrings.alt.file": False,
        "keyring_of_a_stranger": False,
    }.items():
        Service.__module__ = module
        assert is_trusted(Service()) is trusted, module


async def test_a_chain_is_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plain file comes first in the chain; a write through the chain would land there."""
    import keyring

    class PlainText(Memory):
        pass

    plain, good = PlainText(), Memory()
    chain: Any = type("Chain", (chainer.ChainerBackend,), {"backends": [plain, good]})()
    monkeypatch.setattr(keyring, "get_keyring", lambda: chain)
    mixed = KeyringStore(trust=lambda backend: backend is good)
    await mixed.put("ana", SecretKey.generate())
    assert good.kept
    assert not plain.kept
    assert "PlainText" in await KeyringStore().problem()


async def test_a_key_that_was_not_kept_is_noticed() -> None:
    with pytest.raises(AccountError, match="did not keep"):
        await store(Forgetful()).put("ana", SecretKey.generate())


async def test_an_error_never_quotes_the_secret() -> None:
    key = SecretKey.generate()
    with pytest.raises(AccountError, match="PasswordSetError") as caught:
        await store(Talkative()).put("ana", key)
    assert bytes(key).hex() not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or bytes(key).hex() not in str(caught.value.__context__)


async def test_a_hanging_key_store_does_not_hang_us() -> None:
    hanging = Hanging()
    keyring = store(hanging)
    with pytest.raises(AccountError, match=r"did not answer within 0\.3 s"):
        await keyring.put("ana", SecretKey.generate())
    with pytest.raises(AccountError, match="does not answer"):
        await keyring.put("ana", SecretKey.generate())
    hanging.release.set()


def test_the_program_ends_although_the_key_store_hangs() -> None:
    program = """
import asyncio, time
from nostr_client.accounts.keyring_store import KeyringStore

def hang():
    time.sleep(600)
    return []

print(asyncio.run(KeyringStore(hang, look_limit=0.2).problem()))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=90, check=True
    )
    assert "did not answer" in done.stdout


async def test_nothing_found_says_so() -> None:
    none: Iterable[KeyringBackend] = []
    assert await KeyringStore(lambda: none).problem() == (
        "this system has no key store that encrypts"
    )
