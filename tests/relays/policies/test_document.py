"""The examples in docs/policies.md are true."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from nostr_client.nips.nip19 import encode_npub
from relays.config.relay_config import assemble
from tests.relays.talk import KEY

pytestmark = pytest.mark.tree

TEXT = (Path(__file__).parents[3] / "docs" / "policies.md").read_text("utf-8")
NPUB = encode_npub(KEY.public_key.hex)
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_settings(example: str) -> None:
    table = tomllib.loads(example.replace("npub1...", NPUB))
    table["pubkey"] = NPUB
    assert assemble(table).problems == []


def test_functions() -> None:
    [example] = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, "policies.md", "exec"), names)
    assert {"check", "check_async", "check_query"} <= names.keys()
