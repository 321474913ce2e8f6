"""Both C bindings do the same: the key tests run with each, and they sign alike."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from nostr_client.protocol import keys

ROOT = Path(__file__).resolve().parents[2]
BLOCKED = {"coincurve": "secp256k1", "secp256k1": "coincurve"}
"""Which binding must be out of reach, so that the other one is used."""

PROLOGUE = """
import sys
sys.modules[{blocked!r}] = None
from nostr_client.protocol import keys
module = sys.modules[{module!r}]
assert keys.ffi is module.ffi and keys.lib is module.lib
"""
MODULES = {"coincurve": "coincurve._libsecp256k1", "secp256k1": "secp256k1"}
SIGN = """
key = keys.SecretKey(bytes([7]) * 32)
digest = bytes(range(32))
print((digest + bytes(key.public_key) + key._sign(digest, bytes(32))).hex())
"""

bindings = pytest.mark.parametrize(
    "binding",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(name) is None, reason=f"{name} has no wheel here"
            ),
        )
        for name in MODULES
    ],
)


def run(binding: str, code: str) -> str:
    prologue = PROLOGUE.format(blocked=BLOCKED[binding], module=MODULES[binding])
    done = subprocess.run(
        [sys.executable, "-c", prologue + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@bindings
def test_the_key_tests_pass(binding: str) -> None:
    if keys.ffi is importlib.import_module(MODULES[binding]).ffi:
        pytest.skip("it is the one in use: they run with it as they are")
    code = (
        "import pytest\n"
        "sys.exit(pytest.main(['tests/protocol/test_keys.py', '-v', '-p', 'no:cacheprovider']))"
    )
    assert " passed" in run(binding, code)


@bindings
def test_both_sign_and_verify_alike(binding: str) -> None:
    record = bytes.fromhex(run(binding, SIGN))
    key = keys.SecretKey(bytes([7]) * 32)
    digest = bytes(range(32))
    assert record == digest + bytes(key.public_key) + key._sign(digest, bytes(32))
    assert keys.verify_batch(record) == b"\x01"
