"""Signers that are not ours: go-nostr's (the engine of `nak bunker`) and NDK's, over a relay."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.accounts.bunker_meeting import pair
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.errors import DecryptionFailed, SigningRefused
from nostr_client.nips.nip46 import BunkerUri
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gated import gated
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText
from tests.conftest import StartRelay

ACCOUNT, OTHER = SecretKey(b"\x51" * 32), SecretKey(b"\x52" * 32)
ME, PEER = ACCOUNT.public_key.hex, OTHER.public_key.hex
BUILD_LIMIT = 300.0
LIMIT = 60.0

GO_NOSTR = "github.com/nbd-wtf/go-nostr@v0.52.3"
GO = """
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip46"
)

func main() {
	ctx := context.Background()
	secret, url := os.Getenv("SIGNER_KEY"), os.Args[1]
	signer := nip46.NewStaticKeySigner(secret)
	pubkey, _ := nostr.GetPublicKey(secret)
	pool := nostr.NewSimplePool(ctx)
	filter := nostr.Filter{Kinds: []int{24133}, Tags: nostr.TagMap{"p": []string{pubkey}}}
	eose := make(chan struct{})
	go func() { <-eose; fmt.Println("bunker://" + pubkey + "?relay=" + url + "&secret=x") }()
	for event := range pool.SubscribeManyNotifyEOSE(ctx, []string{url}, filter, eose) {
		_, _, answer, err := signer.HandleRequest(ctx, event.Event)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		pool.PublishMany(ctx, []string{url}, answer)
	}
}
"""
NDK = """
import WebSocket from "ws"
globalThis.WebSocket = WebSocket
const { default: NDK, NDKNip46Backend, NDKPrivateKeySigner } = await import("@nostr-dev-kit/ndk")
const url = process.argv[2]
const ndk = new NDK({ explicitRelayUrls: [url] })
await ndk.connect(5000)
const signer = new NDKPrivateKeySigner(process.env.SIGNER_KEY)
const backend = new NDKNip46Backend(ndk, signer, async () => true)
await backend.start()
const user = await signer.user()
setTimeout(() => console.log(`bunker://${user.pubkey}?relay=${url}`), 1000)
"""


def built(folder: Path, tool: str, commands: Sequence[Sequence[str]]) -> None:
    """Skips where it cannot be built: the tool is absent, or what it needs cannot be had."""
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not here")
    environment = os.environ | {"GOFLAGS": "-mod=mod"}
    for command in commands:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=BUILD_LIMIT,
        )
        if done.returncode:
            pytest.skip(f"{' '.join(command)}: {done.stderr.decode()[-300:]}")


@pytest.fixture(scope="session")
def go_nostr(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    folder = tmp_path_factory.mktemp("go")
    (folder / "main.go").write_text(GO)
    (folder / "go.mod").write_text("module signer\n")
    built(folder, "go", [("go", "get", GO_NOSTR), ("go", "build", "-o", "signer", ".")])
    return [str(folder / "signer")]


@pytest.fixture(scope="session")
def ndk(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    folder = tmp_path_factory.mktemp("ndk")
    (folder / "signer.mjs").write_text(NDK)
    (folder / "package.json").write_text('{"private": true}')
    built(folder, "npm", [("npm", "install", "--silent", "@nostr-dev-kit/ndk@3.0.3", "ws@8")])
    return ["node", str(folder / "signer.mjs")]


@asynccontextmanager
async def at_work(command: Sequence[str], url: str) -> AsyncIterator[BunkerUri]:
    """The program, and the code that it shows."""
    process = await asyncio.create_subprocess_exec(
        *(*command, url),
        env=os.environ | {"SIGNER_KEY": bytes(ACCOUNT).hex()},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while not (line := (await process.stdout.readline()).decode()).startswith("bunker"):
                assert line, "the signer ended"
        yield BunkerUri.parse(line)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["go_nostr", "ndk"])
async def test_a_foreign_signer_signs_encrypts_and_decrypts(
    program: str, request: pytest.FixtureRequest, start_relay: StartRelay
) -> None:
    command: Sequence[str] = request.getfixturevalue(program)
    relay = await start_relay()
    async with at_work(command, relay.url) as uri:
        pairing = await pair(uri)
        assert pairing.account == ME
        async with RemoteSigner(pairing) as remote:
            signer, other = gated(remote), LocalSigner(OTHER)
            drafts = [
                Draft(1, f"note {number}", created_at=1_700_000_000 + number)
                for number in range(100)
            ]
            signed = await signer.sign_many(drafts)
            events = [event for event in signed if isinstance(event, Event)]
            assert len({event.id for event in events}) == 100, signed
            assert all(event.verify() and event.pubkey == ME for event in events)
            texts = [PeerText(PEER, f"text {number} ü") for number in range(20)]
            payloads = await signer.encrypt_many(texts)
            opened = await other.decrypt_many([PeerText(ME, str(each)) for each in payloads])
            assert opened == [each.text for each in texts]
            payload = await other.nip44_encrypt(ME, "hello")
            assert await signer.nip44_decrypt(PEER, payload) == "hello"
            payload = await other.nip04_encrypt(ME, "of old")
            assert await signer.nip04_decrypt(PEER, payload) == "of old"
            with pytest.raises((DecryptionFailed, SigningRefused)):
                await signer.nip44_decrypt(PEER, "A" * 200)
