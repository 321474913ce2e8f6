"""Events from a pipe: checked, and passed through a filter."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from nostr_client.exits import Exit
from nostr_client.nips import nip19
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from tests.cli.protocol.in_process import said

ANA, BEN = SecretKey.from_hex("1" * 64), SecretKey.from_hex("2" * 64)
ONE = Draft(1, "one ü \u202e", (("t", "x"), ("p", BEN.public_key.hex))).sign(ANA, 1_700_001_000)
TWO = Draft(7, "+", (("e", ONE.id), ("t",))).sign(BEN, 1_700_002_000)
THREE = Draft(30023, "# three", (("d", "three"), ("t", "y"))).sign(ANA, 1_700_003_000)
ALL = b"\n\n".join(event.json for event in (ONE, TWO, THREE)) + b"\n"
FORGED = json.dumps(json.loads(TWO.json) | {"sig": ONE.sig}).encode()


def test_events_are_verified() -> None:
    done = said("verify", given=ALL)
    assert (done.code, done.err) == (0, "")
    assert [one["id"] for one in done.records] == [ONE.id, TWO.id, THREE.id]
    changed = ONE.json.replace(b"one", b"two")
    bad = said("verify", "--json", given=b"\n".join([changed, FORGED, b"[]", b"", ONE.json]))
    assert bad.code == Exit.ERROR
    why = {one["line"]: one["error"] for one in bad.faults}
    assert why.keys() == {1, 2, 3}
    assert (why[1], why[2]) == ("id does not match the event", "the signature is wrong")
    assert [one["id"] for one in bad.records] == [ONE.id]
    assert "\u202e" not in bad.out
    assert said("verify").code == 0
    quiet = [said(verb, "-q", given=b"no use\n") for verb in ("verify", "decode", "filter")]
    assert all("line 1: " in one.err for one in quiet), quiet


CASES: list[tuple[list[str], Sequence[object]]] = [
    ([], (ONE, TWO, THREE)),
    (["-k", "1"], (ONE,)),
    (["-k", "1,7"], (ONE, TWO)),
    (["-k", "1", "-v"], (TWO, THREE)),
    (["-a", nip19.encode_npub(ANA.public_key.hex)], (ONE, THREE)),
    (["-t", "t=x", "-t", "t=y"], (ONE, THREE)),
    (["--since", "1700002000"], (TWO, THREE)),
    (["--until", "1700001999"], (ONE,)),
    (["-e", ONE.id], (TWO,)),
    (["-d", "three"], (THREE,)),
    (["-l", "2"], (ONE, TWO)),
    (["-l", "0"], ()),
    (['{"kinds":[1]}', '{"#d":["three"]}'], (ONE, THREE)),
    (['{"kinds":[1]}', '{"#d":["three"]}', "--since", "1700002000"], (THREE,)),
    (['{"kinds":[1],"limit":1}', '{"kinds":[7],"limit":1}'], (ONE, TWO)),
]


@pytest.mark.parametrize("verify", [[], ["--verify"]])
def test_a_filter_passes_what_matches(verify: list[str]) -> None:
    for words, wanted in CASES:
        done = said("filter", *words, *verify, given=ALL)
        assert (done.code, done.err) == (0, ""), words
        assert [one["id"] for one in done.records] == [event.id for event in wanted], words  # type: ignore[attr-defined]


def test_signatures_are_looked_at_if_that_is_said() -> None:
    assert len(said("filter", given=FORGED).records) == 1
    done = said("filter", "--verify", "--json", given=FORGED)
    assert (done.code, done.out) == (Exit.INCOMPLETE, "")
    assert done.faults == [{"line": 1, "error": "the signature is wrong"}]


HOSTILE = [
    b'{"kind":1}',
    b"not json",
    b"[1]",
    ONE.json.replace(b"one", b"o\x1b[2J"),
    ONE.json.replace(b"one", b"\xff\xfe"),
    ONE.json.replace(b'"kind":1', b'"kind":"1"'),
]


@pytest.mark.parametrize("line", HOSTILE, ids=range(len(HOSTILE)))
def test_lines_that_are_no_use_are_told(line: bytes) -> None:
    done = said("filter", "-k", "1", "--json", given=line + b"\n" + ONE.json)
    assert [one["line"] for one in done.faults] == [1]
    assert [one["id"] for one in done.records] == [ONE.id]
    assert done.code == Exit.INCOMPLETE
    assert done.out.isprintable() or done.out.count("\n") == 1


def test_what_is_unchecked_and_odd_is_passed_safely() -> None:
    told = json.loads(ONE.json) | {"tags": [[], ["t"], ["t", "x"]]}
    spread = json.dumps(told).replace(", ", ",\t").encode() + b"\r\n"
    done = said("filter", "-t", "t=x", given=spread)
    assert done.records == [told]
    assert done.out.removesuffix("\n").isprintable()


def test_what_cannot_be_looked_for_is_said() -> None:
    for command, left_out in {"filter": ["--search"], "reconcile": ["--search", "--limit"]}.items():
        shown = said(command, "--help").out
        assert "--since" in shown
        assert not [option for option in left_out if option in shown]
    for words in (["--search", "x"], ['{"search":"x"}'], ['{"what":1}'], ["no filter"], ["[]"]):
        done = said("filter", *words, given=ALL)
        assert (done.code, done.out) == (Exit.USAGE, ""), words
