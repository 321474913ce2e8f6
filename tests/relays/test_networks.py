"""Which addresses are in a network, and which count as one client."""

from __future__ import annotations

import pytest

from nostr_client.errors import ConfigError
from relays.networks import LOOPBACK, Networks, network_of


def test_networks() -> None:
    assert "127.8.9.1" in LOOPBACK
    assert "::1" in LOOPBACK
    assert "::ffff:127.0.0.1" in LOOPBACK
    assert "fe80::1%eth0" in Networks(("fe80::/10",))
    for network in ("203.0.113.0/24", "::ffff:203.0.113.0/120"):  # one spelled as IPv6 has it
        assert "203.0.113.9" in Networks((network,))
        assert "::ffff:203.0.113.9" in Networks((network,))
        assert "::ffff:203.0.114.9" not in Networks((network,))
    assert not Networks(())
    for text in ("10.0.0.1/8", "example.com", ""):
        with pytest.raises(ConfigError):
            Networks((text,))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_whose_share(address: str, network: str) -> None:
    assert network_of(address) == network
