"""`evacuate` and `relays retire`, as a script uses them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from nostr_client.exits import Exit
from nostr_client.protocol.keys import SecretKey
from tests.cli.conftest import DEAD, LIMIT, Home
from tests.conftest import StartRelay


@pytest.mark.slow
async def test_one_command_moves_the_account_and_another_takes_it_away_again(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    first, second = await start_relay(), await start_relay()
    home.configure([first.url])
    await home.import_key(key)
    added = await home.run("relays", "add", DEAD, "--begin")
    assert added.code in (0, Exit.NOT_ACCEPTED), added.err
    assert (await home.run("post", "hello")).code in (0, Exit.NOT_ACCEPTED)
    dry = await home.run("evacuate", "--dry-run", "--json")
    assert (dry.code, dry.record["joining"]) == (0, [first.url]), dry.err
    assert list(dry.record["leaving"]) == [DEAD]
    rows = (await home.run("relays", "list", "--json")).records
    assert [row["relay"] for row in rows] == [DEAD], "nothing was changed"
    moved = await home.run("evacuate", "--json")
    assert moved.code == 0, moved.err
    plan, *steps, receipt = moved.records
    assert plan["joining"] == [first.url]
    assert steps[0]["step"] == "lists"
    assert receipt["done"]
    assert receipt["there"] == {first.url: receipt["events"]}
    assert json.loads(Path(receipt["receipt"]).read_text())["plan"]["joining"] == [first.url]
    again = await home.run("evacuate")
    assert again.out.startswith("nothing is to be done")
    retired = await home.run("relays", "retire", first.url, "--to", second.url, "--json")
    assert retired.code == 0, retired.err
    assert retired.records[-1]["there"] == {second.url: receipt["events"]}
    rows = (await home.run("relays", "list", "--json")).records
    assert [row["relay"] for row in rows] == [second.url]


async def test_where_nothing_is_reached_nothing_is_changed(home: Home, key: SecretKey) -> None:
    home.configure()
    await home.import_key(key)
    assert (await home.run("relays", "add", DEAD, "--begin")).code == Exit.NOT_ACCEPTED
    failed = await home.run("evacuate", "--json")
    assert failed.code == Exit.NO_ANSWER
    assert "this end of the network" in failed.err


async def test_a_relay_on_no_list_is_not_retired(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    relay = await start_relay()
    home.configure()
    await home.import_key(key)
    assert (await home.run("relays", "add", relay.url, "--begin")).code == 0
    for how in (["--dry-run"], ["--json"]):
        failed = await home.run("relays", "retire", DEAD, *how)
        assert failed.code == Exit.USAGE
        assert f"{DEAD} is on none of your lists" in failed.err


@pytest.mark.slow
async def test_killed_at_each_of_its_steps_it_goes_on(
    home: Home, key: SecretKey, start_relay: StartRelay
) -> None:
    new = await start_relay()
    home.configure([new.url])
    await home.import_key(key)
    await home.run("relays", "add", DEAD, "--begin")
    for n in range(3):
        await home.run("post", f"note {n}")
    for step in ("lists", "refill", "check"):
        process = await home.start("evacuate", "--json")
        assert process.stdout is not None
        async with asyncio.timeout(LIMIT):
            while json.loads(await process.stdout.readline()).get("step") != step:
                pass
        process.kill()
        await process.wait()
    done = await home.run("evacuate", "--json")
    assert done.code == 0, done.err
    receipt = done.records[-1]
    assert receipt["there"] == {new.url: receipt["events"]}
    assert len((await home.run("relays", "list", "--json")).records) == 1
