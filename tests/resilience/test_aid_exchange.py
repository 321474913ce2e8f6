"""Asking whether others keep ours, and answering those whom we keep: clients over a real socket."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from nostr_client import NostrClient
from nostr_client.errors import MessageNotSent
from nostr_client.nips.nip59 import Rumor
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.resilience import aid_exchange
from nostr_client.resilience.aid_messages import (
    KIND,
    LONGEST,
    NAME,
    AskedBack,
    AskedSample,
    GivenBack,
    GivenProof,
    encode_aid,
    parse_aid,
    proof_of,
)
from nostr_client.resilience.kept_people import KeptPerson, Proof
from tests.net.scripted import ScriptedRelay, honest
from tests.resilience.test_mutual_aid import client_of
from tests.routing.rooms import ANA, BEN, CY, START, relay_list, signed
from tests.waiting import until

ANAS, BENS, CYS = (key.public_key.hex for key in (ANA, BEN, CY))
NONCE = "ab" * 32
NOW = int(time.time())
"""Messages expire, and stores go by the real clock."""


def test_messages_are_what_they_say_or_nothing() -> None:
    said = [
        AskedSample(NONCE, ("1" * 64,)),
        GivenProof(NONCE, "2" * 64, (), 5, 1000, START),
        AskedBack(("wss://a.example",)),
        GivenBack(("wss://a.example",), 5),
    ]
    assert [parse_aid(encode_aid(each)) for each in said] == said
    wrong = (
        "",
        "{}",
        "[" * 5000,
        '{"type": "sample", "nonce": "zz", "ids": []}',
        encode_aid(AskedSample(NONCE, ("short",))),
        encode_aid(AskedSample(NONCE, tuple(f"{n:064x}" for n in range(17)))),
        encode_aid(AskedBack(("wss://a.example",) * 5)),
        encode_aid(AskedBack(("x" * LONGEST,))),
        '{"type": "restoring", "relays": [], "events": -1}',
    )
    assert [parse_aid(text) for text in wrong] == [None] * len(wrong)


def test_a_proof_is_of_these_events_and_this_nonce() -> None:
    one, two = signed(content="one"), signed(content="two")
    proof = proof_of(NONCE, [one, two])
    assert proof == proof_of(NONCE, [two, one])
    assert len({proof, proof_of("cd" * 32, [one, two]), proof_of(NONCE, [one])}) == 3


@asynccontextmanager
async def two_who_keep_each_other(
    folder: Path, held: list[Event]
) -> AsyncIterator[tuple[NostrClient, NostrClient, ScriptedRelay]]:
    """Ana and Ben, with one relay for all; Ana wrote what `held` has of hers."""
    async with AsyncExitStack() as stack:
        relay = await stack.enter_async_context(ScriptedRelay(honest(held)))
        for key in (ANA, BEN, CY):
            inbox = (("relay", relay.url),)
            held += [relay_list(key, relay.url), signed(key, kinds.DM_RELAYS, tags=inbox)]
        ana = await stack.enter_async_context(client_of(folder / "ana", ANA, [relay.url], NOW))
        ben = await stack.enter_async_context(client_of(folder / "ben", BEN, [relay.url], NOW))
        await ana.comparisons.fetch([relay.url])
        for one, other in ((ana, BENS), (ben, ANAS)):
            await one.mutual_aid.add(other)
            await one.mutual_aid.refresh()
            one.messages.start()
        yield ana, ben, relay


async def proven(client: NostrClient, pubkey: str) -> Proof:
    """The answer to a sample that is asked for now."""

    async def answered() -> Proof | None:
        person = await client.mutual_aid.kept(pubkey)
        return person.proof if person.sample is None else None

    assert await client.mutual_aid.exchange.ask(pubkey)
    proof = await until(answered)
    assert isinstance(proof, Proof)
    return proof


async def test_a_sample_shows_what_the_other_really_keeps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = [signed(content=f"note {n}", at=START + n) for n in range(4)]
    async with two_who_keep_each_other(tmp_path, [*notes]) as (ana, ben, _):
        first = await proven(ana, BENS)
        assert (first.asked, first.proven, first.missing, first.events) == (6, 6, 0, 6)
        await ben.store.remove([Filter.of(ids=[notes[1].id])])
        second = await proven(ana, BENS)
        assert (second.proven, second.missing, second.wrong) == (5, 1, False)
        monkeypatch.setattr(aid_exchange, "FRESH", NOW)
        fresh = await proven(ana, BENS)
        assert (fresh.proven, fresh.missing) == (5, 0), "he need not have fetched it yet"
        monkeypatch.setattr(aid_exchange, "proof_of", lambda nonce, events: "0" * 64)
        assert (await proven(ben, ANAS)).proven == 2, "both lie in the same way"
        person = await ana.mutual_aid.kept(BENS)
        assert not await ana.mutual_aid.exchange.ask_if_due(person), "once a day"


async def test_what_proves_nothing_is_said(tmp_path: Path) -> None:
    async with two_who_keep_each_other(tmp_path, [signed(content="x")]) as (ana, _, _):
        exchange, people = ana.mutual_aid.exchange, ana.mutual_aid.people
        ana.mutual_aid.exchange.send = _nowhere  # type: ignore[method-assign]
        await exchange.ask(BENS)
        person = await people.of(BENS)
        assert person is not None
        assert person.sample is not None
        await exchange.ask(BENS)
        assert await people.of(BENS) == person, "it waits for its answer"
        await exchange._take(BENS, GivenProof("cd" * 32, "0" * 64))
        assert (await ana.mutual_aid.kept(BENS)).proof is None, "another nonce"
        await exchange._take(BENS, GivenProof(person.sample.nonce, "0" * 64))
        proof = (await ana.mutual_aid.kept(BENS)).proof
        assert proof is not None
        assert (proof.wrong, proof.proven) == (True, 0)


async def _nowhere(pubkey: str, message: object) -> None:
    return None


async def test_a_stranger_gets_nothing_and_a_friend_not_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two_who_keep_each_other(tmp_path, []) as (_, ben, relay):
        exchange = ben.mutual_aid.exchange
        sent: list[tuple[str, object]] = []

        async def send(pubkey: str, message: object) -> None:
            sent.append((pubkey, message))

        monkeypatch.setattr(exchange, "send", send)
        monkeypatch.setattr(aid_exchange, "ANSWERS_A_DAY", 3)
        for message in (AskedSample(NONCE, ()), AskedBack((relay.url,)), GivenBack((), 1)):
            await exchange._take(CYS, message)
        assert sent == []
        assert exchange.given_back == {}
        await exchange._take(ANAS, AskedBack(("ws://10.0.0.1", "nonsense")))
        assert sent == [], "a relay that is not dialled for strangers"
        await exchange._take(ANAS, AskedBack((relay.url,)))
        await exchange._take(ANAS, AskedBack((relay.url,)))
        assert [type(message) for _, message in sent] == [GivenBack], "once an hour"
        for _ in range(4):
            await exchange._take(ANAS, AskedSample(NONCE, ()))
        assert len(sent) == 2, "three answers a day, one of which led nowhere"


async def test_what_is_heard_is_bounded_and_of_ours(tmp_path: Path) -> None:
    async with client_of(tmp_path, BEN) as ben:
        hear = ben.mutual_aid.exchange.hear
        content = encode_aid(AskedSample(NONCE, ()))

        def rumor(kind: int = KIND, name: str = NAME) -> Rumor:
            return Rumor.of(Draft(kind, content, (("d", name),)), CYS, START + 100)

        assert not hear(rumor(kind=14))
        assert not hear(rumor(name="another"))
        assert all(hear(rumor()) for _ in range(aid_exchange.MOST_WAITING + 5))
        await ben.mutual_aid.exchange.settled()
        with pytest.raises(MessageNotSent, match="no relays for messages"):
            await ben.mutual_aid.exchange.send(ANAS, AskedSample(NONCE, ()))


async def test_who_could_get_no_answer_does_not_ask(tmp_path: Path) -> None:
    """An answer is given seldom: one that reaches nobody is missed for a day."""
    async with ScriptedRelay(honest(held := [])) as relay:
        inbox = (("relay", relay.url),)
        held += [relay_list(ANA, relay.url), signed(BEN, kinds.DM_RELAYS, tags=inbox)]
        async with client_of(tmp_path, ANA, [relay.url], NOW) as ana:
            await ana.mutual_aid.add(BENS)
            with pytest.raises(MessageNotSent, match="dm relays --set"):
                await ana.mutual_aid.exchange.ask_back(BENS, [relay.url])


async def test_a_new_device_gets_everything_back_with_the_key_alone(tmp_path: Path) -> None:
    notes = [signed(content=f"note {n}", at=START + n) for n in range(4)]
    profile = signed(kind=kinds.METADATA, content="{}")
    held = [*notes, profile]
    async with two_who_keep_each_other(tmp_path, held) as (_, ben, relay):
        del held[:5]  # the relay has lost her notes, and her first device is not asked
        async with (
            ScriptedRelay(honest([])) as spare,
            client_of(tmp_path / "new", ANA, [relay.url], NOW) as new,
        ):
            exchange = new.mutual_aid.exchange
            new.messages.start()
            await exchange.ask_back(BENS, [spare.url])
            given = await until(lambda: exchange.given_back.get(BENS))
            assert (given.relays, given.events) == ((spare.url,), 7)

            async def all_back() -> bool:
                await new.comparisons.fetch([spare.url])
                found = await new.store.query([Filter.of(authors=[ANAS])])
                return {event.id for event in (*notes, profile)} <= {event.id for event in found}

            await until(all_back)
            person = await ben.mutual_aid.kept(ANAS)
            assert isinstance(person, KeptPerson)
            assert person.handed_at == NOW
