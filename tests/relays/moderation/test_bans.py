"""Networks: the quick answer is that of asking each one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from relays.moderation.bans import BannedNetworks, Bans
from relays.moderation.records import RuleType
from relays.networks import network_from
from tests.relays.talk import note

# Few different bits, so that addresses and networks meet.
V4 = st.integers(0, 255).map(lambda n: str(IPv4Address(0x0A000000 + (n << 12))))
V6 = st.integers(0, 255).map(lambda n: str(IPv6Address((0x20010DB8 << 96) + (n << 60))))
NETWORKS = st.one_of(
    st.builds("{}/{}".format, V4, st.integers(0, 32)),
    st.builds("{}/{}".format, V6, st.integers(0, 128)),
)


@given(st.lists(NETWORKS, max_size=5), st.one_of(V4, V6))
def test_as_asking_each(texts: list[str], address: str) -> None:
    held = BannedNetworks({text: text for text in texts})
    inside = {text for text in texts if ip_address(address) in ip_network(text, strict=False)}
    found = held.reason_for(address)
    assert (found is not None) == bool(inside)
    assert found is None or ip_network(found, strict=False) in {
        ip_network(text, strict=False) for text in inside
    }
    assert bool(held) == bool(texts)


@given(st.text(max_size=40))
def test_what_is_no_address_is_in_no_network(text: str) -> None:
    held = BannedNetworks({"0.0.0.0/0": "all", "::/0": "all"})
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        assert held.reason_for(text) is None


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        (" 203.0.113.7/24 ", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("2001:DB8::1/64", "2001:db8::/64"),
    ],
)
def test_one_spelling(text: str, spelled: str) -> None:
    assert str(network_from(text)) == spelled


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "1.2.3.4/33", "fe80::1%eth0/64/1"])
def test_no_network(text: str) -> None:
    with pytest.raises(InvalidData):
        network_from(text)


def test_nothing_banned_is_known_at_once() -> None:
    assert Bans.of([]).is_empty
    for sort, value in (
        *(
            (RuleType.BAN_PUBKEY, "00" * 32),
            (RuleType.BAN_EVENT, "00" * 32),
            (RuleType.BAN_IP, "::1"),
        ),
        *((RuleType.BAN_WORD, "x"), (RuleType.ALLOW_KIND, "1"), (RuleType.DISALLOW_KIND, "1")),
    ):
        assert not Bans.of([(sort, value, "")]).is_empty
    assert Bans.of([(RuleType.ALLOW_EVENT, "00" * 32, "")]).against(note()) == ""
