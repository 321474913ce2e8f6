"""The simulation is what the product's own rules say, person by person; its figures are shares of
people who can be counted."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nostr_client.cli import drill_on_paper
from nostr_client.cli.context import ClientContext
from nostr_client.exits import CommandError
from nostr_client.output import Output
from nostr_client.rehearsal.relay_process import RelayProcess
from nostr_client.resilience.evacuation_plan import ListedRelays, independent, missing
from nostr_client.resilience.reserve_relays import choose, lacking
from nostr_client.resilience.reserves import SPARES
from nostr_client.routing.planner import ClientRelays, PersonRelays, home
from nostr_client.routing.relay_facts import reach_of
from tests.conftest import StartRelay

np = pytest.importorskip("numpy", reason="the extra `simulation` is not installed")

from benchmarks.simulation_check import RealWorld, cells_of, drawn_world  # noqa: E402 - numpy first
from nostr_client.rehearsal import simulated_people as many  # noqa: E402 - numpy first
from nostr_client.rehearsal.simulated_network import draw_network  # noqa: E402
from nostr_client.rehearsal.simulation import (  # noqa: E402
    PUBLISHED,
    Estimate,
    Simulation,
    SimulationOptions,
    estimated,
    goals_missed,
    line_of,
    notes_on,
    simulate,
)

NETWORK = draw_network(60, random.Random(3))
URLS = NETWORK.urls
OPTIONS = SimulationOptions(relays=60, people=many.PeopleOptions(users=150, follows=12), strikes=4)


@pytest.fixture(scope="module")
def world() -> Simulation:
    return Simulation(OPTIONS, NETWORK)


def urls_in(row: Sequence[int]) -> list[str]:
    return [URLS[number] for number in row if number != many.NONE]


def ordered(keys: Any) -> list[str]:
    """The candidates of one, the largest key first."""
    return [URLS[n] for n in np.argsort(-keys) if keys[n] != many.NONE]


def test_candidates_come_as_the_relay_book_has_them() -> None:
    used = np.zeros((1, len(URLS)), np.int64)
    heard = np.zeros(len(URLS), np.int64)
    walled = next(n for n, url in enumerate(URLS) if NETWORK.facts[url].walls)
    fit = [n for n, url in enumerate(URLS) if not NETWORK.facts[url].walls]
    often, twice, heard_of, niche = [n for n in fit if n not in NETWORK.starters][:4]
    used[0, [often, twice, heard_of, niche, walled, NETWORK.starters[0]]] = [5, 2, 1, 1, 9, 1]
    heard[[twice, heard_of]] = 99, 1
    keys = many.wanted_keys(NETWORK, used, heard, np.random.default_rng(1))[0]
    starters = [URLS[n] for n in NETWORK.starters]
    assert ordered(keys) == [URLS[often], URLS[twice], *starters, URLS[heard_of], URLS[niche]]


def test_each_has_the_reserve_that_the_product_chooses(world: Simulation) -> None:
    people = world.people
    assert len(people.size) <= many.CHUNK
    assert len(set(NETWORK.operator)) < len(URLS)
    keys = many.candidates(people, slice(0, len(people.size)))
    shorts = 0
    for row in range(len(people.size)):
        homes = urls_in(people.listed[row])
        assert len(set(homes)) == people.size[row]
        if people.has_list[row]:
            order, copies = ordered(keys[row]), people.options.copies
            missing = lacking(homes, NETWORK.facts, copies + SPARES)
            first = choose(homes, order, NETWORK.facts, missing)
            keep = {url for url in URLS if reach_of(NETWORK.facts[url], 1) > max(many.NOTE_AGES)}
            need = lacking(keep.intersection(homes), NETWORK.facts, copies)
            short = max(0, need - len(keep.intersection(first)))
            older = [url for url in order if url in keep]
            then = choose(
                [*homes, *first], older, NETWORK.facts, min(short, 2 * copies - len(first))
            )
            shorts += bool(then)
            assert urls_in(people.reserve[row]) == [*first, *then]
        else:
            assert not urls_in(people.reserve[row])
    assert shorts


def test_each_note_is_where_the_product_plans_it(world: Simulation) -> None:
    people = world.people
    starters = tuple(URLS[n] for n in NETWORK.starters)
    elsewhere = set()
    for row in np.flatnonzero(people.has_list):
        homes, reserve = urls_in(people.listed[row]), urls_in(people.reserve[row])
        age = many.NOTE_AGES[people.age[row]]
        refused = {url for url, keeps in zip(URLS, NETWORK.keeps, strict=True) if keeps <= age}
        author = PersonRelays("a", tuple(homes), source="list")
        planned = home(author, ClientRelays(fallback=starters), avoid=refused)
        alive = [url for url in homes if url not in refused]
        usable = {url for url in reserve if url not in refused}
        drawn = usable.intersection(urls_in(world.elsewhere[row])) - set(planned)
        room = lacking(alive, NETWORK.facts, people.options.copies)
        at = {*urls_in(world.at_home[row]), *urls_in(world.elsewhere[row])}
        assert at == {*planned, *drawn}
        assert len(drawn) <= min(len(usable), room) <= len(drawn) + len(usable & set(planned))
        elsewhere |= at - {*homes, *reserve}
    assert elsewhere <= set(starters)
    assert elsewhere


def test_lists_move_as_an_evacuation_moves_them(world: Simulation) -> None:
    people, everybody = world.people, slice(0, len(world.people.size))
    gone = world.fallen("random")
    dead = {URLS[n] for n in np.flatnonzero(gone)}
    keys = many.candidates(people, everybody)
    order = [ordered(row) for row in keys]
    moved = many.evacuated(NETWORK, keys, people.listed, people.reserve, ~gone)
    starters = [URLS[n] for n in NETWORK.starters]
    for row in range(len(people.size)):
        homes = urls_in(people.listed[row])
        stays = [url for url in homes if url not in dead]
        known = (*urls_in(people.reserve[row]), *starters, *order[row])
        fit = [url for url in dict.fromkeys(known) if url not in homes and url not in dead]
        count = missing(ListedRelays(write=tuple(homes)), dead)
        joins = independent(stays, fit, NETWORK.facts, count)
        assert urls_in(moved[row]) == [*stays, *joins]


def test_figures_are_shares_of_people(world: Simulation) -> None:
    people, gone = world.people, world.fallen("three-clouds")
    alive = {URLS[n] for n in np.flatnonzero(~gone)}
    held = readable = two = found_of_two = 0
    for row in np.flatnonzero(people.has_list):
        at_home = alive.intersection(urls_in(world.at_home[row]))
        held += bool(at_home | alive.intersection(urls_in(world.elsewhere[row])))
        readable += bool(at_home)
        if people.size[row] == 2 and many.NOTE_AGES[people.age[row]] == 0:
            two += 1
            found_of_two += bool(at_home)
    shares = world.shares(~gone)
    count = people.has_list.sum()
    assert (shares["held"], shares["readable"]) == (held / count, readable / count)
    assert shares["named 2"] == found_of_two / two
    assert shares["fallen"] == gone.sum()


def test_repair_brings_back_what_can_be_brought_back(world: Simulation) -> None:
    gone = np.arange(len(URLS)) < 20  # the most used third
    after, before = world.after(gone), world.shares(~gone)
    assert after["held"] == 1.0 > before["held"]
    assert after["readable"] > before["readable"]


def test_estimates_hold_what_is_not_known() -> None:
    by_people = estimated([0.5], 10_000)
    assert (by_people.low, by_people.high) == (0.4902, 0.5098)
    by_strikes = estimated([0.4, 0.6], 10**9)
    assert by_strikes.high - by_strikes.mean == pytest.approx(0.196)
    pairs = estimated([0.4, 0.6, 0.5, 0.5], 10**9, 2)
    assert (pairs.mean, pairs.worst) == (0.5, 0.4)
    assert pairs.high - pairs.low < 0.001


def test_three_copies_come_to_what_was_published_for_them() -> None:
    world = Simulation(SimulationOptions(people=many.PeopleOptions(users=1000)))
    for strategy, published in PUBLISHED.items():
        three = [strike["three"] for strike in world.strikes(strategy, 12)]
        assert abs(sum(three) / len(three) - published) < 0.06, strategy
    assert world.fallen("top-k").sum() == 30


def test_what_was_missed_is_said() -> None:
    report = simulate(OPTIONS, ["random", "top-k"])
    [random_half, top] = report.takedowns
    assert "random" in line_of(random_half)
    high = msgspec.structs.replace(top, held_goal=1.1, readable_after=None)
    [held] = goals_missed(msgspec.structs.replace(report, takedowns=(high,)))
    assert held.startswith("missed: held")
    assert held.endswith("goal 110: top-k")
    few = Estimate(mean=0.99, low=0.98, high=1.0, worst=0.97)
    low = msgspec.structs.replace(
        random_half, held_goal=None, named_goals={2: 1.1, 3: 0.0}, readable_after=few
    )
    found, repaired = goals_missed(msgspec.structs.replace(report, takedowns=(low,)))
    assert "of 2 relays named, goal 110: random" in found
    assert repaired.startswith("missed: found after repair")
    assert len(notes_on(report)) == 2


def test_the_command_plays_what_is_asked_for() -> None:
    said = io.StringIO()
    context = ClientContext()
    context.out = Output(json=True, out=said)
    drill_on_paper.simulated(context, ["all", "adaptive"], relays=60, users=1000, seed=1)
    adaptive, last = (json.loads(line) for line in said.getvalue().splitlines())
    assert (adaptive["strategy"], last["strategy"]) == ("adaptive", "all")
    assert (last["fallen"], last["held_before"]["mean"], last["held_after"]) == (60, 0, None)
    assert adaptive["readable_by_named"]["2"]["mean"] == 0
    with pytest.raises(CommandError, match="simulated are: random"):
        drill_on_paper.simulated(context, ["rolling"], relays=60, users=1000, seed=1)


@pytest.mark.slow
async def test_real_relays_hold_and_show_what_is_simulated(
    tmp_path: Path, start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start(data: Path, *options: str) -> RelayProcess:
        return await start_relay(*options, data=data)

    monkeypatch.setattr(RelayProcess, "start", start)
    small = drawn_world(6, 40, 1)
    gone = np.arange(6) < 3
    async with RealWorld.start(small, tmp_path) as real:
        assert real.refused
        await real.kill(range(3))
        found = await real.find()
    shares = small.shares(~gone)
    cells = list(cells_of("random", small, gone, found, shares))
    assert sum(cell.readings for cell in cells if cell.what.endswith("named")) > 30
    assert all(cell.real == cell.world == pytest.approx(cell.parameters) for cell in cells)
    assert 0 < cells[-3].real < 100
    with pytest.raises(SystemExit, match="not where this very world has them"):
        list(cells_of("random", small, ~gone, found, shares))
