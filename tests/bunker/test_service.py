"""A bunker of ours, asked by a client over relays that are lost and want to know who asks."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest

from nostr_client.accounts.bunker_link import BunkerLink
from nostr_client.accounts.bunker_meeting import offer_pairing
from nostr_client.bunker.files import RequestLogEntry
from nostr_client.bunker.limits import ANSWERS_AT_ONCE
from nostr_client.bunker.questions import Consented
from nostr_client.bunker.state import BunkerState
from nostr_client.cli.bunker_words import log_line
from nostr_client.errors import SignerError, SigningRefused
from nostr_client.nips.nip46 import BunkerRequest, ClientMetadata, ConnectParams
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.kill_switches import MassDeletion, vanishing
from nostr_client.signing.guards import Objection
from tests.accounts.bunkers import Switchboard
from tests.bunker.serving import KEY, Serving
from tests.waiting import until

CLIENT, OTHER = SecretKey(b"\x61" * 32), SecretKey(b"\x62" * 32)
LIMIT = 30.0


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nostr_client.bunker.service.WATCH", 0.02)
    monkeypatch.setattr("nostr_client.accounts.bunker_link.REFRESH", (0.2,) * 50)


@pytest.fixture
async def relay() -> AsyncIterator[Switchboard]:
    async with Switchboard() as switchboard:
        yield switchboard


@pytest.fixture
def bunker(tmp_path: Path, relay: Switchboard) -> Serving:
    return Serving(tmp_path, [relay.url])


async def connected(bunker: Serving, permissions: str = "", key: SecretKey = CLIENT) -> BunkerLink:
    """A line to the bunker, not entered yet, of a client that knows the code."""
    uri = await bunker.invite(permissions)
    link = BunkerLink(key, uri.pubkey, uri.relays)
    params = ConnectParams(uri.pubkey, uri.secret, (), ClientMetadata(name="Test")).encode()
    async with link as line:
        assert await line.ask("connect", *params) == "ack"
    return BunkerLink(key, uri.pubkey, uri.relays)


def event(kind: int = 1, content: str = "hi", **fields: Any) -> str:
    return json.dumps(
        {"kind": kind, "content": content, "tags": [], "created_at": 1_800_000_000} | fields
    )


async def signed(line: BunkerLink, draft: str) -> Event:
    return Event.parse(await line.ask("sign_event", draft, limit=LIMIT) or "")


async def test_a_code_connects_one_client_which_may_what_was_said(bunker: Serving) -> None:
    async with bunker.running(alone=True), await connected(bunker, "sign_event:1") as line:
        assert await line.ask("get_public_key") == KEY.public_key.hex
        note = await signed(line, event())
        assert note.verify()
        assert (note.pubkey, note.content) == (KEY.public_key.hex, "hi")
        with pytest.raises(SigningRefused, match="sign_event:3: nobody is there"):
            await signed(line, event(kind=3))
        with pytest.raises(SignerError, match="unknown method"):
            await line.ask("make_coffee")
        async with BunkerLink(OTHER, line.bunker, line.relays) as other:
            for code, words in (("s3cret", "was used already: ask for a new"), ("guessed", "none")):
                with pytest.raises(SignerError, match=words):
                    await other.ask("connect", line.bunker, code, limit=LIMIT)
    outcomes = [(entry.method, entry.kind, entry.outcome) for entry in bunker.files.log(99)]
    assert ("sign_event", 1, "done") in outcomes
    assert ("sign_event", 3, "denied") in outcomes
    kept = b"".join(path.read_bytes() for path in bunker.files.folder.iterdir())
    for secret in (b"s3cret", b'"hi"', bytes(KEY).hex().encode()):
        assert secret not in kept


async def test_what_the_person_says_is_kept_and_counts_for_what_waits(bunker: Serving) -> None:
    async with bunker.running(), await connected(bunker) as line:
        two = [asyncio.create_task(signed(line, event(content=str(n)))) for n in range(2)]
        await until(lambda: bunker.asked)
        bunker.answer(Consented.ALWAYS)
        assert {note.content for note in await asyncio.gather(*two)} == {"0", "1"}
        assert len(bunker.asked) == 1
        assert bunker.asked[0].client.metadata.name == "Test"
        for answer in (Consented.NO, Consented.NEVER):
            bunker.answer(answer)
            with pytest.raises(SigningRefused):
                await line.ask("nip44_decrypt", CLIENT.public_key.hex, answer.value)
        with pytest.raises(SigningRefused, match="not permitted"):
            await line.ask("nip44_decrypt", CLIENT.public_key.hex, "x")
        assert len(bunker.asked) == 3


async def test_what_it_encrypts_it_decrypts(bunker: Serving) -> None:
    peer = OTHER.public_key.hex
    permitted = "nip44_encrypt,nip44_decrypt,nip04_encrypt,nip04_decrypt"
    async with bunker.running(yes_to=permitted), await connected(bunker) as line:
        for form in ("nip44", "nip04"):
            payload = await line.ask(f"{form}_encrypt", peer, "words") or ""
            assert await line.ask(f"{form}_decrypt", peer, payload) == "words"
        long = "x" * 70_000
        with pytest.raises(SignerError, match="65535"):  # what everybody can read
            await line.ask("nip44_encrypt", peer, long)
        secret = bytes(KEY).hex()
        with pytest.raises(SigningRefused, match="secret key"):
            await line.ask("nip44_encrypt", peer, secret)


async def test_a_revocation_counts_at_once_also_while_the_person_thinks(bunker: Serving) -> None:
    async with bunker.running(), await connected(bunker) as line:
        waiting = asyncio.create_task(signed(line, event()))
        await until(lambda: bunker.asked)
        await bunker.files.change(lambda state: state.without(CLIENT.public_key.hex))
        bunker.answer(Consented.YES)
        with pytest.raises(SignerError, match=r"not connected|does not know"):
            await waiting
        assert not bunker.signer.drafts


async def test_who_was_revoked_is_told_so(bunker: Serving) -> None:
    async with bunker.running(alone=True), await connected(bunker, "sign_event") as line:
        await bunker.files.change(lambda state: state.revoking(CLIENT.public_key.hex).withdrawn())
        for _ in range(2):
            with pytest.raises(SigningRefused, match=r"not know this client.*it was revoked"):
                await signed(line, event())
        assert not bunker.signer.drafts
        uri = await bunker.invite()
        assert await line.ask("connect", *ConnectParams(uri.pubkey, uri.secret).encode()) == "ack"
        assert bunker.files.state().revoked == ()


async def test_the_gate_and_the_guards_hold_for_others_programs(bunker: Serving) -> None:
    async def guard(draft: Draft) -> Objection | None:
        words = "it takes 30 of its 31 entries out of the list"
        return Objection(words) if draft.kind == 3 else None

    permitted = bunker.running(guards=[guard], yes_to="sign_event")
    async with permitted, await connected(bunker) as line:
        with pytest.raises(SigningRefused, match="secret key"):
            await signed(line, event(content=bytes(KEY).hex()))
        bunker.answer(Consented.NO)
        with pytest.raises(SigningRefused, match="30 of its 31"):
            await signed(line, event(kind=3))
        bunker.answer(Consented.YES)
        assert (await signed(line, event(kind=3, content="again"))).kind == 3
        assert {str(question.objection)[:7] for question in bunker.asked} == {"it take"}
        drafts = len(bunker.signer.drafts)
        waiting = asyncio.create_task(signed(line, event(kind=3, content="revoked")))
        await until(lambda: len(bunker.asked) == 3)
        await bunker.files.change(lambda state: state.without(CLIENT.public_key.hex))
        bunker.answer(Consented.YES)
        with pytest.raises(SigningRefused):
            await waiting
        assert len(bunker.signer.drafts) == drafts


async def test_what_is_grave_is_asked_about_each_time_and_nobody_there_is_a_no(
    bunker: Serving, tmp_path: Path
) -> None:
    async def nothing_held(ids: Collection[str]) -> list[Event]:
        return []

    guards = [vanishing, MassDeletion(bunker.signer.pubkey, tmp_path, nothing_held, time.time)]
    vanish = event(kind=62, tags=[["relay", "ALL_RELAYS"]])
    mass = event(kind=5, tags=[["e", f"{n:064x}"] for n in range(30)])
    async with (
        bunker.running(guards=guards, yes_to="sign_event") as _,
        await connected(bunker) as line,
    ):
        for content in ("one", "another"):
            bunker.answer(Consented.YES)
            assert (await signed(line, vanish.replace("hi", content))).kind == 62
        bunker.answer(Consented.NO)
        with pytest.raises(SigningRefused, match="it deletes 30 events"):
            await signed(line, mass)
        assert [str(question.objection)[:8] for question in bunker.asked] == [
            "it asks ",
            "it asks ",
            "it delet",
        ]
        phrases = {question.objection.phrase for question in bunker.asked if question.objection}
        assert phrases == {"vanish without a backup", "delete without a backup"}
    async with (
        bunker.running(guards=guards, yes_to="sign_event", alone=True),
        BunkerLink(CLIENT, line.bunker, line.relays) as line,
    ):
        with pytest.raises(SigningRefused, match="it asks every relay to delete") as refused:
            await signed(line, vanish.replace("hi", "a third"))
        assert "backup" not in str(refused.value), "that is not the client's to know"


async def test_nothing_is_signed_twice_by_whatever_id_and_after_a_restart(bunker: Serving) -> None:
    async with bunker.running(alone=True), await connected(bunker, "sign_event") as line:
        first, second = await asyncio.gather(signed(line, event()), signed(line, event()))
        assert first.json == second.json
    async with bunker.running(alone=True), BunkerLink(CLIENT, line.bunker, line.relays) as line:
        assert (await signed(line, event())).json == first.json
        assert len(bunker.signer.drafts) == 1


async def test_a_client_shows_a_code_of_its_own(bunker: Serving, relay: Switchboard) -> None:
    async with bunker.running(), Switchboard() as elsewhere:
        bunker.relays = (relay.url,)
        async with offer_pairing([relay.url]) as offer:
            await until(lambda: relay.hears(offer.uri.pubkey))  # who greets it does so once
            await bunker.let_in(offer.uri)
            pairing = await asyncio.wait_for(offer.taken(), LIMIT)
        assert pairing.account == KEY.public_key.hex
        assert elsewhere.url not in pairing.relays
        client = bunker.files.state().client(pairing.key.public_key.hex)
        assert client is not None
        await until(lambda: not bunker.files.state().clients[0].greeting)
        async with BunkerLink(pairing.key, pairing.bunker, pairing.relays) as line:
            assert await line.ask("logout") == "ack"
        assert bunker.files.state().clients == ()


async def test_relays_are_lost_and_ask_who_is_there(tmp_path: Path) -> None:
    async with Switchboard(wants_auth=True) as relay:
        bunker = Serving(tmp_path, [relay.url])
        async with bunker.running(alone=True), await connected(bunker, "sign_event") as line:
            notes = [await signed(line, event(content="first"))]
            await relay.drop()
            notes += await asyncio.gather(
                *(signed(line, event(content=str(number))) for number in range(20))
            )
            assert len({note.id for note in notes}) == len(bunker.signer.drafts) == 21
            assert KEY.public_key.hex not in relay.known


async def test_a_file_that_cannot_be_read_is_never_taken_for_empty(bunker: Serving) -> None:
    async with bunker.running(alone=True), await connected(bunker, "sign_event") as line:
        path = bunker.files.folder / "clients.json"
        whole = path.read_bytes()
        path.write_bytes(whole[:-9])
        asked = asyncio.create_task(signed(line, event()))
        await until(lambda: any("damaged" in words for words in bunker.notices))
        assert path.read_bytes() == whole[:-9]
        path.write_bytes(whole)
        asked.cancel()
        assert (await signed(line, event(content="again"))).verify()


async def test_a_flood_of_strangers_leaves_the_log_of_what_was_signed(
    bunker: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nostr_client.bunker.limits.ONE_AT_ONCE", 1000.0)
    async with bunker.running(alone=True), await connected(bunker, "sign_event") as line:
        await signed(line, event())
        async with BunkerLink(OTHER, line.bunker, line.relays) as other:
            asking = [asyncio.ensure_future(other.ask("connect", "", f"{n}")) for n in range(15)]
            await until(lambda: sum(each.done() for each in asking) >= ANSWERS_AT_ONCE)
            await signed(line, event(content="after"))
            for each in asking:
                each.cancel()
            answers = await asyncio.gather(*asking, return_exceptions=True)
    told = [error for error in answers if isinstance(error, SigningRefused)]
    assert len(told) >= ANSWERS_AT_ONCE  # how many at most, `test_core` shows
    strangers = [entry for entry in bunker.entries if not entry.client]
    assert len(strangers) == 1
    assert OTHER.public_key.hex not in {entry.client for entry in bunker.files.log(99)}


def test_lines_about_strangers_are_bounded_and_push_out_no_other(
    bunker: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nostr_client.bunker.files.MOST_STRANGERS", 1 << 12)
    first = RequestLogEntry(1, CLIENT.public_key.hex, "sign_event", "done", 1, "e" * 64)
    bunker.files.add_to_log(first)
    for minute in range(500):
        line = RequestLogEntry(minute + 2, "", "connect", "not connected", count=6000)
        bunker.files.add_to_log(line)
    assert bunker.files.log(10)[0] == first
    sizes = {path.name: path.stat().st_size for path in bunker.files.folder.iterdir()}
    assert max(sizes.values()) < (1 << 12) + 200
    assert len(sizes) == 3
    assert "6000 requests of programs that are not connected" in log_line(
        bunker.files.log(10)[-1], BunkerState()
    )


def test_a_request_says_nothing_where_it_is_shown() -> None:
    assert "secret words" not in repr(BunkerRequest("1", "nip44_encrypt", ("p", "secret words")))
