"""Who writes and reads where: lists, hints, and what is never offered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nostr_client.nips import nip19
from nostr_client.protocol import kinds
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing import relay_book
from nostr_client.routing.address_policy import StrangersRelays
from nostr_client.routing.hints import HALF_LIFE, MAX_CODES, OWN_WORD, SEEN
from nostr_client.routing.relay_book import RelayBook, parse_old_relays, parse_relay_list
from tests.routing.rooms import ANA, BEN, CY, START, relay_list, rooms, signed

BEN_KEY, CY_KEY = BEN.public_key.hex, CY.public_key.hex


def test_a_relay_list_is_read_as_nip_65_says() -> None:
    event = signed(
        kind=kinds.RELAY_LIST,
        tags=(
            ("r", "wss://both.example"),
            ("r", "wss://in.example", "read"),
            ("r", "wss://out.example", "write"),
            ("r", "wss://odd.example", ""),
            ("r",),
            ("alt", "x"),
        ),
    )
    write, read = parse_relay_list(event)
    assert write == ("wss://both.example", "wss://out.example", "wss://odd.example")
    assert read == ("wss://both.example", "wss://in.example", "wss://odd.example")


def test_old_follow_lists_carry_relays_in_their_content() -> None:
    content = json.dumps({"wss://a.example": {"read": True, "write": False}, "wss://b.example": {}})
    write, read = parse_old_relays(signed(kind=kinds.FOLLOWS, content=content))
    assert write == ("wss://b.example",)
    assert read == ("wss://a.example", "wss://b.example")
    for broken in ("", "{", "[1]", '{"a":1}', "{" * 5000):
        assert parse_old_relays(signed(kind=kinds.FOLLOWS, content=broken)) == ((), ())


async def test_the_list_counts_and_is_normalised_and_judged(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        event = relay_list(
            BEN,
            "WSS://One.example/",
            "wss://one.example",
            "ws://127.0.0.1:80",
            "ws://192.168.0.1",
            "wss://printer.local",
            "nonsense",
            *(f"wss://many{n}.example" for n in range(50)),
        )
        await r.store.save([event])
        relays = await r.book.relays_of(BEN_KEY)
        assert relays.source == "list"
        assert relays.write[0] == "wss://one.example"
        assert len(relays.write) == relay_book.MAX_LISTED
        assert all("example" in url for url in relays.write)


async def test_who_has_no_list_is_found_by_hints(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        follows = signed(
            kind=kinds.FOLLOWS,
            tags=(("p", BEN_KEY, "wss://mine.example"), ("p", CY_KEY, "ws://10.0.0.1")),
        )
        old = signed(BEN, kinds.FOLLOWS, '{"wss://own.example": {"read": true, "write": true}}')
        note = signed(BEN, 1, "hi")
        await r.store.save([follows, old, note])
        await r.store.ledger.confirm([(note.id, "wss://seen.example")])
        relays = await r.book.relays_of(BEN_KEY)
        assert relays.source == "hint"
        assert relays.write[-1] == "wss://seen.example"  # which nobody else names
        assert set(relays.write) == {
            "wss://seen.example",
            "wss://mine.example",
            "wss://own.example",
        }
        nobody = await r.book.relays_of(CY_KEY)
        assert nobody.source == "fallback"
        assert nobody.write == nobody.hints == ()


async def test_hints_come_from_tags_and_places_of_what_arrives(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        note = signed(
            BEN,
            1,
            "x",
            (
                ("p", CY_KEY, "wss://cy.example"),
                ("e", "0" * 64, "wss://root.example", "root", ANA.public_key.hex),
                ("p", "not a key", "wss://x.example"),
            ),
        )
        r.book.observe(note, "wss://source.example")
        assert r.book.hints(BEN_KEY) == ("wss://source.example",)
        assert r.book.hints(CY_KEY) == ("wss://cy.example",)
        assert r.book.hints(ANA.public_key.hex) == ("wss://root.example",)
        assert "wss://source.example" not in (await r.book.client_relays()).known
        r.policy.use(["wss://source.example"])
        r.book.observe(note, "wss://source.example")
        assert "wss://source.example" in (await r.book.client_relays()).known


async def test_hints_come_from_codes_in_texts_and_from_message_relays(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        ben = nip19.encode_nprofile(BEN_KEY, ["wss://ben.example", "ws://10.0.0.1"])
        note = nip19.encode_nevent("0" * 64, ["wss://cy.example"], author=CY_KEY)
        bare = nip19.encode_nevent("0" * 64, ["wss://whose.example"])
        page = nip19.encode_naddr(30023, CY_KEY, "x", ["wss://page.example"])
        text = f"nostr:{ben}, nostr:{note}! nostr:{bare} (nostr:{page}) nostr:nprofile1qqqqqqq"
        r.book.observe(signed(content=text))
        r.book.observe(signed(kind=kinds.REACTION, content=f"nostr:{page}"))  # no text to read
        boxes = (("relay", "wss://box.example"), ("relay",))
        r.book.observe(signed(BEN, kinds.DM_RELAYS, tags=boxes))
        assert r.book.hints(BEN_KEY) == ("wss://ben.example", "wss://box.example")
        assert r.book.hints(CY_KEY) == ("wss://cy.example", "wss://page.example")
        assert r.book.trusted_hints(BEN_KEY) == ()  # a stranger's word, all of it
        many = [nip19.encode_nprofile(f"{n:064x}", ["wss://x.example"]) for n in range(20)]
        r.book.observe(signed(content=" ".join(f"nostr:{code}" for code in many)))
        assert sum(bool(r.book.hints(f"{n:064x}")) for n in range(20)) == MAX_CODES


async def test_hints_fade_and_what_the_account_says_of_itself_does_not(tmp_path: Path) -> None:
    me = ANA.public_key.hex
    async with rooms(tmp_path, private=()) as r:
        await r.store.save([signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))])
        await r.book.client_relays()
        r.policy.use(["wss://seen.example"])
        r.book.hint(BEN_KEY, "wss://seen.example", SEEN)
        r.book.hint(me, "wss://seen.example", OWN_WORD)
        assert r.book.trusted_hints(BEN_KEY) == ("wss://seen.example",)
        r.clock.now += 2.1 * HALF_LIFE
        assert r.book.hints(BEN_KEY) == ("wss://seen.example",)
        assert r.book.trusted_hints(BEN_KEY) == ()
        assert r.book.trusted_hints(me) == ("wss://seen.example",)
        tag = (("p", BEN_KEY, "wss://old.example"),)
        for _ in range(9):  # old words weigh less than one of today
            r.book.observe(signed(CY, tags=tag, at=START - 10 * int(HALF_LIFE)))
        r.book.hint(CY_KEY, "wss://b.example")
        r.book.hint(CY_KEY, "wss://a.example", at=START - HALF_LIFE)
        assert r.book.hints(CY_KEY) == ("wss://b.example", "wss://a.example")
        r.book.hint(BEN_KEY, "wss://new.example")
        assert r.book.hints(BEN_KEY)[1:] == ("wss://new.example", "wss://old.example")
        r.book.observe(signed(BEN, at=START), "wss://seen.example")  # seen again
        assert r.book.trusted_hints(BEN_KEY) == ("wss://seen.example",)


async def test_hints_are_bounded_and_the_best_win(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        for n in range(100):
            r.book.hint(BEN_KEY, f"wss://spam{n}.example")
        for _ in range(3):
            r.book.hint(BEN_KEY, "wss://true.example", SEEN)
        assert len(r.book.hints(BEN_KEY)) == relay_book.HINTS_OFFERED
        assert r.book.hints(BEN_KEY)[0] == "wss://true.example"
        r.book.hint(BEN_KEY, "wss://x.example/" + "y" * 1000, SEEN)
        assert all(len(url) < 300 for url in r.book.hints(BEN_KEY))


async def test_hearsay_never_adds_up_to_a_persons_own_word(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        r.book.hint(BEN_KEY, "wss://said.example", OWN_WORD)
        r.book.hint(BEN_KEY, "wss://seen.example", SEEN)
        for n in range(20):
            for _ in range(50):
                r.book.hint(BEN_KEY, f"wss://spam{n}.example")
                r.book.hint(BEN_KEY, "wss://said.example")
        best = ("wss://seen.example", "wss://said.example")
        assert r.book.trusted_hints(BEN_KEY) == ()  # a stranger
        await r.store.save([signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))])
        await r.book.client_relays()
        assert r.book.trusted_hints(BEN_KEY) == best
        assert r.book.hints(BEN_KEY)[:2] == best
        assert r.book.trusted_hints(CY_KEY) == ()


async def test_an_empty_list_is_the_owners_wish_and_a_strangers_slip(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        await r.store.save([relay_list(ANA), relay_list(BEN, "ws://127.0.0.1")])
        r.book.hint(BEN_KEY, "wss://ben.example", SEEN)
        own = await r.book.relays_of(ANA.public_key.hex)
        assert (own.source, own.write) == ("list", ())
        ben = await r.book.relays_of(BEN_KEY)
        assert (ben.source, ben.write) == ("hint", ("wss://ben.example",))


async def test_the_own_relay_is_in_no_list_no_hint_and_no_known_place(tmp_path: Path) -> None:
    own = "ws://127.0.0.1:7777"
    async with rooms(tmp_path, own_relay=own, fallback=["wss://f.example"]) as r:
        await r.store.save([relay_list(ANA, own, "ws://127.0.0.1:8888")])
        r.book.observe(signed(ANA, 1, "x"), own)
        r.book.hint(ANA.public_key.hex, own, SEEN)
        relays = await r.book.relays_of(ANA.public_key.hex)
        assert relays.write == ("ws://127.0.0.1:8888",)
        assert r.book.hints(ANA.public_key.hex) == ()
        places = await r.book.client_relays()
        assert places.own_relay == own
        assert own not in places.known
        assert r.book.hint_for(relays) == "ws://127.0.0.1:8888"


async def test_many_people_take_few_queries(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        people = [f"{n:064x}" for n in range(777)]
        found = await r.book.relays_of_many(people)
        assert set(found) == set(people)
        assert all(relays.source == "fallback" for relays in found.values())
        assert await r.book.relays_of_many([]) == {}


@pytest.mark.parametrize("keyed", [True, False])
async def test_the_own_lists_open_private_addresses_and_nobody_elses_do(
    tmp_path: Path, keyed: bool
) -> None:
    nas, box, dm = "ws://192.168.0.9:7777", "ws://127.0.0.1:7777", "ws://10.0.0.9"
    async with rooms(tmp_path, private=(), keyed=keyed) as r:
        lists = [relay_list(ANA, nas), relay_list(BEN, box)]
        messages = [signed(k, kinds.DM_RELAYS, tags=(("relay", dm),)) for k in (ANA, BEN)]
        await r.store.save([*lists, *messages[:1]])
        me = ANA.public_key.hex
        assert (await r.book.relays_of(me)).write == ((nas,) if keyed else ())
        assert (await r.book.relays_of(BEN_KEY)).write == ()
        assert (await r.book.dm_relays([me]))[me] == ((dm,) if keyed else ())
        assert [r.policy(url) for url in (nas, dm, box)] == [keyed, keyed, False]


# Strangers


TRACKING = ("wss://spy.example/for-ana", "wss://spy.example?for=ana", "wss://spy.example/?for=ana")


async def test_what_strangers_name_is_not_dialled_before_somebody_asks(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=(), fallback=["wss://mine.example"]) as r:
        mine = signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))
        hers = relay_list(CY, "wss://hers.example", "wss://mine.example", TRACKING[0])
        about = signed(CY, tags=(("p", BEN_KEY, "wss://spy.example"),))
        await r.store.save([mine, hers, about])
        r.book.observe(about)
        people = await r.book.relays_of_many([BEN_KEY, CY_KEY], asked=False)
        assert people[CY_KEY].write == people[CY_KEY].read == ("wss://mine.example",)
        assert people[BEN_KEY].source == "fallback"  # what a stranger says of a friend is hearsay
        people = await r.book.relays_of_many([BEN_KEY, CY_KEY])
        assert people[CY_KEY].write == ("wss://hers.example", "wss://mine.example", TRACKING[0])
        assert people[BEN_KEY].write == ("wss://spy.example",)


async def test_the_word_of_a_tag_names_no_path_and_no_query(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=()) as r:
        assert r.policy.from_stranger("wss://spy.example") == "wss://spy.example"
        assert [r.policy.from_stranger(url) for url in TRACKING] == ["", "", ""]  # never shortened
        r.book.observe(signed(CY, tags=tuple(("p", BEN_KEY, url) for url in TRACKING)))
        assert r.book.hints(BEN_KEY) == ()
        followed = signed(kind=kinds.FOLLOWS, tags=(("p", BEN_KEY),))
        await r.store.save([followed, relay_list(BEN, "wss://friends.example/room")])
        relays = await r.book.relays_of_many([BEN_KEY], asked=False)
        assert relays[BEN_KEY].write == ("wss://friends.example/room",)
        assert r.policy.from_stranger("wss://friends.example/room")  # somebody followed lists it
        r.policy.use_from_code(
            [TRACKING[0], "ws://10.0.0.1"]
        )  # the person pasted a code with these
        assert r.policy.from_stranger(TRACKING[0]) == TRACKING[0]
        assert not r.policy.from_stranger("ws://10.0.0.1")


async def test_a_relay_that_serves_what_the_account_wrote_is_not_its_own(tmp_path: Path) -> None:
    async with rooms(tmp_path, private=(), fallback=["wss://mine.example"]) as r:
        note = signed(ANA, content="mine")
        await r.store.save([note])
        await r.store.ledger.confirm([(note.id, "wss://spy.example")])
        for _ in range(100):
            r.book.observe(note, "wss://spy.example")
        relays = await r.book.relays_of(ANA.public_key.hex)
        assert (relays.write, relays.read) == ((), ())
        assert r.book.trusted_hints(ANA.public_key.hex) == ()
        assert r.book.follow_list_relays == frozenset()
        old = signed(kind=kinds.FOLLOWS, content='{"wss://old.example/me": {}}')
        await r.store.save([old])
        relays = await r.book.relays_of(ANA.public_key.hex)
        assert relays.write == ("wss://old.example/me",)
        assert r.book.follow_list_relays == {"wss://old.example/me"}


@pytest.mark.parametrize(("setting", "passing", "asked"), [("always", 2, 2), ("never", 0, 0)])
async def test_the_setting_widens_or_narrows_that(
    setting: StrangersRelays, passing: int, asked: int, tmp_path: Path
) -> None:
    async with rooms(tmp_path, private=()) as r:
        r.policy.strangers = setting
        await r.store.save([relay_list(CY, "wss://hers.example", TRACKING[0])])
        assert len((await r.book.relays_of_many([CY_KEY], asked=False))[CY_KEY].write) == passing
        assert len((await r.book.relays_of_many([CY_KEY]))[CY_KEY].write) == asked
        assert bool(r.policy.from_stranger("wss://spy.example")) is (setting == "always")


async def test_the_last_candidates_for_the_reserve_are_niches(tmp_path: Path) -> None:
    several, common = "wss://several.example", "wss://common.example"
    starters = ["wss://starter.one.example", "wss://starter.two.example"]
    niches = [f"wss://niche.{n}.example" for n in range(8)]
    async with rooms(tmp_path) as r:
        tags = tuple(("p", pubkey) for pubkey in (BEN_KEY, CY_KEY))
        stranger = SecretKey.generate()
        await r.store.save(
            [
                *(signed(key, kind=kinds.FOLLOWS, tags=tags) for key in (ANA, stranger)),
                relay_list(BEN, several, *niches, common),
                relay_list(CY, several, starters[1]),
                relay_list(stranger, "WSS://Common.example/", "nonsense"),
            ]
        )
        orders = []
        for key in (ANA, stranger):
            owner = key.public_key.hex
            book = RelayBook(r.store, r.policy, owner=owner, fallback=starters, starters=True)
            orders.append(await book.reserve_candidates())
            assert orders[-1] == await book.reserve_candidates()
        for order in orders:
            assert order[:4] == (several, *starters, common)
            assert set(order[4:]) == set(niches)
        assert orders[0] != orders[1], "each has an order of their own"
