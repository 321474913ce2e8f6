"""What the relay says of itself (NIP-11) is what it does."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nostr_client.errors import ConfigError
from nostr_client.nips import nip11
from nostr_client.nips.nip19 import encode_npub
from relays.config.relay_config import RelayConfig, RetentionRule, RetentionRules
from relays.config.sections import Limits
from relays.web.nip11_document import NIPS, Features, information
from tests.relays.talk import KEY

PUBKEY = KEY.public_key.hex


def document(config: RelayConfig, **features: Any) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(information(config, Features(**features)).encode())
    return said


def test_what_is_not_set_is_not_said() -> None:
    said = document(RelayConfig())
    assert said.keys() == {
        *("name", "description", "supported_nips", "software", "version", "limitation")
    }
    assert said["supported_nips"] == list(NIPS)
    assert "min_pow_difficulty" not in said["limitation"]
    assert "created_at_lower_limit" not in said["limitation"]


def test_everything_that_a_keeper_may_say() -> None:
    texts = {
        name: f"https://example.com/{name}"
        for name in (
            *("icon", "banner", "contact"),
            *("posting_policy", "privacy_policy", "terms_of_service"),
        )
    }
    lists = {"relay_countries": ("UY", "BR"), "language_tags": ("es",), "tags": ("birds",)}
    rules = (RetentionRule(kinds=(7,), days=30),)
    config = RelayConfig(
        pubkey=encode_npub(PUBKEY), retention=RetentionRules(rules=rules), **texts, **lists
    )
    said = document(config, own_key="22" * 32)
    assert {name: said[name] for name in texts} == texts
    assert {name: tuple(said[name]) for name in lists} == lists
    assert said["pubkey"] == PUBKEY
    assert said["self"] == "22" * 32
    assert "retention" not in said  # it is in NIP-11 no more
    read = nip11.parse(json.dumps(said).encode())
    assert read.tags == ("birds",)


@pytest.mark.tree
def test_the_software_is_known_by_its_address() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8"))
    address = project["project"]["urls"]["Homepage"]
    assert document(RelayConfig())["software"] == address
    assert address.startswith("https://")


def test_nips_follow_what_is_switched_on() -> None:
    assert document(RelayConfig(), authenticates=True)["supported_nips"] == sorted(
        (*NIPS, 17, 42, 59)
    )
    everything = document(
        RelayConfig(),
        authenticates=True,
        reconciles=True,
        searches=True,
        members=True,
        managed=True,
        work=20,
        asks_who=True,
        chooses_writers=True,
    )
    more = {13, 17, 42, 43, 50, 59, 77, 86, 98}
    assert set(everything["supported_nips"]) == {*NIPS, *more}
    limits = everything["limitation"]
    assert limits["min_pow_difficulty"] == 20
    assert limits["auth_required"] is limits["restricted_writes"] is True


def test_every_limit_is_the_one_that_is_kept() -> None:
    limits = Limits(
        message_bytes=1001,
        subscriptions=1002,
        filters=1003,
        filter_values=1004,
        max_limit=1005,
        default_limit=2000,
        event_tags=1007,
        content_length=1008,
        created_at_ahead=1009,
        created_at_behind=1010,
    )
    assert document(RelayConfig(limits=limits))["limitation"] == {
        "max_message_length": 1001,
        "max_subscriptions": 1002,
        "max_filters": 1003,
        "max_filter_values": 1004,
        "max_limit": 1005,
        "default_limit": 1005,  # what is more is clamped
        "max_subid_length": 64,
        "max_event_tags": 1007,
        "max_content_length": 1008,
        "created_at_upper_limit": 1009,
        "created_at_lower_limit": 1010,
        "auth_required": False,
        "payment_required": False,
        "restricted_writes": False,
    }


@pytest.mark.parametrize("text", ["ana", "npub1xyz", "nsec1" + "q" * 58, "zz" * 32])
def test_a_keepers_key_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError, match="pubkey"):
        information(RelayConfig(pubkey=text), Features())
