"""The relay's side of NIP-77: states, bounds, and what is said."""

from __future__ import annotations

import json

from nostr_client.nips.nip77 import Items, NegentropyClient
from relays.config.sections import Negentropy
from relays.engine.negentropy import NegentropySession, NegentropySessions, Reconciler

NOW = 1_700_000_000.0
ONE = Items([(1, b"\1" * 32)])
TWO = Items([(1, b"\1" * 32), (2, b"\2" * 32)])
ASK = NegentropyClient(ONE).first()


def said(frame: bytes) -> list[object]:
    """What a WebSocket frame of the relay carries."""
    start = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    message = json.loads(frame[start:])
    assert isinstance(message, list)
    return message


def begun(
    negentropy: NegentropySessions, id: str = "n", now: float = NOW, message: bytes = ASK
) -> NegentropySession:
    comparison = negentropy.begin(id, message, now)
    assert isinstance(comparison, NegentropySession)
    return comparison


def reconciler(message_bytes: int = 512 * 1024, **bounds: int) -> Reconciler:
    return Reconciler(Negentropy(**bounds), message_bytes)


def test_a_comparison_from_its_opening_to_its_end() -> None:
    everything = reconciler()
    negentropy = everything.connect()
    label, id, payload = said(negentropy.opened(begun(negentropy), TWO, NOW))
    assert (label, id) == ("NEG-MSG", "n")
    found = NegentropyClient(ONE).answer(bytes.fromhex(str(payload)))
    assert (found.have, found.need, found.message) == ([], [b"\2" * 32], None)
    assert said(negentropy.message("n", ASK, NOW)) == ["NEG-MSG", "n", payload]
    assert everything.memory == TWO.memory
    negentropy.close("n")
    assert everything.memory == len(negentropy) == 0
    assert said(negentropy.message("n", ASK, NOW))[0] == "NEG-ERR"


def test_it_can_be_switched_off_while_clients_stay() -> None:
    everything = reconciler()
    negentropy = everything.connect()
    assert negentropy.is_on
    everything.bounds = Negentropy(sessions=0)
    assert not negentropy.is_on


def test_another_opening_of_the_same_id_ends_the_first() -> None:
    everything = reconciler()
    negentropy = everything.connect()
    first = begun(negentropy)
    second = begun(negentropy)
    assert first.has_ended
    assert negentropy.opened(first, TWO, NOW) == b""
    assert negentropy.refuse(first, "error: late") == b""
    assert said(negentropy.opened(second, ONE, NOW))[0] == "NEG-MSG"
    third = begun(negentropy)
    assert second.has_ended
    assert everything.memory == len(ASK)
    negentropy.opened(third, ONE, NOW)
    assert everything.memory == ONE.memory


def test_who_does_not_wait_for_his_answer_is_ended() -> None:
    negentropy = reconciler().connect()
    comparison = begun(negentropy)
    assert "not answered yet" in str(said(negentropy.message("n", ASK, NOW))[2])
    assert comparison.has_ended


def test_what_is_no_message_ends_it() -> None:
    everything = reconciler()
    negentropy = everything.connect()
    label, id, reason = said(negentropy.opened(begun(negentropy, message=b"\0junk"), TWO, NOW))
    assert (label, id) == ("NEG-ERR", "n")
    assert str(reason).startswith("invalid: ")
    negentropy.opened(begun(negentropy), TWO, NOW)
    assert str(said(negentropy.message("n", b"\x61\0", NOW))[2]).startswith("invalid: ")
    assert everything.memory == len(negentropy) == 0


def test_too_many_of_one_connection_are_refused() -> None:
    everything = reconciler(sessions=2)
    negentropy = everything.connect()
    begun(negentropy, "a")
    begun(negentropy, "b")
    refusal = negentropy.begin("c", ASK, NOW)
    assert isinstance(refusal, bytes)
    assert said(refusal)[:2] == ["NEG-ERR", "c"]
    begun(everything.connect(), "c")
    begun(negentropy, "b")


def test_a_set_that_is_too_large_is_refused_with_the_number_that_is_not() -> None:
    negentropy = reconciler(events=1).connect()
    refusal = ["NEG-ERR", "n", "blocked: more than 1 events match", 1]
    assert said(negentropy.opened(begun(negentropy), TWO, NOW)) == refusal
    assert said(negentropy.too_big(begun(negentropy))) == refusal
    assert len(negentropy) == 0


def test_the_memory_of_all_together_is_bounded() -> None:
    everything = reconciler(memory=TWO.memory + 299, sessions=100)
    first, second = everything.connect(), everything.connect()
    first.opened(begun(first), TWO, NOW)
    assert str(said(second.opened(begun(second), TWO, NOW))[2]).startswith("rate-limited: ")
    large = b"\x61" + bytes(200)
    begun(second, "waiting", message=large)
    assert isinstance(second.begin("too much", large, NOW), bytes)
    assert everything.memory == TWO.memory + len(large)
    first.end()
    assert said(second.opened(begun(second), TWO, NOW))[0] == "NEG-MSG"
    second.end()
    assert everything.memory == 0


def test_who_is_silent_for_too_long_is_ended() -> None:
    everything = reconciler(idle_seconds=60)
    negentropy = everything.connect()
    for number, id in enumerate("abc"):
        negentropy.opened(begun(negentropy, id, NOW + number), ONE, NOW + number)
    negentropy.message("a", ASK, NOW + 30)
    assert everything.expire(NOW + 59) == []
    told = everything.expire(NOW + 62)
    assert [who for who, _ in told] == [negentropy, negentropy]
    ended = [said(frame) for _, frame in told]
    assert [message[1] for message in ended] == ["b", "c"]
    assert {str(message[2]) for message in ended} == {"closed: nothing came for 60 seconds"}
    assert len(negentropy) == 1
    assert everything.memory == ONE.memory


def test_an_answer_fits_into_a_message() -> None:
    items = Items([(n, n.to_bytes(32, "little")) for n in range(20_000)])
    for message_bytes in (16 * 1024, 512 * 1024):
        negentropy = reconciler(message_bytes).connect()
        client = NegentropyClient(Items([]))
        frame = negentropy.opened(begun(negentropy, "x" * 64, message=client.first()), items, NOW)
        assert message_bytes * 0.9 < len(frame) < message_bytes
        assert said(frame)[0] == "NEG-MSG"
