"""A signer in a bunker: what is asked, over which relays, and what is said when no answer comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from nostr_client.accounts import bunker_link, pending_request
from nostr_client.accounts.bunker_meeting import log_out, offer_pairing, pair
from nostr_client.accounts.bunker_pairing import BunkerOptions, BunkerPairing
from nostr_client.accounts.remote_signer import RemoteSigner
from nostr_client.errors import (
    DecryptionFailed,
    NostrError,
    PlaintextTooLong,
    SignerUnavailable,
    SigningRefused,
)
from nostr_client.net import backoff
from nostr_client.nips import nip04, nip44, nip46
from nostr_client.nips.nip46 import BunkerFault, BunkerMethod, BunkerRequest, BunkerResponse
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.gated import gated
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.signing.signer import PeerText
from tests.accounts.bunkers import ACCOUNT, BUNKER, OTHER, FakeBunker, Switchboard, never, only
from tests.waiting import time_passes, until

CLIENT = SecretKey(b"\x44" * 32)
ME = ACCOUNT.public_key.hex
PEER = OTHER.public_key.hex


@pytest.fixture(autouse=True)
def dialled_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST", 0.01)
    monkeypatch.setattr(backoff, "RUSH", 0.01)


@asynccontextmanager
async def meeting(
    *relays: Switchboard, options: BunkerOptions | None = None, account: str = ME
) -> AsyncIterator[tuple[FakeBunker, RemoteSigner]]:
    """A bunker, and a client that it knows."""
    async with AsyncExitStack() as stack:
        for relay in relays or (relays := (Switchboard(),)):
            await stack.enter_async_context(relay)
        bunker = FakeBunker(*relays)
        pairing = BunkerPairing(CLIENT, BUNKER.public_key.hex, bunker.uri.relays, account)
        yield bunker, await stack.enter_async_context(RemoteSigner(pairing, options))


async def test_signs_encrypts_and_decrypts_as_a_local_signer_does() -> None:
    async with meeting() as (_, signer):
        event = await gated(signer).sign(Draft(1, "hello", (("t", "x"),)))
        assert event.pubkey == ME
        assert event.verify()
        local = LocalSigner(OTHER)
        assert await local.nip44_decrypt(ME, await signer.nip44_encrypt(PEER, "ü")) == "ü"
        assert await signer.nip44_decrypt(PEER, await local.nip44_encrypt(ME, "hi")) == "hi"
        assert await local.nip04_decrypt(ME, await signer.nip04_encrypt(PEER, "old")) == "old"
        assert await signer.nip04_decrypt(PEER, await local.nip04_encrypt(ME, "old")) == "old"


async def test_whose_account_it_is_is_asked_after_every_start_and_a_change_is_said() -> None:
    async with meeting() as (bunker, signer):
        await signer.sign(Draft(1))
        await signer.sign(Draft(1))
        assert len(bunker.of("get_public_key")) == 1
        assert bunker.requests[0].method == "get_public_key"
    bunker.account = OTHER
    async with meeting() as (bunker, signer):
        bunker.account = OTHER
        for _ in range(2):
            with pytest.raises(SigningRefused, match="now signs for another account, npub1"):
                await signer.sign(Draft(1))
        assert not bunker.signed


async def test_what_a_bunker_signs_is_the_draft_or_an_error() -> None:
    def answer(request: BunkerRequest) -> BunkerResponse:
        return BunkerResponse(request.id, Draft(1, "mine").sign(ACCOUNT, 1).json.decode())

    async with meeting() as (bunker, signer):
        bunker.instead = only("sign_event", answer)
        with pytest.raises(NostrError, match="did not sign what it was given"):
            await gated(signer).sign(Draft(1, "yours"))
        bunker.instead = only("sign_event", lambda request: BunkerResponse(request.id, "{}"))
        with pytest.raises(SigningRefused, match="no event"):
            await signer.sign(Draft(1))


async def test_relays_are_told_the_clients_key_and_never_the_accounts() -> None:
    relay = Switchboard(wants_auth=True)
    async with meeting(relay) as (_, signer):
        assert (await signer.sign(Draft(1))).pubkey == ME
    assert set(relay.known) == {CLIENT.public_key.hex}
    authors = {frame[1]["pubkey"] for frame in relay.sent("EVENT")}
    assert authors == {CLIENT.public_key.hex}
    assert ME not in json.dumps(relay.log)


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (BunkerFault.CANNOT_DECRYPT.said(), DecryptionFailed, "cannot decrypt"),
        ("invalid MAC", DecryptionFailed, "invalid MAC"),
        (BunkerFault.DENIED.said("not now"), SigningRefused, "refused: not now"),
        (BunkerFault.LATER.said("locked"), SignerUnavailable, "cannot do this now"),
        (BunkerFault.NOT_CONNECTED.said(), SigningRefused, "connect again"),
        (BunkerFault.UNKNOWN_METHOD.said(), SigningRefused, "does not know nip44_decrypt"),
        ("\x1b[2Jboo", SigningRefused, "refused: boo"),
    ],
)
async def test_each_refusal_says_whether_a_retry_helps(
    words: str, error: type[Exception], said: str
) -> None:
    async with meeting() as (bunker, signer):
        bunker.instead = only("nip44_decrypt", lambda r: BunkerResponse(r.id, None, words))
        with pytest.raises(error, match=said.replace(":", r"\:")) as caught:
            await signer.nip44_decrypt(PEER, "x")
        assert type(caught.value) is error
        assert "\x1b" not in str(caught.value)


async def test_a_bunker_that_does_not_answer_in_time() -> None:
    async with meeting() as (bunker, signer):
        await signer.sign(Draft(1))
        bunker.instead = never
        asking = asyncio.ensure_future(signer.sign(Draft(1)))
        await until(lambda: len(bunker.of("sign_event")) == 2)
        time_passes(bunker_link.ANSWER_LIMIT)
        with pytest.raises(SignerUnavailable, match="did not answer in 30 s"):
            await asking


async def test_nobody_listens_there() -> None:
    async with meeting(Switchboard(refusal="mute: nobody listens")) as (_, signer):
        asking = asyncio.ensure_future(signer.sign(Draft(1)))
        for _ in range(2):
            await asyncio.sleep(0.05)
            time_passes(10)
        with pytest.raises(SignerUnavailable, match=r"nobody listens at ws://.*is the bunker"):
            await asking


async def test_relays_that_take_nothing_and_relays_that_are_not_there() -> None:
    async with meeting(Switchboard(refusal="blocked: not you")) as (_, signer):
        with pytest.raises(SignerUnavailable, match=r"takes this: ws://.*blocked: not you"):
            await signer.sign(Draft(1))
    pairing = BunkerPairing(CLIENT, BUNKER.public_key.hex, ("ws://127.0.0.1:1",), ME)
    async with RemoteSigner(pairing) as signer:
        asking = asyncio.ensure_future(signer.sign(Draft(1)))
        await asyncio.sleep(0.05)
        time_passes(5)
        await asyncio.sleep(0.1)
        time_passes(30)
        with pytest.raises(SignerUnavailable, match=r"can be reached: ws://127.0.0.1:1"):
            await asking
    with pytest.raises(SignerUnavailable, match="inside of"):
        await signer.sign(Draft(1))


async def test_a_visit_is_told_and_the_same_request_waited_for() -> None:
    told: list[str] = []
    async with meeting(options=BunkerOptions(on_auth_url=told.append)) as (bunker, signer):
        await signer.sign(Draft(1))
        url = "https://bunker.example/ok?\u202ex"
        bunker.instead = only("sign_event", lambda r: BunkerResponse(r.id, "auth_url", url))
        asking = asyncio.ensure_future(signer.sign(Draft(1, "later")))
        await until(lambda: told)
        assert told == ["https://bunker.example/ok?x"]
        time_passes(bunker_link.ANSWER_LIMIT + 1)
        await asyncio.sleep(0)
        bunker.instead = None
        event = Draft(
            1, "later", created_at=json.loads(bunker.of("sign_event")[-1].params[0])["created_at"]
        ).sign(ACCOUNT, 0)
        await bunker.say(
            BunkerResponse(bunker.of("sign_event")[-1].id, event.json.decode()),
            CLIENT.public_key.hex,
        )
        assert (await asking).id == event.id


async def test_a_visit_that_nobody_makes_or_may_make() -> None:
    def visit(url: str) -> object:
        return only("sign_event", lambda r: BunkerResponse(r.id, "auth_url", url))

    told: list[str] = []
    async with meeting(options=BunkerOptions(on_auth_url=told.append)) as (bunker, signer):
        bunker.instead = visit("http://bunker.example")  # type: ignore[assignment]
        with pytest.raises(SignerUnavailable, match="not https"):
            await signer.sign(Draft(1))
        bunker.instead = visit("https://bunker.example")  # type: ignore[assignment]
        asking = asyncio.ensure_future(signer.sign(Draft(1)))
        await until(lambda: told)
        time_passes(pending_request.VISIT_LIMIT + 1)
        with pytest.raises(SignerUnavailable, match="waited for you at its address"):
            await asking
    async with meeting() as (bunker, signer):  # nobody to tell
        bunker.instead = visit("https://bunker.example")  # type: ignore[assignment]
        with pytest.raises(SignerUnavailable, match=r"go to https://bunker.example first"):
            await signer.sign(Draft(1))


async def test_sixteen_requests_are_under_way_and_each_answer_has_its_place() -> None:
    async with meeting(Switchboard(), Switchboard()) as (bunker, signer):
        texts = [PeerText(PEER, f"text {number}") for number in range(40)]
        payloads = await signer.encrypt_many(texts)
        damaged = PeerText(PEER, "A" * 200)
        asked = [PeerText(PEER, str(payload)) for payload in payloads]
        answers = await signer.decrypt_many([*asked, damaged])
        assert answers[:-1] == [each.text for each in texts]
        assert isinstance(answers[-1], DecryptionFailed)
        assert set(bunker.came.values()) == {1}  # two relays, one request
        signed = await signer.sign_many([Draft(1, str(number)) for number in range(20)])
        assert [event.content for event in signed if isinstance(event, Event)] == [
            str(number) for number in range(20)
        ]
        held: list[BunkerRequest] = []

        async def hold(request: BunkerRequest) -> BunkerResponse | None:
            held.append(request)
            return None

        bunker.instead = hold
        asking = asyncio.ensure_future(signer.decrypt_many(asked))
        await until(lambda: len(held) == bunker_link.MOST_IN_FLIGHT)
        time_passes(bunker_link.ANSWER_LIMIT)
        late = await asking
        assert all(isinstance(answer, SignerUnavailable) for answer in late)
        assert len(held) == bunker_link.MOST_IN_FLIGHT  # the others were not asked for


async def test_what_a_relay_lost_is_sent_again_with_the_same_id() -> None:
    relay = Switchboard()
    async with meeting(relay) as (bunker, signer):
        await signer.sign(Draft(1))
        await until(lambda: bunker.of("switch_relays"))
        relay.bunkers.clear()  # it takes the request, and is gone before it passed it on
        asking = asyncio.ensure_future(signer.sign(Draft(1, "lost")))
        await until(lambda: len(relay.sent("EVENT")) == 4)
        lost = relay.sent("EVENT")[-1][1]["id"]
        relay.bunkers.append(bunker)
        await relay.drop()
        await until(lambda: relay.hears(CLIENT.public_key.hex))
        assert (await asking).content == "lost"
        assert relay.sent("EVENT")[-1][1]["id"] == lost
        assert len(bunker.signed) == 2


async def test_an_answer_that_a_relay_lost_is_asked_for_again_and_nothing_signed_twice() -> None:
    relay = Switchboard()
    async with meeting(relay) as (bunker, signer):
        await signer.sign(Draft(1))
        await until(lambda: bunker.of("switch_relays"))
        bunker.relays.clear()
        asking = asyncio.ensure_future(signer.sign(Draft(1, "signed")))
        await until(lambda: len(bunker.signed) == 2)
        bunker.relays.append(relay)
        await relay.drop()
        await until(lambda: relay.hears(CLIENT.public_key.hex))
        [id] = [each.id for each in bunker.of("sign_event")[1:]]
        await until(lambda: len(relay.sent("EVENT")) >= 5)  # once more, and the bunker knows it
        assert bunker.came[id] == 1
        await until(lambda: asking.done() or time_passes(bunker_link.REFRESH[0]))
        assert (await asking).id == bunker.signed[1].id
        assert len(bunker.signed) == 2
        assert bunker.came[id] >= 2  # more, where the answer takes longer than a look at it


async def test_none_of_many_is_lost_nor_signed_twice_over_a_relay_that_goes_lags_and_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bunker_link, "REFRESH", (0.02,) * 3)
    monkeypatch.setattr(bunker_link, "DIAL_AGAIN", 0.02)
    relay = Switchboard(wants_auth=True, lag=0.001)
    async with meeting(relay) as (bunker, signer):
        drafts = [Draft(1, str(number), created_at=number) for number in range(60)]
        asking = asyncio.ensure_future(signer.sign_many(drafts))
        for reached in (5, 20, 40):
            await until(lambda reached=reached: len(bunker.signed) >= reached)
            await relay.drop()
        events = await asking
        assert [event.content for event in events if isinstance(event, Event)] == [
            draft.content for draft in drafts
        ]
        assert len(bunker.signed) == len({event.id for event in bunker.signed}) == 60


async def test_the_bunker_moves_and_what_is_under_way_ends_where_it_began() -> None:
    old, new = Switchboard(), Switchboard()
    kept: list[tuple[str, ...]] = []

    async def keep(relays: tuple[str, ...]) -> None:
        kept.append(relays)

    async with new, meeting(old, options=BunkerOptions(on_relays=keep)) as (bunker, signer):
        new.bunkers.append(bunker)
        bunker.relays.append(new)
        bunker.moves_to = [new.url]
        await until(lambda: len(kept) == 2)
        assert kept == [(new.url, old.url), (new.url,)]
        await until(lambda: not old.hears(CLIENT.public_key.hex))
        before = len(old.log)
        bunker.relays.remove(old)
        await signer.sign(Draft(1, "there"))
        assert len([frame for frame in old.log[before:] if frame[0] == "EVENT"]) == 0
        assert len(new.sent("EVENT")) >= 2


async def test_where_the_new_relays_are_silent_the_old_ones_stay() -> None:
    old, new = Switchboard(), Switchboard(refusal="blocked: full")
    kept: list[tuple[str, ...]] = []

    async def keep(relays: tuple[str, ...]) -> None:
        kept.append(relays)

    async with new, meeting(old, options=BunkerOptions(on_relays=keep)) as (bunker, signer):
        bunker.moves_to = [new.url]
        await until(lambda: new.sent("EVENT"))
        assert (await signer.sign(Draft(1))).pubkey == ME
        assert kept == [(new.url, old.url)]


async def test_only_the_bunkers_own_words_are_read() -> None:
    relay = Switchboard()
    async with meeting(relay) as (bunker, signer):
        await signer.sign(Draft(1))
        bunker.instead = never
        asking = asyncio.ensure_future(signer.nip44_decrypt(PEER, "x"))
        [request] = await until(lambda: bunker.of("nip44_decrypt"))
        answer = BunkerResponse(request.id, "forged")
        me = CLIENT.public_key.hex
        stranger = nip46.sealed(answer, OTHER, me, nip44.conversation_key(OTHER, me), 1)
        true = nip46.sealed(answer, BUNKER, me, nip44.conversation_key(BUNKER, me), 1)
        sig = ("0" if true.sig[0] != "0" else "1") + true.sig[1:]
        forged = Event.parse(true.json.replace(true.sig.encode(), sig.encode()))
        noise = Draft(kinds.NOSTR_CONNECT, "A" * 200, (("p", me),)).sign(BUNKER, 1)
        for event in (stranger, forged, noise):
            for peer, wire in list(relay._listeners):
                await peer.event(wire, event)
        await bunker.say(BunkerResponse(request.id, "true"), me)
        assert await asking == "true"


async def test_what_the_bunker_asks_of_us_is_answered_with_an_error() -> None:
    relay = Switchboard()
    async with meeting(relay) as (bunker, signer):
        await signer.sign(Draft(1))
        bunker.instead = never
        await bunker.say(BunkerRequest("77", "take_over", ("x",)), CLIENT.public_key.hex)

        def answers() -> list[str]:
            key = nip44.conversation_key(BUNKER, CLIENT.public_key.hex)
            return [nip44.decrypt(f[1]["content"], key) for f in relay.sent("EVENT")]

        text = await until(lambda: [text for text in answers() if '"77"' in text])
        assert BunkerResponse.parse(text[0]).error == "unknown method: this is a client"


async def test_an_encryption_of_old_is_named() -> None:
    async with meeting() as (bunker, signer):
        await signer.sign(Draft(1))
        bunker.limit = nip44.EXTENDED_LENGTH - 1
        bunker.instead = None
        asking = asyncio.ensure_future(signer.sign(Draft(30000, "x" * 82_000)))
        await until(lambda: len(bunker.seen_events) >= 4)
        time_passes(bunker_link.PROBE_LIMIT)
        with pytest.raises(SigningRefused, match="takes no more than 64 kB, and this event is 81"):
            await asking
        assert (await signer.sign(Draft(1))).pubkey == ME  # the others go on
        with pytest.raises(PlaintextTooLong):
            await signer.nip44_encrypt(PEER, "x" * 70_000)

        bunker.instead = never
        asking = asyncio.ensure_future(signer.sign(Draft(1, "old")))
        request = (
            await until(lambda: [r for r in bunker.of("sign_event") if '"old"' in r.params[0]])
        )[0]
        content = nip04.encrypt(
            BunkerResponse(request.id, "x").encode(),
            nip04.shared_key(BUNKER, CLIENT.public_key.hex),
        )
        tags = (("p", CLIENT.public_key.hex),)
        await bunker.send(Draft(kinds.NOSTR_CONNECT, content, tags).sign(BUNKER, 1))
        with pytest.raises(SignerUnavailable, match="encryption is old: it answers as NIP-04"):
            await asking


async def test_a_bunker_of_today_takes_long_lists() -> None:
    async with meeting() as (bunker, signer):
        event = await signer.sign(Draft(30000, "x" * 82_000))
        assert len(event.content) == 82_000
        await signer.sign(Draft(30000, "y" * 82_000))
        assert len(bunker.of("ping")) == 1


async def test_logging_out_is_a_courtesy() -> None:
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        pairing = BunkerPairing(CLIENT, BUNKER.public_key.hex, (relay.url,), ME)
        bunker.clients.add(CLIENT.public_key.hex)
        assert await log_out(pairing)
        assert not bunker.clients
        assert [request.method for request in bunker.requests] == ["logout"]
        bunker.instead = never
        leaving = asyncio.ensure_future(log_out(pairing))
        await until(lambda: len(bunker.of("logout")) == 2)
        time_passes(10)
        assert not await leaving


async def test_connecting_by_the_bunkers_code() -> None:
    async with Switchboard(wants_auth=True) as relay, Switchboard() as new:
        bunker = FakeBunker(relay)
        bunker.moves_to = [new.url]
        new.bunkers.append(bunker)
        bunker.relays.append(new)
        uri = bunker.uri
        pairing = await pair(nip46.BunkerUri(uri.pubkey, (relay.url,), uri.secret))
        assert pairing.account == ME != pairing.bunker == BUNKER.public_key.hex
        assert pairing.relays == (new.url,)
        connect, whose, switch, ping = bunker.requests
        assert connect.params[0] == pairing.bunker
        assert json.loads(connect.params[3]) == {"name": "nostr-client"}
        assert "sign_event" in connect.params[2]
        assert "nip04_encrypt" not in connect.params[2]
        assert [whose.method, switch.method, ping.method] == [
            BunkerMethod.GET_PUBLIC_KEY,
            BunkerMethod.SWITCH_RELAYS,
            BunkerMethod.PING,
        ]
        assert bunker.secret not in repr(pairing)
        with pytest.raises(SigningRefused, match="wrong secret"):
            await pair(nip46.BunkerUri(uri.pubkey, (relay.url,), "guess"))


async def test_connecting_to_a_bunker_that_is_silent_about_its_relays_takes_no_answers_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nostr_client.accounts.bunker_link.SWITCH_LIMIT", 0.05)
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        bunker.instead = only("switch_relays", lambda request: None)
        async with asyncio.timeout(20):  # of an answer's 30
            assert (await pair(bunker.uri)).relays == (relay.url,)


async def test_a_code_that_was_used_is_said_in_words() -> None:
    async with Switchboard() as relay:
        bunker = FakeBunker(relay)
        said = BunkerFault.NOT_CONNECTED.said("this code was used already: ask for a new one")
        bunker.instead = only("connect", lambda request: BunkerResponse(request.id, None, said))
        words = "^the bunker lets nobody in with this code: this code was used already: ask for"
        with pytest.raises(SigningRefused, match=words):
            await pair(bunker.uri)


async def test_connecting_by_our_code_takes_who_knows_the_secret() -> None:
    async with Switchboard() as relay, offer_pairing([relay.url]) as offer:
        uri = offer.uri
        assert uri.metadata.name == "nostr-client"
        bunker = FakeBunker(relay)
        await until(lambda: relay.hears(uri.pubkey))
        waiting = asyncio.ensure_future(offer.taken())
        key = nip44.conversation_key(OTHER, uri.pubkey)
        for answer in (BunkerResponse("1", "ack"), BunkerResponse("1", uri.secret, "no")):
            await relay.bring(nip46.sealed(answer, OTHER, uri.pubkey, key, 1))
        await bunker.scan(uri.format())
        pairing = await waiting
        assert (pairing.bunker, pairing.account) == (BUNKER.public_key.hex, ME)


async def test_our_code_is_good_for_three_minutes() -> None:
    async with Switchboard() as relay, offer_pairing([relay.url]) as offer:
        waiting = asyncio.ensure_future(offer.taken())
        await asyncio.sleep(0)
        time_passes(181)
        with pytest.raises(SignerUnavailable, match="no bunker answered our code in 180 s"):
            await waiting
