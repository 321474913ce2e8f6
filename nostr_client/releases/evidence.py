"""What signed events prove of a file: whose release it is, and whether it is still to be taken.

All of this is pure, and takes events whose signatures were checked. What counts is what one key
said of one program: a release, or a file, that the same key replaced or deleted is none, a file
that the release does not name is not its file, and nothing that somebody else signed changes any of
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from nostr_client.errors import InvalidEvent, ReleaseRefused
from nostr_client.nips.nip19 import encode_npub
from nostr_client.nips.nip82 import (
    BUNDLE,
    MAIN,
    Asset,
    Release,
    asset_of,
    release_of,
    version_order,
)
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.releases.origin import ReleaseKeys

MOST_EVENTS: Final = 500
"""Events of one file, share or answer that are looked at."""
MOST_BYTES: Final = 4 << 20
"""Bytes of a file of events."""


class SignedFile(msgspec.Struct, frozen=True):
    """A file that a release names, both signed by the same key."""

    release: Release
    asset: Asset
    signer: str
    """The public key (hex)."""
    signed_at: int
    """When the release was signed, as its signer says; in seconds."""

    @property
    def version(self) -> str:
        return self.release.version


def events_in(data: bytes) -> list[Event]:
    """Events, one a line, each with its own signature.

    Raises ReleaseRefused: one line that is forged makes all of it suspicious. Blocks.
    """
    lines = [line for line in data.splitlines() if line.strip()]
    if len(data) > MOST_BYTES or len(lines) > MOST_EVENTS:
        raise ReleaseRefused("damaged", "there are more events beside it than a release has")
    found = []
    for line in lines:
        try:
            event = Event.parse(line)
        except InvalidEvent as error:
            raise ReleaseRefused("damaged", f"what is beside it is no event: {error}") from error
        if not event.verify():
            raise ReleaseRefused("forged", "a signature beside it is not that of its author")
        found.append(event)
    return found


def lines_of(events: Iterable[Event]) -> bytes:
    """The same events as such lines, each once."""
    return b"".join(event.json + b"\n" for event in {event.id: event for event in events}.values())


def signed_files(events: Sequence[Event], keys: ReleaseKeys) -> list[SignedFile]:
    """The files of all releases of the app that the release key stands by, newest version first."""
    own = [event for event in events if event.pubkey == keys.release_key]
    deletions = [event for event in own if event.kind == kinds.DELETION]

    def holds(event: Event) -> bool:
        return not any(_withdraws(each, event) for each in deletions)

    assets = dict(_assets(filter(holds, own), keys.app))
    found = []
    for release in _current_releases(own, keys.app):
        event = release.event
        if event is None or not holds(event):
            continue
        for id in release.assets:
            asset = assets.get(id)
            if asset is not None and asset.version == release.version:
                found.append(SignedFile(release, asset, event.pubkey, event.created_at))
    found.sort(key=lambda each: (version_order(each.version), each.signed_at), reverse=True)
    return found


def _assets(events: Iterable[Event], app: str) -> Iterable[tuple[str, Asset]]:
    for event in events:
        if event.kind == kinds.SOFTWARE_ASSET:
            try:
                asset = asset_of(event)
            except InvalidEvent:
                continue  # of some program in another way
            if asset.app == app and asset.type == BUNDLE and asset.platforms:
                yield event.id, asset


def _current_releases(events: Iterable[Event], app: str) -> list[Release]:
    """The newest event of each release, and what it says."""
    found = []
    for event in _newest_of(kinds.SOFTWARE_RELEASE, events):
        try:
            release = release_of(event)
        except InvalidEvent:
            continue
        if release.app == app and release.channel == MAIN:
            found.append(release)
    return found


def _newest_of(kind: int, events: Iterable[Event]) -> list[Event]:
    """Those of one author and of an addressable kind that no later one replaces."""
    newest: dict[str, Event] = {}
    for event in events:
        if event.kind == kind:
            name = event.value("d") or ""
            if name not in newest or event.order < newest[name].order:
                newest[name] = event
    return list(newest.values())


def _withdraws(deletion: Event, event: Event) -> bool:
    """NIP-09, of one author's own events: by id, or by address all that is not newer."""
    if event.id in deletion.values("e"):
        return True
    named = event.address is not None and event.address in deletion.values("a")
    return named and event.created_at <= deletion.created_at


def _may_withdraw(event: Event, app: str) -> bool:
    """Whether that is a deletion (NIP-09) of releases or of their files, for all that it says of
    itself: what was deleted need not be known, and relays do not give it any more."""
    if event.kind != kinds.DELETION:
        return False
    names = f"{kinds.SOFTWARE_RELEASE}:{event.pubkey}:{app}@"
    if any(address.startswith(names) for address in event.values("a")):
        return True
    of_kinds = set(event.values("k"))
    own = {str(kinds.SOFTWARE_RELEASE), str(kinds.SOFTWARE_ASSET)}
    return any(event.values("e")) and (not of_kinds or bool(of_kinds & own))


def said_of_releases(keys: ReleaseKeys, events: Iterable[Event]) -> list[Event]:
    """All that the release key says of the app and that holds, or withdraws something."""
    own = [event for event in events if event.pubkey == keys.release_key]
    found = [event for event in own if _may_withdraw(event, keys.app)]
    releases = _newest_of(kinds.SOFTWARE_RELEASE, own)
    found += [event for event in releases if event.value("i") == keys.app]
    named = {id for event in found if event.kind != kinds.DELETION for id in event.values("e")}
    found += [event for event in own if event.kind == kinds.SOFTWARE_ASSET and event.id in named]
    described = _newest_of(kinds.SOFTWARE_APPLICATION, own)
    return found + [event for event in described if event.value("d") == keys.app]


def newest_for(files: Iterable[SignedFile], platform: str) -> SignedFile | None:
    """The newest of them that is for this platform."""
    return next((each for each in files if platform in each.asset.platforms), None)


def proof_of(sha256: str, events: Sequence[Event], keys: ReleaseKeys) -> SignedFile:
    """Of which release the file with that hash is.

    Raises ReleaseRefused, which says what is wrong with it, or who else signed it.
    """
    found = next((each for each in signed_files(events, keys) if each.asset.sha256 == sha256), None)
    if found is not None:
        return found
    signers = signers_of(sha256, events)
    if keys.release_key in signers:
        raise ReleaseRefused(
            "withdrawn",
            "the release key has signed it, but no release names it now: it is withdrawn, or of"
            " another version",
        )
    if signers:
        names = ", ".join(map(encode_npub, signers))
        raise ReleaseRefused("other-key", f"it is signed by {names}, and not by the release key")
    raise ReleaseRefused("unsigned", "nobody that is known here has signed it")


def signers_of(sha256: str, events: Iterable[Event]) -> list[str]:
    """Whoever signed anything of a file with that hash (hex)."""
    return list(
        dict.fromkeys(
            event.pubkey
            for event in events
            if event.kind == kinds.SOFTWARE_ASSET and sha256 in event.values("x")
        )
    )


def evidence_for(file: SignedFile, known: Iterable[Event]) -> list[Event]:
    """What proves that release, and what its key said since, of all that is `known` here; to be
    given away with the file."""
    app = file.release.app

    def proves(event: Event) -> bool:
        if event.kind == kinds.APPLICATION_DATA:  # a change of keys, which two of them sign
            return event.value("i") == app
        if event.pubkey != file.signer:
            return False
        if event.kind == kinds.SOFTWARE_APPLICATION:
            return event.value("d") == app
        return event.id in file.release.assets or _may_withdraw(event, app)

    own = [event for event in (file.asset.event, file.release.event) if event is not None]
    others = [event for event in known if proves(event) and event not in own]
    return [*own, *others]
