"""To whom it is said who we are, with real stores and relays that demand it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nostr_client.errors import SignerUnavailable, SigningRefused
from nostr_client.net.auth_demand import AuthDemand
from nostr_client.net.session.pending import Purpose
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing import authentication
from nostr_client.routing.auth_choices import AuthChoices
from nostr_client.routing.authentication import Authenticator
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import Signer
from tests.routing.rooms import ANA, BEN, CY, Clock, Rooms, relay_list, rooms, signed
from tests.signing.distant import DistantSigner
from tests.waiting import until

ME, BEN_KEY = ANA.public_key.hex, BEN.public_key.hex
MINE, MY_BOX, BENS, BENS_BOX = (f"wss://{name}.example" for name in ("mine", "box", "bens", "b"))
STARTER, HINTED, LURE = (f"wss://{name}.example" for name in ("starter", "hinted", "lure"))
NOTES: Purpose = (Filter.of(kinds=[1], authors=[BEN_KEY]),)
WALL = "auth-required: who are you?"


def box(key: object, *urls: str) -> Event:
    return signed(key, kinds.DM_RELAYS, tags=tuple(("relay", url) for url in urls))  # type: ignore[arg-type]


@asynccontextmanager
async def furnished(
    folder: Path, signer: Signer | None = None, clock: Clock | None = None
) -> AsyncIterator[tuple[Rooms, Authenticator]]:
    """Ana follows ben; cy is a stranger whose list leads to `LURE`."""
    async with rooms(folder, keyed=True, fallback=[STARTER]) as room:
        room.book._starters = True
        await room.store.save(
            [
                relay_list(ANA, MINE),
                box(ANA, MY_BOX),
                signed(ANA, kinds.FOLLOWS, tags=(("p", BEN_KEY),)),
                relay_list(BEN, BENS),
                box(BEN, BENS_BOX),
                relay_list(CY, LURE),
            ]
        )
        await room.book.relays_of(BEN_KEY)  # as whoever reads there has done
        choices = AuthChoices(folder / "auth.json")
        yield room, Authenticator(signer, room.book, choices, clock or Clock())


def demand(url: str, purpose: Purpose = NOTES, challenge: str = "c") -> AuthDemand:
    return AuthDemand(url, challenge, purpose)


def wrap(recipient: str = BEN_KEY) -> Event:
    return signed(CY, kinds.GIFT_WRAP, tags=(("p", recipient),))


REPLY = signed(ANA, tags=(("e", "0" * 64, "", "root"), ("p", BEN_KEY)))


@pytest.mark.parametrize(
    ("url", "purpose", "told"),
    [
        (MINE, NOTES, True),
        (MY_BOX, NOTES, True),
        (MINE, REPLY, True),
        (BENS_BOX, wrap(), True),
        (BENS, REPLY, True),
        (BENS, NOTES, False),
        (BENS_BOX, NOTES, False),
        (BENS, wrap(), False),
        (BENS_BOX, REPLY, False),
        (BENS_BOX, wrap(CY.public_key.hex), False),
        (BENS, signed(CY, tags=(("p", BEN_KEY),)), False),
        (BENS, signed(ANA), False),
        (STARTER, NOTES, False),
        (HINTED, NOTES, False),
    ],
)
async def test_who_is_told(tmp_path: Path, url: str, purpose: Purpose, told: bool) -> None:
    async with furnished(tmp_path, LocalSigner(ANA)) as (_, authenticator):
        answer = await authenticator(demand(url, purpose))
        if told:
            assert isinstance(answer, Event)
            assert (answer.pubkey, answer.kind) == (ME, kinds.AUTH)
            assert (answer.value("relay"), answer.value("challenge")) == (url, "c")
        else:
            assert answer == authentication.NOT_TOLD
        assert (url in authenticator.introduced) is told
        assert (url in authenticator.untold) is not told


async def test_it_is_asked_about_what_is_read_and_not_about_what_strangers_name(
    tmp_path: Path,
) -> None:
    async with furnished(tmp_path, LocalSigner(ANA)) as (_, authenticator):
        authenticator.asks = True
        assert await authenticator(demand(LURE)) == authentication.NOT_TOLD
        assert await authenticator(demand(BENS, signed(ANA))) == authentication.NOT_TOLD
        assert authenticator.questions.current is None
        assert await authenticator(demand(BENS)) == authentication.ASKED
        question = authenticator.questions.current
        assert question is not None
        assert (question.pubkey, question.url, question.purposes) == (ME, BENS, [NOTES])
        heard: list[str] = []

        async def hear(url: str) -> None:
            heard.append(url)

        authenticator.on_change = hear
        await authenticator.answer(BENS, True, lasting=False)
        assert authenticator.questions.current is None
        assert heard == [BENS]
        assert isinstance(await authenticator(demand(BENS)), Event)
        await authenticator.answer(BENS, False, lasting=True)
        assert await authenticator(demand(BENS)) == authentication.DENIED
        assert await authenticator.forget(BENS)
        assert await authenticator(demand(BENS)) == authentication.ASKED


async def test_who_does_not_answer_is_not_asked_again(tmp_path: Path) -> None:
    clock = Clock()
    async with furnished(tmp_path, LocalSigner(ANA), clock) as (_, authenticator):
        authenticator.asks = True
        await authenticator(demand(BENS))
        question = authenticator.questions.current
        assert question is not None
        authenticator.questions.seen(question)
        clock.now += 3600
        assert authenticator.questions.current is None
        assert await authenticator(demand(BENS)) == authentication.DENIED
        assert authenticator.questions.current is None


async def test_what_a_message_relay_learns_is_said_once_an_account(tmp_path: Path) -> None:
    async with furnished(tmp_path, LocalSigner(ANA)) as (_, authenticator):
        assert authenticator.disclosed == ""
        await authenticator(demand(MINE, REPLY))
        assert authenticator.disclosed == ""
        await authenticator(demand(BENS_BOX, wrap()))
        assert authenticator.disclosed == BENS_BOX
        await authenticator.note_disclosed()
        await authenticator(demand(BENS_BOX, wrap()))
        assert authenticator.disclosed == ""
    async with furnished(tmp_path, LocalSigner(ANA)) as (_, authenticator):
        await authenticator(demand(BENS_BOX, wrap()))
        assert authenticator.disclosed == "", "after a restart neither"


def relay_of(asked: object) -> str:
    assert isinstance(asked, Draft)
    return {tag[0]: tag[1] for tag in asked.tags}["relay"]


async def test_a_slow_signer_signs_once_a_challenge_and_holds_up_no_other_relay(
    tmp_path: Path,
) -> None:
    signer = DistantSigner(ANA)
    async with furnished(tmp_path, signer) as (_, authenticator):
        demands = [demand(MINE), demand(MINE, REPLY), demand(MY_BOX)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(authenticator(one)) for one in demands]
            await until(lambda: sum(s.waiting for s in authenticator._signing.values()) == 3)
            await signer.is_asked(2)
            signer.hurry()
        assert tasks[0].result() is tasks[1].result()
        assert sorted(map(relay_of, signer.asked)) == [MY_BOX, MINE]
        await authenticator(demand(MINE))
        assert len(signer.asked) == 3, "a later connection has its own"


async def test_a_locked_account_says_so_and_a_no_of_the_signer_stands(tmp_path: Path) -> None:
    async with furnished(tmp_path) as (_, authenticator):
        authenticator.asks = True
        with pytest.raises(SignerUnavailable, match="locked"):
            await authenticator(demand(MINE))
        assert await authenticator(demand(BENS)) == authentication.NOT_TOLD
        assert authenticator.questions.current is None, "nothing could be signed"
    signer = DistantSigner(ANA)
    async with furnished(tmp_path, signer) as (_, authenticator):
        asking = asyncio.create_task(authenticator(demand(MINE)))
        await signer.is_asked()
        signer.refuse()
        with pytest.raises(SigningRefused):
            await asking
        assert await authenticator(demand(MINE)) == authentication.DENIED
        assert len(signer.asked) == 1
