"""Programs, releases and their files as events (NIP-82, a draft)."""

from __future__ import annotations

import itertools

import pytest

from nostr_client.errors import InvalidData, InvalidEvent
from nostr_client.nips.nip82 import (
    BUNDLE,
    Application,
    Asset,
    Release,
    asset_of,
    release_of,
    version_order,
)
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey.from_hex("1" * 64)
ASSET = Asset(
    app="com.example.app",
    version="1.2.3",
    sha256="a" * 64,
    size=1234,
    type=BUNDLE,
    platforms=("linux-x86_64",),
    urls=("https://one.example/a", "https://two.example/a"),
    filename="app-1.2.3.pyz",
    commit="0" * 40,
)


def signed(draft: Draft) -> Event:
    return draft.sign(KEY, 1_700_000_000)


def test_what_is_written_is_read() -> None:
    event = signed(ASSET.draft())
    assert event.tags == (
        ("i", "com.example.app"),
        ("url", "https://one.example/a"),
        ("url", "https://two.example/a"),
        ("m", BUNDLE),
        ("x", "a" * 64),
        ("size", "1234"),
        ("version", "1.2.3"),
        ("f", "linux-x86_64"),
        ("filename", "app-1.2.3.pyz"),
        ("commit", "0" * 40),
    )
    read = asset_of(event)
    assert read.event == event
    assert read.draft() == ASSET.draft()
    release = Release(app=ASSET.app, version="1.2.3", assets=(event.id,), notes="what is new")
    event = signed(release.draft())
    assert event.tags == (
        ("i", "com.example.app"),
        ("version", "1.2.3"),
        ("d", "com.example.app@1.2.3"),
        ("c", "main"),
        ("e", release.assets[0]),
    )
    assert release_of(event).draft() == release.draft()


def test_a_program_says_what_it_is() -> None:
    app = Application(id="com.example.app", name="App", license="MIT", platforms=("linux-x86_64",))
    draft = app.draft()
    assert (draft.kind, draft.tags) == (
        32267,
        (("d", "com.example.app"), ("name", "App"), ("f", "linux-x86_64"), ("license", "MIT")),
    )


def test_versions_in_order() -> None:
    """The order that semver.org gives as its example, and what is around it."""
    before = [f"1.0.0-{each}" for each in ("0", "alpha", "alpha.1", "alpha.beta", "beta")]
    before += [f"1.0.0-{each}" for each in ("beta.2", "beta.11", "rc.1")]
    ordered = ["0.9.10", *before, "1.0.0", "1.0.1", "1.2.0", "1.10.0", "2.0.0"]
    for one, other in itertools.pairwise(ordered):
        assert version_order(one) < version_order(other), (one, other)
    assert version_order("1.0.0+build.7") == version_order("1.0.0")


@pytest.mark.parametrize(
    "version", ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", "1.0.0-", "١.0.0", "1.0.0 "]
)
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(InvalidData):
        version_order(version)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("i", ""), ("x", "a" * 63), ("x", "A" * 64), ("size", "0"), ("size", "-1")),
        *(("size", "9" * 13), ("size", "1e3"), ("version", "newest"), ("m", "")),
    ],
)
def test_a_file_that_says_too_little_is_none(name: str, value: str) -> None:
    draft = ASSET.draft()
    others = tuple(tag for tag in draft.tags if tag[0] != name)
    for tags in (others, (*others, (name, value)), (*draft.tags, (name, "0"))):
        with pytest.raises(InvalidEvent):
            asset_of(signed(Draft(draft.kind, "", tags)))


@pytest.mark.parametrize(
    "tags",
    [
        (("d", "app@1.0.1"),),
        (("d", "app@1.0.0"), ("d", "app@1.0.0")),
        (("d", "app@1.0.0"), ("e", "a" * 63)),
        (("d", "app@1.0.0"), ("version", "2.0.0"), ("e", "a" * 64)),
        (("d", "app@1.0.0"),),
    ],
)
def test_a_release_that_says_two_things_is_none(tags: tuple[tuple[str, str], ...]) -> None:
    common = (("i", "app"), ("version", "1.0.0"))
    with pytest.raises(InvalidEvent):
        release_of(signed(Draft(30063, "", (*common, *tags))))
    with pytest.raises(InvalidEvent):
        release_of(signed(Draft(1, "", (*common, ("d", "app@1.0.0"), ("e", "a" * 64)))))
    with pytest.raises(InvalidEvent):
        asset_of(signed(Draft(1063, "", ASSET.draft().tags)))
