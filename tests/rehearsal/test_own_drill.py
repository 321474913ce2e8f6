"""The drill on the owner's own graph: exact, and read from what is here."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nostr_client.cli.app import build
from nostr_client.client import NostrClient
from nostr_client.command_line.parse import find, parse
from nostr_client.command_line.tree import Command
from nostr_client.config import ClientConfig
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.own_drill import OwnDrill, OwnFall, lines_of, rehearse, struck
from nostr_client.rehearsal.own_graph import OwnGraph, read_own_graph
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.starter_relays import starter_relays

A, B, C, D, E = (f"wss://{name}.example" for name in ("a", "b", "c", "d", "e"))
NOW = 1_700_000_000
KEEPER = "ab" * 32
GRAPH = OwnGraph(
    events={frozenset({A, B, D}): 5, frozenset({A}): 2, frozenset({D, E}): 1, frozenset(): 1},
    listed=(A, B),
    reserve=(D, E),
    wanted=3,
    short=4,
    people={"p": (A, C), "q": (C,), "r": ()},
    facts={url: RelayFacts(url, pubkey=KEEPER) for url in (A, B)},
    kit_age=0.0,
)


def drilled(graph: OwnGraph = GRAPH, **changed: Any) -> OwnDrill:
    return rehearse(msgspec.structs.replace(graph, **changed), str.upper)


def falls(drill: OwnDrill, strategy: str) -> list[OwnFall]:
    return [fall for fall in drill.falls if fall.strategy == strategy]


def test_what_falls_takes_what_only_it_has() -> None:
    drill = drilled()
    assert (drill.events, drill.relays, drill.operators) == (9, 5, 4)
    assert (drill.followed, drill.unknown) == (3, 1)
    [now] = falls(drill, "none")
    assert (now.unheld, now.unreadable, now.unreachable) == (1, 2, 0)
    first, *_ = falls(drill, "relay")
    assert (first.relays, first.unheld, first.unreadable) == ((A,), 3, 4)
    [operator] = falls(drill, "operator")
    assert (operator.relays, operator.unheld, operator.unreadable) == ((A, B), 3, 9)
    [adaptive] = falls(drill, "adaptive")
    assert (adaptive.unheld, adaptive.unreadable, adaptive.unreachable) == (3, 9, 0)
    [most_used] = falls(drill, "top-k")
    assert most_used.relays == (A, C)
    assert most_used.unreachable == 2
    [everything] = falls(drill, "all")
    assert (everything.unheld, everything.unreachable) == (9, 2)


def test_half_of_all_is_the_mean_of_all_halves() -> None:
    [mean] = falls(drilled(), "random")
    relays = GRAPH.relays
    each = [struck("", GRAPH, gone) for gone in itertools.combinations(relays, len(relays) // 2)]
    assert mean.unheld == pytest.approx(sum(f.unheld for f in each) / len(each), abs=0.01)
    assert mean.unreadable == pytest.approx(sum(f.unreadable for f in each) / len(each), abs=0.01)
    assert mean.unreachable == pytest.approx(sum(f.unreachable for f in each) / len(each), abs=0.01)


def test_what_is_to_be_mended_first() -> None:
    drill = drilled(down=frozenset({B}), kit_age=None)
    commands = [one.command for one in drill.advice]
    assert commands == [
        "nostr-client evacuate",
        f"nostr-client relays retire {B}",
        "nostr-client relays add URL",
        "nostr-client backup FILE",
        "nostr-client copies",
        "nostr-client copies",
        "nostr-client keep add Q",
    ]
    words = [one.words for one in drill.advice]
    assert words[0] == "one of your 2 write relays cannot be reached: b.example"
    assert words[1] == "two of your 2 write relays share one operator: a.example, b.example"
    assert words[4] == "2 of 9 events are on no relay of your list, where readers look"
    assert words[5].startswith("4 of 9 events have fewer than 3 copies; they are placed while")
    assert words[6].startswith("1 of 3 people you follow write to one operator's relays only")
    assert f"2. {words[1]}: `{commands[1]}`" in list(lines_of(drill))
    for command in commands:
        found, left = find(build(), command.split()[1:])
        assert isinstance(found, Command)
        assert parse(found.parameters(), left)


def test_what_is_well_needs_nothing() -> None:
    fine = OwnGraph(
        events={frozenset({A, B, C}): 3},
        listed=(A, B),
        reserve=(C,),
        wanted=3,
        people={"p": (A, B), "q": (C,)},
        kept=frozenset({"q"}),
        kit_age=1.0,
    )
    assert drilled(fine).advice == ()
    assert "There is nothing to mend." in lines_of(drilled(fine))
    old = drilled(fine, kit_age=40 * 86_400.0)
    assert [one.words for one in old.advice] == ["the last backup is 40 days old"]
    nowhere = drilled(fine, listed=(), has_list=False)
    assert nowhere.advice[0].command == "nostr-client relays add URL"
    assert falls(nowhere, "none")[0].unreadable == 3
    nothing = drilled(OwnGraph(kit_age=1.0))
    assert [fall.strategy for fall in nothing.falls] == ["none"]
    gone = starter_relays().gone[0].url
    ended = drilled(fine, listed=(gone, A))
    assert ended.advice[0].command == f"nostr-client relays retire {gone}"


async def test_it_is_read_from_what_is_here(tmp_path: Path) -> None:
    key, other = SecretKey.generate(), SecretKey.generate()
    me = key.public_key.hex
    paths = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")
    config = ClientConfig(own_relay=False)
    lists = [
        Draft(kinds.RELAY_LIST, "", (("r", A), ("r", f"{B}/", "write"), ("r", C, "read"))).sign(
            key, NOW
        ),
        Draft(kinds.FOLLOWS, "", (("p", other.public_key.hex), ("p", me))).sign(key, NOW),
        Draft(kinds.RELAY_LIST, "", (("r", D),)).sign(other, NOW),
    ]
    note = Draft(kinds.NOTE, "kept").sign(key, NOW)
    async with NostrClient.open(pubkey=me, paths=paths, config=config, relays=[]) as client:
        await client.store.save([*lists, note])
        await client.copies.want(note.id, [A, D, E])
        await client.copies.confirm([(note.id, A), (note.id, D)])
        graph = await read_own_graph(client, now=0.0)
    assert graph.events == {frozenset({A, D}): 1}
    assert (graph.listed, graph.people) == ([A, B], {other.public_key.hex: (D,)})
    assert (graph.wanted, graph.short, graph.kit_age, graph.has_list) == (7, 1, None, True)
