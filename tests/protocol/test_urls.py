"""Relay URLs: one spelling each, and no way into a private network by an odd one."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import InvalidData
from nostr_client.protocol.urls import (
    MAX_URL,
    host_of,
    is_loopback,
    is_onion,
    is_private_host,
    normalize_relay_url,
    place_of,
)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("wss://relay.example", "wss://relay.example"),
        (" \n WSS://Relay.Example/ \t\r\n", "wss://relay.example"),
        ("wss://relay.example.", "wss://relay.example"),
        ("wss://relay.example.:7777/", "wss://relay.example:7777"),
        ("wss://relay.example:443", "wss://relay.example"),
        ("wss://relay.example:00443", "wss://relay.example"),
        ("wss://relay.example:", "wss://relay.example"),
        ("wss://relay.example:80", "wss://relay.example:80"),
        ("ws://relay.example:80/", "ws://relay.example"),
        ("ws://relay.example:443/", "ws://relay.example:443"),
        ("wss://relay.example#top", "wss://relay.example"),
        ("wss://relay.example/#", "wss://relay.example"),
        ("wss://relay.example?", "wss://relay.example"),
        ("wss://relay.example?a=b#c", "wss://relay.example/?a=b"),
        ("wss://relay.example/Inbox/", "wss://relay.example/Inbox/"),
        ("wss://relay.example/Inbox#a?b", "wss://relay.example/Inbox"),
        ("wss://relay.example//", "wss://relay.example//"),
        ("wss://relay.example/a/./b/../c", "wss://relay.example/a/c"),
        ("wss://relay.example/../../a/%2E%2e/", "wss://relay.example"),
        ("wss://relay.example/a/..", "wss://relay.example"),
        ("wss://relay.example/a/.", "wss://relay.example/a/"),
        ("wss://relay.example/é {x}".replace(" ", ""), "wss://relay.example/%C3%A9%7Bx%7D"),
        ("wss://relay.example/?q='é'", "wss://relay.example/?q=%27%C3%A9%27"),
        ("wss://relay.example/%7e%", "wss://relay.example/%7e%"),
        ("wss://bücher.example", "wss://xn--bcher-kva.example"),
        ("wss://BÜCHER。example", "wss://xn--bcher-kva.example"),
        ("wss://ｒｅｌａｙ.example", "wss://relay.example"),
        ("wss://XN--BCHER-KVA.example", "wss://xn--bcher-kva.example"),
        ("wss://☃.example", "wss://xn--n3h.example"),
        ("wss://a_b.example", "wss://a_b.example"),
        ("ws://127.1:7777", "ws://127.0.0.1:7777"),
        ("ws://2130706433", "ws://127.0.0.1"),
        ("ws://0x7F.1", "ws://127.0.0.1"),
        ("ws://0177.0.0.01", "ws://127.0.0.1"),
        ("ws://0x7f000001.", "ws://127.0.0.1"),
        ("ws://0x", "ws://0.0.0.0"),
        ("ws://１２７.0.0.1", "ws://127.0.0.1"),
        ("ws://[::1]:7777/", "ws://[::1]:7777"),
        ("ws://[0:0:0:0:0:0:0:1]", "ws://[::1]"),
        ("ws://[2001:DB8::00ff:0:0]", "ws://[2001:db8::ff:0:0]"),
        ("ws://[::ffff:127.0.0.1]", "ws://[::ffff:7f00:1]"),
        ("ws://[::ffff:7f00:1]", "ws://[::ffff:7f00:1]"),
    ],
)
def test_one_spelling(text: str, spelling: str) -> None:
    assert normalize_relay_url(text) == spelling
    assert normalize_relay_url(spelling) == spelling


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "relay.example", "//relay.example", "wss:relay.example", "wss:/relay.example"),
        *("wss://", "wss:///relay.example", "wss://:443", "wss://.", "wss://?x", "wss://#x"),
        *(
            "https://relay.example",
            "http://relay.example",
            "wsss://relay.example",
            "w:s://x.example",
        ),
        *("wss://user@relay.example", "wss://user:word@relay.example", "wss://@relay.example"),
        *("wss://relay.example@evil.example", "wss://relay.example:443@evil.example"),
        *("wss://relay.example:0", "wss://relay.example:65536", "wss://relay.example:-1"),
        *("wss://relay.example:x", "wss://relay.example:４４３", f"wss://x.example:{'9' * 2000}"),
        *(
            "wss://relay.example:1:2",
            "wss://relay.example/a b",
            "wss://relay.example, wss://b.example",
        ),
        *("wss://relay example", "wss://relay.example\\@evil.example", "wss://relay.example/\x00"),
        *("wss://relay\n.example", "wss://relay.example/\x7f", "wss://relay.example/\x85"),
        *(
            "wss://relay.example/\u2028",
            "wss://relay.example/\u00a0x",
            "wss://relay.example/\u3000",
        ),
        *("wss://relay..example", "wss://.relay.example", "wss://relay.example..", "wss://..."),
        *(
            "wss://relay%2eexample",
            "wss://%31%32%37.0.0.1",
            "wss://relay!.example",
            "wss://a|b.example",
        ),
        *(f"wss://{'a' * 64}.example", f"wss://{'a.' * 130}example", f"wss://{'é' * 3000}"),
        *(
            "wss://1.2.3.4.5",
            "wss://1.2.3.256",
            "wss://256.1.1.1",
            "wss://4294967296",
            "wss://1.2.65536",
        ),
        *(
            "wss://08.0.0.1",
            "wss://relay.1",
            "wss://relay.0x1",
            "wss://1..2",
            "wss://0xg.1",
        ),
        *("wss://[::1", "wss://::1", "wss://[::1]x", "wss://[]", "wss://[1.2.3.4]", "wss://[:::1]"),
        *(
            "wss://[fe80::1%eth0]",
            "wss://[fe80::1%25eth0]",
            "wss://[::1]]",
            "wss://[v1.x]",
            "wss://[::1]:x",
        ),
        *(
            "wss://faß.example",
            "wss://ΣΑΣς.example",
            "wss://a\u200db.example",
            "wss://a\u200cb.example",
        ),
        *("wss://℀.example", "wss://a／b.example", "wss://a＠b.example", "wss://a：80.example"),
        *(
            "wss://" + chr(0xD800) + ".example",
            "wss://relay.example/" + chr(0xDC00),
        ),
        *(f"wss://relay.example/{'a' * MAX_URL}", f"wss://relay.example/{'é' * (MAX_URL // 4)}"),
        *(None, 5, b"wss://relay.example"),
    ],
    ids=lambda text: ascii(text)[:40],
)
def test_what_is_no_relay_url(text: Any) -> None:
    with pytest.raises(InvalidData):
        normalize_relay_url(text)


def test_a_refusal_does_not_repeat_what_was_given() -> None:
    with pytest.raises(InvalidData) as refused:
        normalize_relay_url("wss://user:hunter2@relay.example/\x1b[31m")
    assert "hunter2" not in str(refused.value)


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda text: f"wss://{text}"))
def test_any_text_is_refused_or_has_one_spelling(text: str) -> None:
    try:
        url = normalize_relay_url(text)
    except InvalidData:
        pass
    else:
        assert url.isascii()
        assert url.isprintable()
        assert normalize_relay_url(url) == url
        assert normalize_relay_url(url + "#x") == url
    assert is_private_host(text) in (True, False)


def test_hosts_are_as_sockets_want_them() -> None:
    assert host_of("WSS://Relay.Example.:7777/x") == "relay.example"
    assert host_of("ws://[0::1]:7777") == "::1"
    assert host_of("ws://127.1") == "127.0.0.1"
    for ask in (host_of, is_loopback, is_onion):
        with pytest.raises(InvalidData):
            ask("https://relay.example")


PRIVATE = [
    *("localhost", "LOCALHOST.", "a.localhost", "printer", "printer.", "nas.local", "NAS.Local."),
    *("db.internal", "router.lan", "x.home.arpa", "home.arpa", "x.home", "x.corp", "x.localdomain"),
    *("ｌｏｃａｌｈｏｓｔ", "x。local", "①②⑦.0.0.1"),
    *("127.0.0.1", "127.255.255.255", "127.0.0.1.", "0.0.0.0", "0", "0x0", "00", "10.0.0.1"),
    *("10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.169.254"),
    *("100.64.0.1", "100.127.255.255", "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1"),
    # The same in other spellings.
    *("2130706433", "0x7f000001", "0X7F.0.0.1", "017700000001", "0177.1", "127.1", "127.0.1"),
    *("3232235521", "0xc0a80001", "0300.0250.0.1", "0xA.0", "2852039166", "0xa9fea9fe."),
    *("::1", "[::1]", "::", "[::]", "0:0:0:0:0:0:0:1", "[0000::0001]", "::1%lo", "[::1%25lo]"),
    *("fe80::1", "fe80::1%eth0", "[fe80::1%25eth0]", "febf::1", "fec0::1", "fc00::1", "fdff::1"),
    *("ff02::1", "2001:db8::1", "100::1", "64:ff9b:1::1"),
    # IPv4 addresses inside of IPv6 ones.
    *(
        "::ffff:127.0.0.1",
        "[::ffff:7f00:1]",
        "::FFFF:10.0.0.1",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
    ),
    *(
        "64:ff9b::127.0.0.1",
        "64:ff9b::c0a8:1",
        "2002:7f00:1::",
        "2002:c0a8:101::1",
        "::ffff:0.0.0.0",
    ),
    # What is no host at all.
    *("", ".", "..", "a..b.example", "1.2.3.4.5", "256.1.1.1", "x.example:80", "user@x.example"),
    *(
        "x.example/",
        "[::1",
        "::1]x",
        ":::",
        "a b.example",
        "\ud800.example",
        "%31.example",
        "é" * 300,
    ),
    *("1.2.3.4:80", "[8.8.8.8]", "faß.example"),
]
PUBLIC = [
    *("relay.example", "Relay.Example.", "a.b.c.example", "bücher.example", "local.example"),
    *("internal.example", "localhost.example", "mylocal.example", "lan.example", "xlan.example"),
    *("8.8.8.8", "1.1.1.1", "0x08080808", "134744072", "010.010.010.010", "172.15.255.255"),
    *("172.32.0.1", "100.63.255.255", "100.128.0.1", "192.167.0.1", "11.0.0.1", "223.255.255.255"),
    *("2001:4860:4860::8888", "[2606:4700::1111]", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"),
    *("2002:808:808::1", "200:ff08:d688:fef4:fc96:ba63:3a11:3e76", "abcdefgh.onion"),
]


def test_private_hosts() -> None:
    assert not [host for host in PRIVATE if is_private_host(host) is not True]


def test_public_hosts() -> None:
    assert not [host for host in PUBLIC if is_private_host(host) is not False]


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_judged_alike_in_all_its_spellings(number: int) -> None:
    address = ipaddress.IPv4Address(number)
    a, b, c, d = address.packed
    spellings = [
        *(str(number), hex(number), f"{number:#o}".replace("o", ""), f"{address}."),
        *(f"{a}.{number & 0xFFFFFF}", f"{a:#x}.{b}.{c << 8 | d}", f"0{a:o}.0{b:o}.{c:#X}.{d}"),
    ]
    mapped = [f"::ffff:{address}", f"64:ff9b::{address}", f"2002:{a:02x}{b:02x}:{c:02x}{d:02x}::1"]
    mapped += [f"[::ffff:{a << 8 | b:x}:{c << 8 | d:x}]"]
    private = is_private_host(str(address))
    for text in spellings:
        assert normalize_relay_url(f"ws://{text}") == f"ws://{address}"
    for text in (*spellings, *mapped):
        assert is_private_host(text) is private, text
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        # Python counts a few single addresses of 192.0.0.0/24 as public, we none.
        assert private


@given(st.integers(0, 2**128 - 1) | st.integers(0, 2**32).map(lambda low: (0xFE80 << 112) + low))
def test_what_python_calls_private_is_private_here(number: int) -> None:
    address = ipaddress.IPv6Address(number)
    assert normalize_relay_url(f"ws://[{address.exploded}]") == normalize_relay_url(
        f"ws://[{address}]"
    )
    if (
        address.is_link_local
        or address.is_site_local
        or address.is_multicast
        or address.is_loopback
    ):
        assert is_private_host(str(address))


@pytest.mark.parametrize(
    ("url", "mine"),
    [
        *(("ws://127.0.0.1:7777", True), ("ws://localhost", True), ("ws://LOCALHOST.:1", True)),
        *(("ws://a.localhost", True), ("ws://[::1]", True), ("ws://[::ffff:127.0.0.1]", True)),
        *(
            ("ws://127.9.9.9", True),
            ("ws://0x7f.1", True),
            ("ws://0.0.0.0", True),
            ("ws://[::]", True),
        ),
        *(("ws://192.168.0.1", False), ("ws://nas.local", False), ("wss://relay.example", False)),
        *(("wss://localhost.example", False), ("ws://128.0.0.1", False), ("ws://[fe80::1]", False)),
    ],
)
def test_loopback(url: str, mine: bool) -> None:
    assert is_loopback(url) is mine


def test_onions() -> None:
    assert is_onion("ws://ABCDEF.onion:4869/x")
    assert is_onion("ws://a.bcdef.ONION.")
    for url in ("wss://onion.example", "wss://relay.example/x.onion", "wss://xonion", "ws://onion"):
        assert not is_onion(url)


def test_where_a_relay_stands() -> None:
    assert place_of("WSS://Relay.Example.:443/x/?y") == "relay.example/x"
    assert place_of("ws://relay.example/") == place_of("wss://relay.example") == "relay.example"
    assert place_of("ws://[0::1]:7777") == "[::1]:7777"
    with pytest.raises(InvalidData):
        place_of("https://relay.example")
