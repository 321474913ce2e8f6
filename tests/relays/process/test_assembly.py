"""What one process serves: several rooms, settings that change while clients stay, bans, TLS."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from nostr_client.nips import nip11
from nostr_client.nips.nip11 import MEDIA_TYPE
from relays.config.relay_config import RelayConfig, Web, assemble, load_config
from relays.config.sections import KIB, Access, Limits
from relays.moderation.records import RuleType
from relays.process.reload import ConfigReloader, ConfigSource
from tests.relays.conftest import Serve
from tests.relays.talk import KEY, LIMIT, NOW, OTHER, Wire, note, plain, wire
from tests.waiting import until

MINE = KEY.public_key.hex


async def document(url: str, path: str = "/") -> nip11.RelayInfo:
    async with plain(url) as (reader, writer), asyncio.timeout(LIMIT):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nAccept: {MEDIA_TYPE}\r\n\r\n".encode())
        return nip11.parse((await reader.read()).partition(b"\r\n\r\n")[2])


def personal() -> RelayConfig:
    read = assemble({"profile": "personal", "pubkey": MINE})
    assert not read.problems
    return read.config


async def log_in(client: Wire, url: str, frame: list[str]) -> None:
    """Answer the challenge in `frame` as the keeper."""
    assert frame[0] == "AUTH"
    tags = (("relay", url), ("challenge", frame[1]))
    event = note("", kind=22242, tags=tags, key=KEY)
    await client.raw(b'["AUTH",' + event.json + b"]")
    assert (await client.recv())[2] is True


async def test_the_rooms_of_one_person(serve: Serve) -> None:
    served = await serve(personal(), clock=lambda: NOW)
    mine, other = note("mine"), note("other", key=OTHER)
    wrap = note("sealed", kind=1059, tags=(("p", MINE),), key=OTHER)
    async with wire(served.url) as outbox, wire(served.url + "/chat") as chat:
        assert (await outbox.publish(mine))[2] is True
        assert (await outbox.publish(other))[2] is False
        assert (await outbox.publish(wrap))[2] is False
        assert (await chat.publish(wrap))[2] is True
        assert (await chat.publish(other))[2] is False
        many = note("sealed", kind=1059, tags=(("p", MINE), ("p", OTHER.public_key.hex)), key=OTHER)
        refusal = await chat.publish(many)
        assert refusal[2:] == [
            False,
            "invalid: an event of kind 1059 may name 1 here (p tags)",
        ]
        assert await outbox.stored({}) == [mine.id]
        await chat.send("REQ", "all", {})
        challenge = await chat.recv()
        assert (await chat.recv())[:2] == ["CLOSED", "all"]
        await log_in(chat, served.url + "/chat", challenge)
        assert await chat.stored({}) == [wrap.id]
    async with wire(served.url + "/private") as private:
        challenge = await private.recv()
        assert (await private.publish(mine))[3].startswith("auth-required:")
        await log_in(private, served.url + "/private", challenge)
        assert (await private.publish(mine))[2] is True
        assert await private.stored({}) == [mine.id]
    assert (await document(served.url, "/private")).name != (await document(served.url)).name


async def test_only_public_urls_are_signed_for_where_there_are_any(serve: Serve) -> None:
    read = assemble({"profile": "personal", "pubkey": MINE, "urls": ["wss://me.example"]})
    urls = (await serve(read.config)).rooms.state.service_urls
    paths = ("", "/inbox", "/chat", "/private")
    assert urls == {f"wss://me.example{path}" for path in paths}


async def test_a_room_is_reached_at_the_path_of_its_public_url(serve: Serve) -> None:
    read = assemble({"profile": "personal", "pubkey": MINE, "urls": ["wss://me.example/nostr"]})
    served = await serve(read.config, clock=lambda: NOW)
    kept = note("for nobody's eyes")
    async with wire(served.url + "/nostr/private") as private, wire(served.url) as outbox:
        greeting = await private.recv()
        assert (await private.publish(kept))[2] is False
        await log_in(private, "wss://me.example/nostr/private", greeting)
        assert (await private.publish(kept))[2] is True
        assert await private.stored({}) == [kept.id]
        assert await outbox.stored({}) == []
    async with wire(served.url + "/nostr") as outbox:
        assert await outbox.stored({}) == []


async def test_another_path_is_no_room(serve: Serve) -> None:
    served = await serve(personal())
    with pytest.raises(Exception, match="404"):
        async with wire(served.url + "/cellar"):
            pass


async def test_a_changed_configuration_is_in_force_for_those_who_are_here(
    serve: Serve, tmp_path: Path
) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('name = "before"\n')
    served = await serve(load_config(file), clock=lambda: NOW)
    reloader = ConfigReloader(served.rooms, ConfigSource(lambda: load_config(file), file))
    running = asyncio.create_task(reloader.run())
    try:
        async with wire(served.url) as client:
            assert (await client.publish(note("one")))[2] is True
            await client.req("live", {"kinds": [7]})
            for wrong in ("name = 5\n", "nonsense", 'name = "now"\n[events]\nkinds = [7]\n'):
                file.write_text(wrong)
                reloader.asked.set()
                await until(lambda: not reloader.asked.is_set())
            assert (await document(served.url)).name == "now"
            refusal = await client.publish(note("two"))
            assert refusal[2] is False
            assert refusal[3].startswith("blocked:")
            await client.offer(note("+", kind=7))
            frames = [await client.recv(), await client.recv()]
            assert {frame[0] for frame in frames} == {"OK", "EVENT"}, "still subscribed"
    finally:
        running.cancel()


async def test_who_may_not_read_any_more_hears_nothing_more(serve: Serve) -> None:
    served = await serve(RelayConfig(), clock=lambda: NOW)
    async with wire(served.url) as reader, wire(served.url) as writer:
        await reader.req("live", {})
        await writer.publish(note("one"))
        assert (await reader.recv())[0] == "EVENT"
        await served.rooms.reconfigure(RelayConfig(pubkey=MINE, access=Access(read="listed")))
        closed = await reader.recv()
        assert closed[:2] == ["CLOSED", "live"]
        assert closed[2].startswith("restricted: ")
        assert (await writer.publish(note("two")))[2] is True
        await reader.send("REQ", "again", {})
        assert (await reader.recv())[0] == "AUTH", "and nothing before it"


async def test_the_answers_to_comparisons_keep_to_the_size_of_a_message_of_now(
    serve: Serve,
) -> None:
    served = await serve()
    await served.rooms.reconfigure(RelayConfig(limits=Limits(message_bytes=16 * KIB)))
    assert served.relay._reconciler.frame < 8 * KIB  # they are sent in hex


async def test_a_banned_key_is_out_at_once(serve: Serve) -> None:
    served = await serve(clock=lambda: NOW)
    async with wire(served.url) as client, wire(served.url) as reader:
        await client.publish(note("one"))
        await client.publish(note("other", key=OTHER))
        await reader.req("live", {})
        removed = await served.rooms.actions.ban_pubkey(MINE, by="keeper", reason="spam")
        assert removed == 1
        assert (await client.publish(note("two")))[3].startswith("blocked:")
        assert await reader.silent()
        assert len(await reader.stored({})) == 1
        assert [rule.value for rule in await served.rooms.actions.rules(RuleType.BAN_PUBKEY)] == [
            MINE
        ]


async def test_a_banned_address_is_shown_out(serve: Serve) -> None:
    served = await serve(RelayConfig(web=Web(trusted_proxies=("127.0.0.1",))))
    from_afar = {"X-Forwarded-For": "203.0.113.9"}
    async with wire(served.url, additional_headers=from_afar) as client:
        await served.rooms.actions.ban_address("203.0.113.9", by="keeper", reason="enough")
        async with asyncio.timeout(LIMIT):
            await client.socket.wait_closed()
        assert client.socket.close_code == 1008
    with pytest.raises(Exception, match="403"):
        async with wire(served.url, additional_headers=from_afar):
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGHUP there")
def test_over_tls_and_renewed_on_a_signal(tmp_path: Path) -> None:
    certificate, key = tmp_path / "relay.pem", tmp_path / "relay.key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    make += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext"]
    make += ["subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = [*make, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    file = tmp_path / "relay.toml"
    file.write_text(f'port = 0\n[web]\ntls_certificate = "{certificate}"\ntls_key = "{key}"\n')
    command = [sys.executable, "-m", "relays", "run", "--workers", "1"]
    command += ["--config", str(file)]
    command += ["--data", str(tmp_path / "data"), "--stop-on-eof"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().strip()
        try:
            assert url.startswith("wss://127.0.0.1:")
            asyncio.run(_publish_over_tls(url, certificate))
            os.kill(process.pid, signal.SIGHUP)
            said = process.stderr.readline() + process.stderr.readline()
            assert "configuration was read again" in said
            assert "certificate was read again" in said
            file.write_text(file.read_text().replace("port = 0", "port = 1"))
            said = process.stderr.readline() + process.stderr.readline()
            assert "only a restart will change port" in said
        finally:
            process.terminate()
            process.communicate(timeout=LIMIT)


async def _publish_over_tls(url: str, certificate: Path) -> None:
    context = ssl.create_default_context(cafile=certificate)
    async with wire(url, ssl=context) as client:
        assert (await client.publish(note("over TLS")))[2] is True
