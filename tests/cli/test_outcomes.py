"""Nothing there, nobody answered and not allowed are three things, for people and for scripts."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from nostr_client.cli.login_signer import LoginSigner
from nostr_client.errors import DecryptionFailed, SignerUnavailable, SigningRefused
from nostr_client.exits import Exit
from nostr_client.net.outcome import Outcome
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Signer
from tests.cli.conftest import DEAD, Home
from tests.routing.moody import Relay

WALL = "auth-required: members only"


async def test_an_own_relay_behind_a_wall_is_read_with_the_password(
    home: Home, key: SecretKey
) -> None:
    """Without one it is said what would help; only the relay that wants it learns who reads."""
    note = Draft(1, "for members").sign(key, int(time.time()))
    async with Relay(note) as relay:
        relay.challenge, relay.words = "a challenge", WALL
        home.configure([relay.url])
        await home.import_key(key)
        password, home.password = home.password, None
        shut = await home.run("feed", "--json")
        assert (shut.code, shut.out) == (Exit.NOT_ALLOWED, "")
        (line,) = shut.err.splitlines()
        said = json.loads(line)
        assert said["outcome"] == Outcome.NOT_ALLOWED.value
        (missed,) = said["missed"]
        assert (missed["relay"], missed["reason"]) == (relay.url, "members only")
        assert "--password-fd" in said["error"]
        assert relay.guests == []

        home.password = password
        opened = await home.run("feed", "--json")
        assert (opened.code, opened.err) == (Exit.DONE, "")
        assert [event["id"] for event in opened.records] == [note.id]
        assert [guest.pubkey for guest in relay.guests] == [key.public_key.hex]


@pytest.mark.slow
async def test_every_command_that_a_demand_stops_says_how_it_is_met(
    home: Home, key: SecretKey
) -> None:
    """Nobody is asked here: the words name the command that lets the account in, and the exit code
    is that of what was not done."""
    note, ben = Draft(1, "for members").sign(key, int(time.time())), "02" * 32
    async with Relay() as relay:
        relay.challenge, relay.words, relay.refuses = "a challenge", WALL, WALL
        home.configure([relay.url])
        await home.import_key(key)
        denied = await home.run("relays", "auth", "deny", relay.url)
        assert denied.code == 0, denied.err
        gate = asyncio.Semaphore(3)

        async def stopped(code: Exit, *words: str) -> None:
            async with gate:
                done = await home.run(*words)
            assert done.code == code, (words, done.err)
            assert f"`nostr-client relays auth allow {relay.url}`" in done.err + done.out, words

        await asyncio.gather(
            stopped(Exit.NOT_ALLOWED, "feed"),
            stopped(Exit.NOT_ALLOWED, "thread", note.id),
            stopped(Exit.NOT_ALLOWED, "profile", ben),
            stopped(Exit.NOT_ALLOWED, "follows"),
            stopped(Exit.NOT_ALLOWED, "react", note.id),
            stopped(Exit.NOT_ALLOWED, "mute", "list"),
            stopped(Exit.NOT_ACCEPTED, "post", "hello"),
            stopped(Exit.NOT_READ, "follow", ben),
            stopped(Exit.NOT_READ, "mute", "add", ben),
            stopped(Exit.NO_ANSWER, "dm", "send", ben, "hello"),
            stopped(Exit.NO_ANSWER, "dm", "relays"),
        )
        await stopped(Exit.NOT_ACCEPTED, "send")
        assert relay.guests == []


async def test_that_nobody_answers_is_not_that_there_is_nothing(home: Home, key: SecretKey) -> None:
    home.configure([DEAD])
    await home.import_key(key)
    feed = await home.run("feed")
    assert feed.code == Exit.NO_ANSWER
    assert f"nobody answered: {DEAD}: cannot be reached" in feed.err
    assert "follow WHO" not in feed.err


async def test_the_key_of_a_reading_signs_logins_only_and_is_unlocked_once(key: SecretKey) -> None:
    tries: list[bool] = []

    async def unlock() -> Signer:
        tries.append(True)
        if len(tries) > 1:
            return LocalSigner(key)
        raise DecryptionFailed("wrong password")

    shut = LoginSigner(key.public_key.hex, unlock)
    with pytest.raises(SigningRefused, match="nothing but logins"):
        await shut.sign(Draft(kinds.NOTE, "no"))
    assert tries == []
    for _ in range(2):
        with pytest.raises(SignerUnavailable, match="wrong password"):
            await shut.sign(Draft(kinds.AUTH))
    assert tries == [True]
    async with LoginSigner(key.public_key.hex, unlock) as opened:
        assert (await opened.sign(Draft(kinds.AUTH))).pubkey == key.public_key.hex
