"""NIP-45's HyperLogLog: what its text says, and how well it counts."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest

from nostr_client.errors import InvalidData
from nostr_client.nips import nip45
from nostr_client.protocol.filters import Filter

ID = "0123456789abcdef" * 4
FOLLOWERS = (  # the NIP's example, which goes with a count of 16578
    "0607070505060806050508060707070706090d080b0605090607070b07090606060b07050707090508070808050804"
    "07060906080707080507070805060509040a0b06060704060405070706080607050907070b08060808080b08060709"
    "0a06060805060604070908050607060805050d05060906090809080807050e07050705070609070606060707080"
    "80b0807070708080706060609080705060604060409070a0808050a0506050b0810060a0908070709080b0a0705080"
    "6050508060607080606080707050806080c0a0707070a080808050608080f070506070706070a0908090c0807080808"
    "06090508060606090906060d07050708080405070708"
)


def pubkeys(count: int, salt: int = 0) -> list[str]:
    return [sha256(b"%d %d" % (salt, number)).hexdigest() for number in range(count)]


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        (ID, 0 + 8),
        (ID[:32] + "f" + ID[33:], 15 + 8),
        (f"30023:{ID[:32]}a{ID[33:]}:x:y\n", 10 + 8),
        (ID.upper(), int(sha256(ID.upper().encode()).hexdigest()[32], 16) + 8),
        ("nostr", int(sha256(b"nostr").hexdigest()[32], 16) + 8),
        (f"x:{ID}:", int(sha256(f"x:{ID}:".encode()).hexdigest()[32], 16) + 8),
    ],
)
def test_offset(value: str, offset: int) -> None:
    assert nip45.offset_of(Filter(tags={"t": frozenset([value])})) == offset


def test_offset_of_other_filters_is_open() -> None:
    for f in (Filter(), Filter.of(kinds=[7]), Filter.of(t=["a", "b"]), Filter.of(t=["a"], p=[ID])):
        assert nip45.offset_of(f) is None
    assert nip45.offset_of(Filter(tags={"t": frozenset(["\ud800"])})) is not None


def test_registers() -> None:
    """The byte at the offset says which; zero bits from the next byte on, plus one, what."""
    key = bytearray(32)
    key[8], key[9] = 7, 0b0001_0000
    other = bytearray(b"\xff" * 32)
    other[8] = 9
    none = bytearray(32)
    made = nip45.registers_of([bytes(k).hex() for k in (key, other, none)], 8)
    assert {index: run for index, run in enumerate(made) if run} == {7: 4, 9: 1, 0: 8 * 23 + 1}
    assert len(made) == 256
    key[9] = 0b1000_0000
    assert nip45.registers_of([bytes(key).hex()], 8)[7] == 1
    assert nip45.registers_of(pubkeys(500), 23) != nip45.registers_of(pubkeys(500), 22)


def test_merging_counts_nobody_twice() -> None:
    keys = pubkeys(900)
    parts = [nip45.registers_of(part, 12) for part in (keys[:600], keys[300:], [])]
    assert nip45.merge(parts) == nip45.registers_of(keys, 12)
    assert nip45.merge([]) == bytes(256)


def test_the_example_of_the_text_is_near_its_count() -> None:
    estimate = nip45.estimate(nip45.decode(FOLLOWERS))
    assert abs(estimate / 16578 - 1) < 3 * nip45.ERROR


@pytest.mark.parametrize("count", [0, 1, 2, 10, 100, 300, 600, 1000, 5000])
def test_estimates(count: int) -> None:
    errors = [
        nip45.estimate(nip45.registers_of(pubkeys(count, salt), 8 + salt % 16)) - count
        for salt in range(20)
    ]
    mean_square = sum(error * error for error in errors) / len(errors)
    assert mean_square**0.5 <= 1.5 * nip45.ERROR * count
    assert count > 2 or not any(errors)


def test_values_of_unknown_origin() -> None:
    rng = random.Random(1)
    value = rng.randbytes(256)
    assert nip45.decode(value.hex()) == nip45.decode(value.hex().upper()) == value
    assert nip45.estimate(value) > 0
    assert nip45.estimate(b"\xff" * 256) > 2**250
    for text in ("", "00", value.hex()[:-1], value.hex() + "0", value.hex()[:-1] + "g"):
        with pytest.raises(InvalidData):
            nip45.decode(text)
