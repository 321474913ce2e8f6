"""Whose request it is: what proxies say, and what clients pretend."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relays.networks import Networks
from relays.web.proxies import Proxies, was_passed_on

CDN = Networks(("127.0.0.1", "10.0.0.0/8", "2001:db8::/32"))
CLIENT, LIAR = "203.0.113.9", "198.51.100.66"


def address(peer: str, header: str = "x-forwarded-for", **headers: str) -> str:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Proxies(CDN, header).origin(peer, named).address


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (CLIENT, CLIENT),
        (f"{LIAR}, {CLIENT}", CLIENT),
        (f"127.0.0.1, {LIAR},{CLIENT} , 10.1.2.3", CLIENT),
        ("10.1.2.3", "10.1.2.3"),
        (f"{CLIENT}:4711", CLIENT),
        ("[2a00::1]:4711", "2a00::1"),
        ("2A00:0::1", "2a00::1"),
        (f"::ffff:{CLIENT}", CLIENT),
        (f"{LIAR}, unknown", "127.0.0.1"),
        (f"{LIAR}, 10.1.2.3, _hidden", "127.0.0.1"),
        (f"{LIAR}, x, 10.1.2.3", "10.1.2.3"),
        (f"{LIAR},", "127.0.0.1"),
        ("", "127.0.0.1"),
        (f"{LIAR}," * 3000 + CLIENT, CLIENT),
    ],
)
def test_the_first_from_the_right_that_is_not_trusted(said: str, meant: str) -> None:
    assert address("127.0.0.1", x_forwarded_for=said) == meant
    assert address("::ffff:127.0.0.1", x_forwarded_for=CLIENT) == CLIENT


def test_nobody_else_is_believed() -> None:
    for peer in (LIAR, "::1", "11.0.0.1", "", "a socket"):
        assert address(peer, x_forwarded_for=CLIENT) == peer
    assert Proxies(Networks(())).origin("127.0.0.1", {"x-forwarded-for": CLIENT}).address == (
        "127.0.0.1"
    )


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (f"for={CLIENT};proto=https;by=10.0.0.1", CLIENT),
        (f'For={LIAR}, for="{CLIENT}:80" ; Proto=http', CLIENT),
        ('for="[2a00::1]:4711"', "2a00::1"),
        ("for=unknown", "127.0.0.1"),
        ("proto=https", "127.0.0.1"),
        ("=;=,;;", "127.0.0.1"),
    ],
)
def test_the_header_of_rfc_7239(said: str, meant: str) -> None:
    assert address("127.0.0.1", "forwarded", forwarded=said, x_forwarded_for=LIAR) == meant


def test_a_header_that_the_proxy_does_not_set_is_the_clients_own() -> None:
    headers = {"x_forwarded_for": CLIENT, "forwarded": f"for={LIAR}"}
    assert address("127.0.0.1", **headers) == CLIENT
    assert address("127.0.0.1", "forwarded", **headers) == LIAR


def test_an_encrypted_way() -> None:
    proxies = Proxies(CDN)
    headers = {"x-forwarded-for": CLIENT, "x-forwarded-proto": "https"}
    assert proxies.origin("127.0.0.1", headers).secure
    assert not proxies.origin(LIAR, headers).secure
    assert proxies.origin(LIAR, {}, secure=True).secure
    assert (
        Proxies(CDN, "forwarded")
        .origin("10.0.0.1", {"forwarded": f"for={CLIENT};proto=https"})
        .secure
    )


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_text_gives_an_address_of_somebody(text: str, other: str) -> None:
    for header in ("x-forwarded-for", "forwarded"):
        headers = {header: text, "x-forwarded-proto": other}
        origin = Proxies(CDN, header).origin("10.0.0.1", headers)
        assert origin.address


def test_signs_of_a_proxy() -> None:
    assert was_passed_on({"x-real-ip": CLIENT})
    assert not was_passed_on({"host": "127.0.0.1"})
