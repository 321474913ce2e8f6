"""What programs read and write, over the protocol's own client."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nostr_client import ClientConfig, NostrClient, SecretKey, Waiver
from nostr_client.cli.context import ClientContext
from nostr_client.cli.mcp.permissions import HourlyLimit, Permissions
from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.paths import Paths
from nostr_client.protocol.event import Draft
from tests.cli.conftest import Home
from tests.cli.test_feed import HOSTILE, _harmful
from tests.conftest import StartRelay

if TYPE_CHECKING:  # it takes a second to load, and every worker collects this file
    from mcp import Client
    from mcp.types import ElicitResult

NOW = int(time.time())


class Person:
    """Whoever is asked: what they were shown, and their answer."""

    def __init__(self, says: dict[str, Any] | None) -> None:
        self.says = says
        self.shown: list[str] = []

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        from mcp.types import ElicitResult

        self.shown.append(params.message)
        if self.says is None:
            return ElicitResult(action="decline")
        return ElicitResult(action="accept", content=self.says)


@asynccontextmanager
async def serving(
    folder: Path,
    relay: str,
    key: SecretKey,
    permissions: Permissions,
    person: Person | None = None,
    *,
    most: int = 20,
    mode: str = "auto",
) -> AsyncIterator[tuple[Client, NostrClient]]:
    """A program that is connected, and the client it talks to."""
    from mcp import Client

    from nostr_client.cli.mcp.server import build, hide_private_mutes
    from nostr_client.cli.mcp.session import McpSession

    paths = Paths(folder / "config", folder / "data", folder / "state")
    async with NostrClient.open(
        key, paths=paths, config=ClientConfig(), relays=[relay], indexers=[]
    ) as client:
        await hide_private_mutes(client, permissions)
        session = McpSession(client, permissions, HourlyLimit(most), HourlyLimit(4 * most))
        server = build(ClientContext(), session)
        async with Client(server, elicitation_callback=person, mode=mode) as program:
            yield program, client


async def call(program: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await program.call_tool(tool, arguments)
    words = " ".join(getattr(part, "text", "") for part in result.content)
    assert not result.is_error, words
    assert result.structured_content is not None
    return dict(result.structured_content)


async def refusal(program: Client, tool: str, **arguments: Any) -> str:
    result = await program.call_tool(tool, arguments)
    assert result.is_error, result
    return " ".join(getattr(part, "text", "") for part in result.content)


@pytest.mark.slow
async def test_what_is_public_is_read_and_nothing_is_written(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    relay, key, author = await start_relay(), SecretKey.generate(), SecretKey.generate()
    async with serving(tmp_path, relay.url, key, Permissions()) as (program, client):
        listed = await program.list_tools()
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.tools)
        assert {"search", "feed", "mentions", "notes_of", "thread", "profile", "events"} == {
            tool.name for tool in listed.tools
        }
        assert all(tool.description for tool in listed.tools)

        profile = json.dumps({"name": "ben\x1b[31m", "about": HOSTILE})
        named = Draft(0, profile).sign(author, NOW)
        note = Draft(1, f"a kingfisher {HOSTILE}", (("p", key.public_key.hex),)).sign(author, NOW)
        wrap = Draft(1059, "secret", (("p", key.public_key.hex),)).sign(author, NOW)
        await client.store.save([named, note, wrap])
        npub = nip19.encode_npub(author.public_key.hex)

        [told] = (await call(program, "notes_of", who=npub))["notes"]
        assert told["author"] == {"npub": npub, "name": "ben"}
        assert told["text"].startswith("a kingfisher")
        for tool, arguments in (
            ("search", {"words": "kingfisher"}),
            ("mentions", {}),
            ("thread", {"note": note.id}),
            ("profile", {"who": npub}),
            ("events", {"filter": {"authors": [author.public_key.hex]}}),
        ):
            found = json.dumps(await call(program, tool, **arguments), ensure_ascii=False)
            assert npub in found or author.public_key.hex in found, tool
            assert _harmful.sub("", found) == found, tool
            assert wrap.id not in found, tool

        assert "private" in await refusal(program, "events", filter={"kinds": [1059]})
        assert "name kinds" in await refusal(program, "events", filter={"#p": [key.public_key.hex]})
        assert "not found" in await refusal(program, "thread", note=wrap.id)
        assert "nsec" not in await refusal(program, "profile", who=nip19.encode_nsec(key))
        assert "nknown tool" in await refusal(program, "post", text="hi")


@pytest.mark.parametrize("mode", ["auto", pytest.param("legacy", marks=pytest.mark.slow)])
async def test_a_verb_that_is_allowed_asks_the_person_each_time(
    tmp_path: Path, start_relay: StartRelay, mode: str
) -> None:
    relay, key, person = await start_relay(), SecretKey.generate(), Person({"publish": True})
    may = Permissions.of(["post"], [], [])
    async with serving(tmp_path, relay.url, key, may, person, most=2, mode=mode) as (
        program,
        client,
    ):
        posted = await call(program, "post", text="the roof is fixed")
        assert posted["accepted"] == [relay.url]
        [shown] = person.shown
        assert "the roof is fixed" in shown
        assert nip19.encode_npub(key.public_key.hex) in shown

        person.says = {"publish": False}
        assert "said no" in await refusal(program, "post", text="no")
        person.says = None
        await refusal(program, "post", text="no")
        assert len(await client.timeline.author(key.public_key.hex)) == 1

        asked = len(person.shown)
        hidden = await refusal(program, "post", text="look\u202e here\u200b")
        assert "cannot be shown" in hidden
        assert len(person.shown) == asked
        person.says = {"publish": True}
        await call(program, "post", text="twice")
        assert "last hour" in await refusal(program, "post", text="and again")


@pytest.mark.slow
async def test_the_person_is_told_whom_and_what_it_is_about(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """And not the code, which may be long and begin as another one does."""
    relay, key, person = await start_relay(), SecretKey.generate(), Person({"publish": False})
    may = Permissions.of(["reply", "message"], [], [])
    async with serving(tmp_path, relay.url, key, may, person, most=1) as (program, client):
        author = SecretKey.generate()
        note = Draft(1, f"a kingfisher {HOSTILE}").sign(author, NOW)
        await client.store.save([note])
        npub = nip19.encode_npub(author.public_key.hex)
        long = nip19.encode_nprofile(author.public_key.hex, [f"wss://{'a' * 60}.example.com"])
        assert "said no" in await refusal(program, "message", who=long, text="hi")
        assert "said no" in await refusal(program, "reply", note=note.id, text="hi")
        assert npub in person.shown[0]
        assert npub in person.shown[1]
        assert "a kingfisher" in person.shown[1]
        assert _harmful.sub("", person.shown[1]) == person.shown[1]
        for _ in range(4):
            last = await refusal(program, "message", who=npub, text="hi")
        assert "often enough" in last


@pytest.mark.slow
async def test_what_is_muted_in_private_is_not_found_out(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    """By a program that was not allowed the lists: no note is missing because of it."""
    relay, key, author = await start_relay(), SecretKey.generate(), SecretKey.generate()
    for may, missing in (
        (Permissions.of(["post"], [], ["lists"]), True),
        (Permissions.of([], ["post"], []), False),
    ):
        async with serving(tmp_path, relay.url, key, may) as (program, client):
            if missing:
                await client.mutes.add(("word", "cricket"), public=False, waiver=Waiver(True))
                await client.store.save([Draft(1, "a cricket sings").sign(author, NOW)])
            notes = (await call(program, "search", words="sings"))["notes"]
            assert bool(notes) is not missing
            assert client.mutes.public_alone is not missing


async def test_a_program_that_cannot_ask_writes_nothing(
    tmp_path: Path, start_relay: StartRelay
) -> None:
    relay, key = await start_relay(), SecretKey.generate()
    may = Permissions.of(["post"], ["react"], [])
    async with serving(tmp_path, relay.url, key, may) as (program, client):
        with pytest.raises(Exception, match=r"(?i)elicitation|capabilit"):
            await program.call_tool("post", {"text": "hi"})
        assert await client.timeline.author(key.public_key.hex) == []
        note = Draft(1, "hi").sign(SecretKey.generate(), NOW)
        await client.store.save([note])
        assert (await call(program, "react", note=note.id))["kind"] == 7


async def test_with_what_is_private_nothing_that_a_program_chooses_goes_out(
    tmp_path: Path, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, key, person = await start_relay(), SecretKey.generate(), Person({"publish": True})
    may = Permissions.of(["reply"], [], ["messages", "drafts", "lists"])
    async with serving(tmp_path, relay.url, key, may, person) as (program, client):
        await client.mutes.add(("word", "cricket"), public=False, waiver=Waiver(True))

        async def asked(*_: object, **__: object) -> None:
            raise AssertionError("a relay or a domain was asked")

        for room, name in (
            (client.courier, "fetch"),
            (client.courier, "fetch_ids"),
            (client.profiles, "resolve"),
            (client.search, "ask"),
        ):
            monkeypatch.setattr(room, name, asked)
        npub = nip19.encode_npub(SecretKey.generate().public_key.hex)
        assert "no domain" in await refusal(program, "profile", who="mallory@example.com")
        assert "not found here" in await refusal(program, "reply", note="f" * 64, text="hi")
        await call(program, "profile", who=npub)
        await call(program, "notes_of", who=npub)
        await call(program, "search", words="what ana wrote me")
        await call(program, "events", filter={"kinds": [1]})
        await call(program, "feed")
        assert (await call(program, "conversations")) == {"conversations": []}
        assert (await call(program, "messages", who=npub)) == {"messages": []}
        assert (await call(program, "drafts")) == {"drafts": [], "private": 0}
        lists = await call(program, "lists")
        assert lists["mutes"]["private"] == [["word", "cricket"]]


@pytest.mark.slow
async def test_a_process_serves_until_its_input_ends(home: Home, start_relay: StartRelay) -> None:
    """Over real pipes, with a password and without a terminal."""
    from mcp import Client, StdioServerParameters, stdio_client

    relay = await start_relay()
    home.configure([relay.url])
    await home.import_key(SecretKey.generate())
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "nostr_client", "mcp", "--allow", "post"],
        env=home.environment,
    )
    person = Person({"publish": True})
    async with Client(stdio_client(command), elicitation_callback=person) as program:
        assert (await call(program, "post", text="from a pipe"))["accepted"] == [relay.url]
    refused = await home.run("mcp", "--private", "lists", "--unasked", "post")
    assert refused.code == Exit.USAGE
