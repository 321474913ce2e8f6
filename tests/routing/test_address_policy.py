"""Which addresses may be dialled, and which may be named to others."""

from __future__ import annotations

import pytest

from nostr_client.routing.address_policy import AddressPolicy, relay_url

PRIVATE = [
    "ws://127.0.0.1:7777",
    "ws://localhost",
    "wss://192.168.1.1",
    "wss://10.0.0.7/inbox",
    "ws://[::1]:80",
    "wss://[::ffff:10.0.0.1]",
    "ws://2130706433",
    "ws://0x7f.1",
    "wss://router.local",
    "wss://intranet",
]


@pytest.mark.parametrize("url", PRIVATE)
def test_a_strangers_word_opens_no_private_address(url: str) -> None:
    policy = AddressPolicy()
    assert not policy(url)
    assert policy.from_stranger(url) == ""
    assert not policy.may_be_named(url)


def test_what_the_person_gave_may_be_dialled_but_not_named() -> None:
    policy = AddressPolicy(given=["ws://LOCALHOST:7000/"])
    assert policy("ws://localhost:7000")
    assert not policy("ws://localhost:7001")
    assert not policy.may_be_named("ws://localhost:7000")
    policy.allow(["ws://127.0.0.1:1", "nonsense"])
    assert policy("ws://127.0.0.1:1")
    assert policy.allows_private("ws://127.0.0.1:1")


def test_an_allowed_host_may_be_dialled_and_named() -> None:
    policy = AddressPolicy(["nas.local", "[::1]"])
    assert policy.from_stranger("ws://nas.local:80/") == "ws://nas.local"
    assert policy.may_be_named("ws://[::1]:7000")


def test_what_stands_in_the_own_list_may_be_dialled_and_named() -> None:
    policy = AddressPolicy()
    policy.allow_listed(["ws://nas.local/"])
    assert policy("ws://nas.local")
    assert policy.may_be_named("ws://nas.local")
    assert not policy("ws://other.local")
    policy.own_relay = "ws://nas.local"
    assert not policy.may_be_named("ws://nas.local")


def test_the_own_relay_is_dialled_and_never_named_nor_taken_from_a_stranger() -> None:
    policy = AddressPolicy(["127.0.0.1"])
    policy.own_relay = "ws://127.0.0.1:7777/"
    assert policy("ws://127.0.0.1:7777")
    assert policy.allows_private("ws://127.0.0.1:7777")
    assert policy.from_stranger("ws://127.0.0.1:7777") == ""
    assert not policy.may_be_named("ws://127.0.0.1:7777")
    assert policy.may_be_named("ws://127.0.0.1:7778")


def test_public_addresses_are_free_and_nonsense_is_not() -> None:
    policy = AddressPolicy()
    assert policy.from_stranger("WSS://Relay.Example.com:443/") == "wss://relay.example.com"
    assert policy.may_be_named("wss://relay.example.com")
    for text in ("", "https://relay.example.com", "wss://", "wss://a b", "wss://x/" + "y" * 300):
        assert policy.from_stranger(text) == ""
    assert relay_url("not a url") == ""
