"""Search: here as somebody types, then at relays that search; and what one text points to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from nostr_client.errors import InvalidCode, SecretFound
from nostr_client.net.outcome import How
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import Naddr, Nevent, Nprofile
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.routing.operators import RelayFacts
from nostr_client.routing.relay_facts import RelayFactBook
from nostr_client.social.pointers import (
    HexPointer,
    LinkPointer,
    NamePointer,
    RelayPointer,
    SecretPointer,
    TagPointer,
    pointed_at,
    relay_meant,
)
from nostr_client.social.search import RelayFindings, Search, joined_people
from nostr_client.social.search_relays import SearchRelays
from tests.social.house import (
    ANA,
    BEN,
    BEN_KEY,
    CY,
    CY_KEY,
    DEAD,
    ME,
    START,
    House,
    Relay,
    house,
    signed,
)

DEE = SecretKey.from_hex("4" * 64)
DEE_KEY = DEE.public_key.hex
NPUB = nip19.encode_npub(BEN_KEY)


def named(key: SecretKey, name: str, **more: str) -> Event:
    return signed(key, kinds.METADATA, json.dumps({"name": name, **more}))


def follows(key: SecretKey, *people: str) -> Event:
    return signed(key, kinds.FOLLOWS, tags=tuple(("p", person) for person in people))


@asynccontextmanager
async def searching(
    folder: Path, *events: Event, searching_relays: tuple[str, ...] = ()
) -> AsyncIterator[tuple[House, Search]]:
    """A house whose store has an index and these events; its relays are known to search."""
    facts = folder / "facts.json"
    said = [RelayFacts(url, START, answered=True, nips=(50,)) for url in searching_relays]
    facts.write_bytes(msgspec.json.encode(said))
    async with house(folder, fallback=searching_relays, search=True) as h:
        await h.keep(*events)
        await h.store.finish_index()
        book = RelayFactBook(facts, h.rooms.policy, clock=h.clock)
        relays = SearchRelays(h.courier, h.guard, ME, facts=book, clock=h.clock)
        yield (
            h,
            Search(
                h.courier,
                h.views,
                h.profiles,
                h.follows,
                relays,
                acquaintances=h.acquaintances,
                facts=book,
                owner=ME,
                own=lambda: {ME},
                clock=h.clock,
            ),
        )


async def test_what_is_here_is_found_while_one_types(tmp_path: Path) -> None:
    events = [
        named(BEN, "Libby Noor", nip05="libby@roof.example"),
        named(CY, "LibreOffice Bot"),
        named(DEE, "Libra\x1b[31mrian"),
        follows(ANA, BEN_KEY),
        follows(BEN, CY_KEY),
        signed(BEN, 1, "The library roof is fixed.", (("t", "library"),)),
        signed(CY, 1, "libraries burn", (("t", "Library"),), at=START + 5),
        signed(CY, 30023, "of libraries", (("d", "x"),), at=START - 5),
        signed(CY, 1059, "library"),
    ]
    async with searching(tmp_path, *events) as (_, search):
        found = await search.local("libra")
        assert [person.profile.pubkey for person in found.people] == [DEE_KEY]
        assert [(tag.tag, tag.notes) for tag in found.tags] == [("library", 2)]
        assert [note.event.content for note in found.notes] == [
            "libraries burn", "The library roof is fixed.", "of libraries",
        ]  # fmt: skip
        people = (await search.local("li", only="people")).people
        assert people[0].profile.pubkey == BEN_KEY, "who is followed comes first"
        people = await search.people.counted(people)
        assert {p.profile.pubkey: p.words for p in people} == {
            BEN_KEY: "you follow", CY_KEY: "+1 you know", DEE_KEY: "nobody you know",
        }  # fmt: skip
        assert (await search.local(NPUB[:14])).people[0].profile.pubkey == BEN_KEY
        assert (await search.local("libby@ro")).people[0].profile.pubkey == BEN_KEY
        assert (await search.local("library burn")).is_empty
        assert not (await search.local("lib", only="tags")).people


async def test_a_name_of_ones_own_is_found_and_who_is_muted_is_not(tmp_path: Path) -> None:
    mine = signed(ANA, kinds.FOLLOWS, tags=(("p", BEN_KEY, "", "Grandpa"),))
    events = [named(BEN, "Benjamin"), named(CY, "Granite"), mine]
    async with searching(tmp_path, *events, signed(CY, 1, "granite")) as (h, search):
        people = (await search.local("gran")).people
        assert [person.profile.pubkey for person in people] == [BEN_KEY, CY_KEY]
        await h.mutes.add(("p", CY_KEY))
        found = await search.local("gran")
        assert [person.profile.pubkey for person in found.people] == [BEN_KEY]
        assert not found.notes


async def test_pages_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    notes = [signed(CY, 1, f"tea {n}", at=START - n // 3) for n in range(60)]
    async with searching(tmp_path, *notes) as (_, search):
        seen: list[str] = []
        until = None
        while page := await search.notes("tea", until=until, limit=7):
            seen += [note.id for note in page]
            until = page[-1].cursor
        assert seen == [event.id for event in sorted(notes, key=lambda event: event.order)]


async def test_relays_that_search_are_asked_and_each_end_is_told(tmp_path: Path) -> None:
    fits = signed(CY, 1, "the roofs of Paris")
    other = signed(CY, 1, "a relay without NIP-50 sends what it has")
    wall, here = Relay(), Relay(fits, other, named(DEE, "Roofer"))
    wall.words = "auth-required: who are you?"
    async with (
        wall,
        here,
        searching(tmp_path, searching_relays=(here.url, wall.url, DEAD)) as (
            h,
            search,
        ),
    ):
        told: list[RelayFindings] = []
        found = await search.ask("roof", told.append)
        assert told[0].asking == (here.url, wall.url, DEAD)
        assert not told[-1].asking
        assert {url: end.how for url, end in found.ends.items()} == {
            here.url: How.ANSWERED, wall.url: How.NOT_ALLOWED, DEAD: How.UNREACHABLE,
        }  # fmt: skip
        assert found.found == {here.url: 2, wall.url: 0, DEAD: 0}
        assert await h.store.get(fits.id) == fits, "what came is kept"
        assert [p.profile.name for p in await search.found_people(found)] == ["Roofer"]
        [request] = here.sent("REQ")
        assert {part["search"] for part in request[2:]} == {"roof"}
        every = await search.find("roof")
        assert [note.id for note in every.notes] == [fits.id]
        assert [person.profile.name for person in every.people] == ["Roofer"]
        assert joined_people(every.people, every.people) == every.people


async def test_the_own_list_says_which_relays_are_searched(tmp_path: Path) -> None:
    async with Relay() as listed, Relay() as other:
        mine = signed(ANA, kinds.SEARCH_RELAYS, tags=(("relay", listed.url), ("relay", "junk")))
        async with searching(tmp_path, mine, searching_relays=(other.url,)) as (h, search):
            assert await search.relays.urls() == (listed.url,)
            h.rooms.policy.own_relay = listed.url
            assert await search.relays.urls() == ()
            assert (await search.ask("roof")).nobody
            assert not other.sent("REQ")


async def test_monitors_name_relays_that_search(tmp_path: Path) -> None:
    tags = (("d", "wss://search.example/"), ("N", "1"), ("N", "50"))
    private = (("d", "ws://10.0.0.7"), ("N", "50"))
    reports = [signed(BEN, 30166, tags=tags), signed(BEN, 30166, tags=private, at=START + 1)]
    ignored = signed(CY, 30166, tags=(("d", "wss://liar.example/"), ("N", "50")))
    async with searching(tmp_path, follows(ANA, BEN_KEY), *reports, ignored) as (_, search):
        assert await search.relays.urls() == ("wss://search.example",)


async def test_a_secret_key_is_searched_for_nowhere(tmp_path: Path) -> None:
    nsec = nip19.encode_nsec(ANA)
    async with Relay() as relay, searching(tmp_path, searching_relays=(relay.url,)) as (_, search):
        for text in (nsec, f" my key: {nsec.upper()}", "ncryptsec1qqqq"):
            for act in (search.local, search.ask, search.find, search.notes):
                with pytest.raises(SecretFound) as caught:
                    await act(text)
                assert nsec not in str(caught.value)
            assert await search.resolve(text) == SecretPointer()
        for act in (search.local, search.ask, search.resolve):
            with pytest.raises(SecretFound):
                await act("1" * 64)
        assert not relay.sent("REQ")


async def test_without_an_index_it_says_so(tmp_path: Path) -> None:
    async with house(tmp_path) as h:
        facts = RelayFactBook(tmp_path / "facts.json", h.rooms.policy, clock=h.clock)
        relays = SearchRelays(h.courier, h.guard, ME, facts=facts)
        rooms = (h.courier, h.views, h.profiles, h.follows, relays)
        search = Search(*rooms, acquaintances=h.acquaintances, facts=facts, owner=ME)
        assert (await search.local("tea")).problem
        assert (await search.find("tea")).local.problem


async def test_what_hex_digits_and_names_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = signed(BEN, 1, "hi")
    async with searching(tmp_path, note) as (h, search):

        async def resolve(name: str) -> str:
            if name == "ben@roof.example":
                return BEN_KEY
            raise InvalidCode("the domain knows nobody of this name")

        monkeypatch.setattr(h.profiles, "resolve", resolve)
        assert await search.resolve(note.id.upper()) == Nevent(note.id)
        assert await search.resolve(BEN_KEY) == Nprofile(BEN_KEY)
        assert await search.resolve(CY_KEY) == Nprofile(CY_KEY), "nobody knows an event of that id"
        assert await search.resolve("ff" * 32) == Nevent("ff" * 32), "no key"
        assert await search.resolve("Ben@roof.example") == Nprofile(BEN_KEY)
        with pytest.raises(InvalidCode):
            await search.resolve("mo@roof.example")
        assert await search.resolve("two words") is None


def test_what_a_text_points_to() -> None:
    event = "a" * 64
    address = Naddr(30023, BEN_KEY, "roof", ("wss://r.example",))
    naddr = nip19.encode(address)
    points = {
        NPUB: Nprofile(BEN_KEY),
        f"  nostr:{NPUB}\n": Nprofile(BEN_KEY),
        f"@{NPUB}": Nprofile(BEN_KEY),
        NPUB.upper(): Nprofile(BEN_KEY),
        f"web+nostr:{nip19.encode_note(event)}": Nevent(event),
        nip19.encode_nevent(event, ["wss://r.example"]): Nevent(event, ("wss://r.example",)),
        naddr: address,
        f"https://njump.example/{naddr}?x=1": address,
        "https://roof.example/photos": LinkPointer("https://roof.example/photos"),
        "wss://Relay.Example/": RelayPointer("wss://relay.example"),
        "wss://": None,
        "#Library": TagPointer("library"),
        "#": None,
        "# library": None,
        "Libby@Roof.example": NamePointer("libby@roof.example"),
        "libby@": None,
        "libby@roof": None,
        BEN_KEY: HexPointer(BEN_KEY),
        nip19.encode_nsec(ANA): SecretPointer(),
        f"nostr:{nip19.encode_nsec(ANA)}": SecretPointer(),
        f"{NPUB[:-1]}q": None,
        "library roof": None,
        "": None,
        "npub1": None,
        "x" * 100_000: None,
        "https://x/" + "npub1" * 900: LinkPointer("https://x/" + "npub1" * 900),
    }
    for text, pointer in points.items():
        assert pointed_at(text) == pointer, text[:80]
    assert relay_meant("relay.example") == RelayPointer("wss://relay.example")
    assert relay_meant("ws://relay.example") == RelayPointer("ws://relay.example")
    for words in ("relay", "two words", "a..b", "3.14", "end."):
        assert relay_meant(words) is None, words
