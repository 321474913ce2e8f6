"""The table of NIPs and kinds that is carried along."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from nostr_client.cli.protocol.specifications import kinds, nips
from nostr_client.exits import Exit
from nostr_client.protocol import kinds as known
from tests.cli.protocol.in_process import said

README = Path(__file__).parents[3] / "README.md"


@pytest.mark.tree
def test_how_far_we_go_is_what_the_readme_says() -> None:
    section = (
        README.read_text("utf-8").partition("## Where each NIP lives")[2].partition("\n## ")[0]
    )
    told: dict[str, list[str]] = {}
    for numbers, how_far in re.findall(
        r"^\| ([0-9A-Z, ]+?)(?: \(draft\))? \| .*? \| (.*?) \|", section, re.MULTILINE
    ):
        for number in numbers.split(", "):
            if number != "NIP":
                bare = re.sub(r" \(\[[^]]*\]\([^)]*\)\)", "", how_far)  # links to pages
                told.setdefault(number, []).append(bare)
    assert len(told) > 50
    here = {one.number: one.how_far for one in nips() if one.how_far}
    for number, words in told.items():
        assert here.get(number) == "; ".join(words), f"nips.tsv: {number}"
    assert here.keys() == told.keys()


def test_the_tables_are_sound() -> None:
    numbers = [one.number for one in nips()]
    assert len(numbers) == len(set(numbers)) > 90
    assert {one.state for one in nips()} == {"in use", "draft", "unrecommended"}
    assert {one.instead for one in nips()} <= {"", *numbers}
    rows = kinds()
    assert all(row.first <= row.last for row in rows)
    assert all(one.last < two.first for one, two in itertools.pairwise(rows))
    assert {name for row in rows for name in row.nips if len(name) == 2} <= set(numbers)
    ours = {
        number for name, number in vars(known).items() if name.isupper() and type(number) is int
    }
    covered = {number for row in rows for number in range(row.first, row.last + 1)}
    assert ours - covered == {known.MAX_KIND}


def test_a_nip_is_found_by_its_number_or_its_title() -> None:
    for spelled in ("1", "01", "NIP-01", "nip1"):
        assert [one["nip"] for one in said("nip", spelled, "--json").records] == ["01"]
    told = said("nip", "5a", "--json").records[0]
    assert (told["nip"], told["kinds"][0]) == ("5A", 5128)
    old = said("nip", "04").out
    assert "unrecommended, 17 instead" in old
    assert {one["nip"] for one in said("nip", "gift", "wraps", "--json").records} == {"59"}
    assert len(said("nip", "--json").records) == len(nips())
    assert said("nip", "ZZ").code == Exit.USAGE


def test_a_kind_is_found_by_its_number_or_its_words() -> None:
    told = said("kind", "30023", "--json").records
    assert told == [
        {
            "kind": 30023,
            "last": 30023,
            "what": "article",
            "class": "addressable",
            "nips": ["23"],
            "state": "in use",
        }
    ]
    assert said("kind", "9005", "--json").records[0]["kind"] == 9005
    unknown = said("kind", "25000", "--json").records[0]
    assert (unknown["what"], unknown["class"]) == (None, "ephemeral")
    assert [one["kind"] for one in said("kind", "gift", "--json").records] == [1059, 21059]
    assert said("kind", "65536").code == Exit.USAGE
    assert said("kind", "nonsense").code == Exit.USAGE
