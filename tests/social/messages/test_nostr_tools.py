"""Payloads (NIP-44) and private messages exchanged with nostr-tools (JavaScript), both ways."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nostr_client.nips import nip44
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from tests.routing.rooms import ANA, Relay
from tests.social.messages.people import dm_list, eventually, person

THEIRS = SecretKey(b"\x52" * 32)
THEM, A = THEIRS.public_key.hex, ANA.public_key.hex
PROGRAM = Path(__file__).with_name("nostr_tools.cjs")
TEXTS = ("a", "é" * 40, "x" * 33, "y" * 65_535)
EXTENDED = tuple("z" * size for size in (65_536, 65_537, 100_000))
"""Texts of NIP-44's extended length, which nostr-tools 2.25 has and nostr-sdk 0.45 has not."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


async def ask(folder: Path, *questions: dict[str, Any]) -> list[Any]:
    """What nostr-tools answers with the key THEIRS."""
    lines = "\n".join(json.dumps({"secret": bytes(THEIRS).hex(), **one}) for one in questions)
    pipe = asyncio.subprocess.PIPE
    client = await asyncio.create_subprocess_exec(
        "node", str(PROGRAM), str(folder), stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        out, err = await client.communicate(lines.encode())
    finally:
        if client.returncode is None:
            client.kill()
            await client.wait()
    assert client.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def test_payloads(nostr_tools: Path) -> None:
    texts = TEXTS + EXTENDED
    key = nip44.conversation_key(ANA, THEM)
    ours = [nip44.encrypt(text, key, limit=len(text.encode())) for text in texts]
    read = [{"ask": "decrypt", "peer": A, "payload": payload} for payload in ours]
    written = [{"ask": "encrypt", "peer": A, "text": text} for text in texts]
    answers = await ask(nostr_tools, *read, *written)
    assert answers[: len(texts)] == list(texts)
    assert [nip44.decrypt(payload, key) for payload in answers[len(texts) :]] == list(texts)


async def test_each_reads_what_the_other_wrote(nostr_tools: Path, tmp_path: Path) -> None:
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(THEIRS, relay.url)
        async with person(tmp_path / "ana", ANA, *lists) as ana:
            question = {"ask": "wrap", "peer": A, "text": "from javascript"}
            [theirs] = await ask(nostr_tools, question)
            await relay.tell(Event.parse(json.dumps(theirs)))
            heard = await ana.hears("from javascript", THEM)
            sent = await ana.messages.send([THEM], "from python", reply_to=heard.id)

            async def arrived() -> Event | None:
                return next((e for e in relay.held if e.value("p") == THEM), None)

            wrap = json.loads((await eventually(arrived)).json)
            [rumor] = await ask(nostr_tools, {"ask": "unwrap", "wrap": wrap})
            assert (rumor["pubkey"], rumor["content"]) == (A, "from python")
            assert rumor["id"] == sent.id  # type: ignore[union-attr]
