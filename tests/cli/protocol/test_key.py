"""Keys that are not kept: made, looked at, locked and opened."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19, nip49
from nostr_client.protocol.keys import SecretKey
from tests.cli.protocol.in_process import Said, said

KEY = SecretKey.from_hex("1" * 64)
ANA = KEY.public_key.hex
NPUB, NSEC = nip19.encode_npub(ANA), nip19.encode_nsec(KEY)
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOSTR_CLIENT_HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setattr("nostr_client.cli.context.keep_log", lambda path: None)


def key(*words: str, given: str = "", password: str | None = PASSWORD) -> Said:
    """A command of the group; the password comes by a descriptor."""
    descriptors: Sequence[int] = ()
    options: tuple[str, ...] = ()
    if password is not None:
        reading, writing = os.pipe()
        os.write(writing, password.encode())
        os.close(writing)
        descriptors, options = [reading], ("--password-fd", str(reading))
    done = said("key", *words, *options, given=given)
    for one in descriptors:
        try:
            os.close(one)
        except OSError:  # it was read, and is closed
            continue
    return done


def test_a_key_is_made_and_printed_as_is_said() -> None:
    assert key("generate").code == Exit.USAGE
    assert key("generate", "--reveal", "--encrypted").code == Exit.USAGE
    done = key("generate", "--reveal", "--json")
    made = done.records[0]
    assert SecretKey.parse(made["nsec"]).public_key.hex == made["pubkey"]
    assert made["npub"] == nip19.encode_npub(made["pubkey"])
    locked = key("generate", "--encrypted", "--log-n", "10", "--json").records[0]
    assert list(locked) == ["npub", "pubkey", "ncryptsec"]
    assert nip49.security_of(locked["ncryptsec"]) == nip49.HANDLED_SECURELY
    assert nip49.decrypt(locked["ncryptsec"], PASSWORD).public_key.hex == locked["pubkey"]


def test_a_key_is_locked_and_opened() -> None:
    locked = key("encrypt", "--log-n", "10", given=f"{NSEC}\n").out.strip()
    assert nip49.security_of(locked) == nip49.HANDLED_INSECURELY
    assert key("decrypt", given=locked).code == Exit.USAGE
    assert key("decrypt", "--reveal", given=locked).out == f"{NSEC}\n"
    wrong = key("decrypt", "--reveal", given=locked, password="another password")
    assert (wrong.code, wrong.out) == (Exit.LOCKED, "")
    assert key("encrypt", given=locked).code == Exit.USAGE
    short = key("encrypt", given=NSEC, password="short")
    assert (short.code, short.out) == (Exit.ERROR, "")


@pytest.mark.parametrize("form", [NSEC, "1" * 64, NSEC.upper(), f'  "{NSEC}" '])
def test_whose_a_key_is(form: str) -> None:
    assert key("public", given=form, password=None).out == f"{NPUB}\n"


def test_which_keys_are_valid() -> None:
    def verdicts(*who: str, given: str = "") -> tuple[int, list[tuple[object, object]]]:
        done = key("validate", "--json", *who, given=given, password=None)
        assert NSEC not in done.out + done.err
        return done.code, [(one["valid"], one["sort"]) for one in done.records]

    assert verdicts(NPUB, ANA) == (0, [(True, "public")] * 2)
    assert verdicts("f" * 64, NPUB) == (1, [(False, None), (True, "public")])
    assert verdicts(given=NSEC) == (0, [(True, "secret")])
    assert verdicts(given=NPUB) == (0, [(True, "public")])
    assert verdicts(given=NSEC[:-1]) == (1, [(False, None)])
    assert verdicts(given="0" * 64) == (1, [(False, None)])
    assert verdicts(given=nip49.encrypt(KEY, PASSWORD, 1)) == (0, [(True, "encrypted")])
