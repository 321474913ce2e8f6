"""Relays that fall together count as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.net.dial import DialPolicy
from nostr_client.routing.operators import (
    RelayFacts,
    count_operators,
    network_of,
    operators,
    registered_domain,
)
from nostr_client.routing.relay_facts import RelayFactBook

A, B, C = "wss://a.one.example", "wss://b.two.example", "wss://c.three.example"


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("relay.example.com", "example.com"),
        ("example.com", "example.com"),
        ("a.b.example.com.", "example.com"),
        ("relay.example.co.uk", "example.co.uk"),
        ("example.co.uk", "example.co.uk"),
        ("co.uk", "co.uk"),
        ("localhost", "localhost"),
        ("203.0.113.7", "203.0.113.7"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_the_domain_that_somebody_registered(host: str, domain: str) -> None:
    assert registered_domain(host) == domain


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("93.184.216.34", "93.184.216.0/24"),
        ("2606:2800:220:1::7", "2606:2800:220::/48"),
        ("127.0.0.1", ""),
        ("127.1.2.3", "127.1.2.0/24"),
        ("10.1.2.3", ""),
        ("fe80::1", ""),
        ("no address", ""),
    ],
)
def test_the_network_that_an_address_stands_in(address: str, network: str) -> None:
    assert network_of(address) == network


def test_what_nothing_joins_is_apart() -> None:
    assert operators([A, B, C], {}) == {A: A, B: B, C: C}


def test_key_domain_and_network_join() -> None:
    key = "a" * 64
    assert count_operators([A, B], {u: RelayFacts(u, pubkey=key) for u in (A, B)}) == 1
    near = {u: RelayFacts(u, networks=("93.184.216.0/24",)) for u in (A, B)}
    assert count_operators([A, B, C], near) == 2
    assert count_operators(["wss://x.one.example", A, B], {}) == 2


def test_it_goes_through_others() -> None:
    facts = {
        A: RelayFacts(A, pubkey="a" * 64),
        B: RelayFacts(B, pubkey="a" * 64, networks=("93.184.216.0/24",)),
        C: RelayFacts(C, networks=("93.184.216.0/24",)),
    }
    assert set(operators([C, B, A], facts).values()) == {A}


def test_on_one_machine_each_port_is_another_relay() -> None:
    assert count_operators([f"ws://127.0.0.1:{port}" for port in range(9000, 9008)], {}) == 8


_URLS = st.lists(st.integers(0, 30).map(lambda n: f"wss://r{n}.d{n % 11}.example"), max_size=20)
_FACTS = st.dictionaries(
    st.integers(0, 30).map(lambda n: f"wss://r{n}.d{n % 11}.example"),
    st.builds(
        RelayFacts,
        st.just(""),
        pubkey=st.sampled_from(["", "a" * 64, "b" * 64, "c" * 64]),
        networks=st.lists(st.sampled_from(["1.0.0.0/24", "2.0.0.0/24"]), max_size=2).map(tuple),
    ),
)


@given(_URLS, _FACTS)
def test_an_operator_is_one_of_its_relays_and_more_facts_only_join(
    urls: list[str], facts: dict[str, RelayFacts]
) -> None:
    found = operators(urls, facts)
    assert set(found) == set(urls)
    assert all(found[name] == name for name in found.values())
    assert count_operators(urls, facts) <= count_operators(urls, {})
    assert operators(reversed(urls), facts) == found


async def test_an_address_says_its_network_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    policy = DialPolicy(loopback=True)
    book = RelayFactBook(tmp_path / "facts.json", policy, proxy="socks5://127.0.0.1:1")
    named, literal = "ws://nowhere.example", "ws://127.1.2.3:1"
    found = await book.look_up([named, literal])
    assert found[literal].networks == ("127.1.2.0/24",)
    assert found[named].networks == ()
