"""What cannot be taken back: its word on the terminal, or a flag that a script gives."""

from __future__ import annotations

import json
import time

import pytest

from nostr_client.cli import consent as consenting
from nostr_client.cli.consent import consent_of
from nostr_client.exits import CommandError, Exit
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.guards import Objection
from tests.cli.conftest import DEAD, Home
from tests.conftest import RelayProcess

DRAFT = Draft(62)
GRAVE = Objection("it asks every relay", "vanish")
BARE = Objection("it asks every relay", "vanish", has_backup=False)


@pytest.mark.slow
async def test_a_message_relay_less_takes_a_flag_and_a_backup(
    home: Home, key: SecretKey, relay: RelayProcess
) -> None:
    home.configure([relay.url])
    await home.import_key(key)
    both = ("--set", relay.url, "--set", DEAD)
    begun = await home.run("dm", "relays", *both, "--start-empty")
    assert begun.code == 0, begun.err
    less = ("dm", "relays", "--set", relay.url)
    refused = await home.run(*less)
    assert refused.code == Exit.USAGE
    assert "1 of its 2 entries out of the list of message relays" in refused.err
    assert "nostr-client backup FILE" in refused.err
    assert "--yes-really dm-relays --without-backup" in refused.err
    assert (await home.run(*less, "--yes-really", "dm-relays")).code == Exit.USAGE
    assert (await home.run(*less, "--without-backup")).code == Exit.USAGE
    assert (await home.run(*less, "--yes-really", "follows", "--without-backup")).code == Exit.USAGE
    made = {"made_at": time.time(), "path": "/away/ana.kit", "counts": {}}
    kit = home.paths.data / f"kit-{key.public_key.hex[:16]}.json"
    kit.write_text(json.dumps(made))
    done = await home.run(*less, "--yes-really", "dm-relays", "--json")
    assert done.code == 0, done.err
    assert (await home.run("dm", "relays")).out.split() == [relay.url]


@pytest.mark.parametrize(
    ("objection", "typed", "wanted"),
    [
        (GRAVE, "vanish\n", True),
        (GRAVE, "yes\n", False),
        (GRAVE, None, False),
        (BARE, "vanish\n", False),
        (BARE, "vanish without a backup\n", True),
    ],
)
async def test_on_a_terminal_the_word_is_typed(
    monkeypatch: pytest.MonkeyPatch, objection: Objection, typed: str | None, wanted: bool
) -> None:
    said: list[str] = []

    async def line() -> str | None:
        return typed

    monkeypatch.setattr(consenting, "typed_line", line)
    monkeypatch.setattr(consenting, "write_terminal", said.append)
    monkeypatch.setattr(consenting.secret_input, "can_ask", lambda: True)
    consent = consent_of((), without_backup=False, may_ask=True)
    assert await consent(DRAFT, objection) is wanted
    assert f"“{objection.phrase}”" in said[0]


async def test_who_cannot_be_asked_is_told_the_flags() -> None:
    silent = consent_of((), without_backup=False, may_ask=False)
    with pytest.raises(CommandError, match=r"--yes-really vanish --without-backup\.") as refused:
        await silent(DRAFT, BARE)
    assert refused.value.code is Exit.USAGE
    with pytest.raises(CommandError, match=r"--yes-really vanish\."):
        await silent(DRAFT, GRAVE)
    assert not await silent(DRAFT, Objection("a few entries go"))
    assert await consent_of(["vanish"], without_backup=True, may_ask=False)(DRAFT, BARE)
