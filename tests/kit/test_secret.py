"""Shares: enough of them open a kit, fewer do not, and no word is said back."""

from __future__ import annotations

from itertools import combinations

import pytest

from nostr_client.errors import DecryptionFailed, InvalidCode, InvalidData, SignerUnavailable
from nostr_client.kit.secret import KitShare, Passphrase, Shares

pytest.importorskip("shamir_mnemonic", reason="the extra `shares` is not installed")


SAID = (
    r"word \d+ is none that a share is made of",
    "this is no whole share: a word is missing, wrong or in another place",
)


def test_any_three_of_five_open_it_and_two_do_not() -> None:
    made = Shares.create(3, 5)
    header = made.header()
    assert (header.opens, header.threshold, header.shares) == ("shares", 3, 5)
    assert len(set(made.lines)) == 5
    assert all(len(line.split()) == 20 for line in made.lines)
    for lines in combinations(made.lines, 3):
        assert Shares(lines).master(header) == made.master(header)
    assert Shares([*reversed(made.lines)]).master(header) == made.master(header)
    assert made.fewest().master(header) == made.master(header)
    for lines in combinations(made.lines, 2):
        with pytest.raises(SignerUnavailable, match="3 different shares"):
            Shares(lines)
    with pytest.raises(SignerUnavailable, match="these are 2"):
        Shares([made.lines[0], made.lines[1], made.lines[1]])


def test_shares_of_another_backup() -> None:
    made, other = Shares.create(2, 2), Shares.create(2, 2)
    with pytest.raises(DecryptionFailed, match="do not belong together"):
        Shares([made.lines[0], other.lines[1]])
    with pytest.raises(DecryptionFailed, match="another backup"):
        other.master(made.header())
    with pytest.raises(DecryptionFailed, match="a passphrase opens"):
        made.master(Passphrase("x", 4).header())


def test_words_are_read_as_people_type_them() -> None:
    line = Shares.create(2, 2).lines[0]
    typed = "  ".join(word[:4].upper() for word in line.split())
    assert KitShare(f" {typed} ").line == line


def test_what_is_no_share_says_no_word_of_it() -> None:
    words = Shares.create(2, 2).lines[0].split()
    swapped = [*words[:8], words[9], words[8], *words[10:]]
    for wrong in ([], words[:-1], ["zzzz", *words[1:]], swapped, [words[0][:3], *words[1:]]):
        with pytest.raises(InvalidCode, match=f"^({'|'.join(SAID)})$"):
            KitShare(" ".join(wrong))
    with pytest.raises(InvalidCode, match="word 1 "):
        KitShare("zzzz")


@pytest.mark.parametrize(("threshold", "count"), [(1, 1), (1, 3), (4, 3), (2, 17), (0, 0)])
def test_what_makes_no_sense(threshold: int, count: int) -> None:
    with pytest.raises(InvalidData):
        Shares.create(threshold, count)


def test_they_are_not_shown_by_accident() -> None:
    made = Shares.create(2, 3)
    shown = f"{made!r} {KitShare(made.lines[0])!r} {Passphrase('hush hush')!r}"
    assert "hush" not in shown
    assert not set(made.lines[0].split()[4:]) & set(shown.split())
