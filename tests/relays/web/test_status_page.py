"""The status page, as text; a browser looks at it in test_browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest

from nostr_client.nips.nip19 import encode_npub
from relays.config.relay_config import Membership, RelayConfig, RetentionRule, RetentionRules
from relays.config.sections import Access
from relays.metrics import MINUTES
from relays.web.nip11_document import Features, information
from relays.web.status_page import Figures, Neighbour, StatusPage
from tests.relays.talk import KEY, OTHER

EVIL = "\"><script>alert(1)</script>' onload=x <b> $name ${x} &amp;"
FIGURES = Figures(
    connections=1234,
    subscriptions=7,
    received=1_000_000,
    stored=999,
    sent=5,
    database_bytes=1_536_000,
    uptime=3_725.0,
    minutes=[(0, 0), (10, 500), (5, 1000)],
)


class Page(HTMLParser):
    """Tags, attributes and what could load something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def page(config: RelayConfig) -> StatusPage:
    config = msgspec.structs.replace(config, urls=("wss://relay.example.com",))
    return StatusPage(information(config, Features(work=20)), config)


def test_figures() -> None:
    text = page(RelayConfig(name="Ana's relay")).html(FIGURES).decode()
    assert "<h1>Ana&#x27;s relay</h1>" in text
    assert '<dd id="connections">1,234</dd>' in text
    assert '<dd id="size">1.54 MB</dd>' in text
    assert '<dd id="uptime">1 h 2 min</dd>' in text
    assert "wss://relay.example.com" in text
    assert "work of 20 bits" in text
    assert "$" not in text


def test_keys_are_npubs_that_a_client_opens() -> None:
    config = RelayConfig(pubkey=KEY.public_key.hex)
    info = information(config, Features(own_key=OTHER.public_key.hex))
    text = StatusPage(info, config).html(FIGURES).decode()
    for key in (KEY, OTHER):
        npub = encode_npub(key.public_key.hex)
        assert f'<a href="nostr:{npub}" rel="noopener noreferrer">{npub}</a>' in text
        assert key.public_key.hex not in text


def test_the_rooms_beside_it() -> None:
    info = information(RelayConfig(), Features())
    others = [
        Neighbour("inbox", "What mentions <her>.", ("wss://example.com/inbox",), "/inbox"),
        Neighbour("chat", "", (), "/chat"),
    ]
    text = StatusPage(info, RelayConfig(), others=others).html(FIGURES, "ws://here:7/").decode()
    assert "<code>wss://example.com/inbox</code><br>What mentions &lt;her&gt;." in text
    assert "<code>ws://here:7/chat</code>" in text
    assert "Beside it" not in StatusPage(info, RelayConfig()).html(FIGURES).decode()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (RelayConfig(), "Anyone may write; anyone may read."),
        (RelayConfig(members=Membership(enabled=True)), "Ask the keeper for an invite"),
        (
            RelayConfig(members=Membership(enabled=True, invites_by="members")),
            "Ask any member for an invite",
        ),
        (
            RelayConfig(access=Access(write="listed", read="listed"), contact="ana@example.com"),
            "whom the keeper (ana@example.com) has named",
        ),
        (RelayConfig(access=Access(write="nobody")), "Nobody writes here"),
    ],
)
def test_how_to_join(config: RelayConfig, words: str) -> None:
    assert words in page(config).html(FIGURES).decode()


def test_how_long_things_are_kept() -> None:
    rules = (
        RetentionRule(kinds=(7,), days=30),
        RetentionRule(authors=("11" * 32,), days=1),
        RetentionRule(days=0.5, except_kinds=(30, 31)),
    )
    text = page(RelayConfig(retention=RetentionRules(rules=rules))).html(FIGURES).decode()
    assert "<dd>kinds 7: 30 days</dd>" in text
    assert "<dd>everything but kinds 30, 31: 0.5 days</dd>" in text
    assert text.count("<dt>Kept</dt>") == 2


def test_the_plot() -> None:
    said = json.loads(page(RelayConfig()).json(FIGURES))
    points = [tuple(map(float, pair.split(","))) for pair in said["lines"]["out-line"].split()]
    assert points == [(MINUTES - 4, 59), (MINUTES - 3, 59), (MINUTES - 2, 30), (MINUTES - 1, 1)]
    assert said["texts"]["out-peak"] == "1,000"
    assert (
        json.loads(page(RelayConfig()).json(Figures()))["lines"]["in-line"] == f"{MINUTES - 1},59"
    )
    full = Figures(minutes=[(7, 7)] * MINUTES)
    assert len(json.loads(page(RelayConfig()).json(full))["lines"]["in-line"].split()) == MINUTES


def test_nothing_from_the_configuration_is_markup() -> None:
    hostile = RelayConfig(
        name=EVIL,
        description=EVIL + "\n\n" + EVIL,
        contact="javascript:alert(1)",
        posting_policy="https://example.com/\"onmouseover='x'",
        terms_of_service="data:text/html,x",
        tags=(EVIL,),
    )
    plain, marked = page(RelayConfig()).html(FIGURES), page(hostile).html(FIGURES)
    found = Page(marked.decode())
    assert found.tags.count("script") == Page(plain.decode()).tags.count("script") == 1
    assert "b" not in found.tags
    names = {name for name, _ in found.attributes}
    assert not any(name.startswith("on") for name in names)
    links = [value for name, value in found.attributes if name == "href"]
    assert links == ["https://example.com/\"onmouseover='x'"]
    assert "$name" in marked.decode()


def test_it_needs_nothing_from_elsewhere_and_the_policy_says_so() -> None:
    made = page(RelayConfig())
    text = made.html(FIGURES).decode()
    found = Page(text)
    assert not {"link", "img", "iframe", "object", "form", "base"} & set(found.tags)
    names = {name for name, _ in found.attributes}
    assert not {"src", "style", "srcset", "data"} & names
    for tag in ("style", "script"):
        [inline] = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in made.policy
    assert "unsafe" not in made.policy


def test_what_a_script_shows_is_on_the_page() -> None:
    made = page(RelayConfig())
    text = made.html(FIGURES).decode()
    said = json.loads(made.json(FIGURES))
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    assert ids >= {*said["texts"], *said["lines"], "freshness"}
    for id, shown in said["texts"].items():
        assert f'id="{id}">{shown}<' in text
