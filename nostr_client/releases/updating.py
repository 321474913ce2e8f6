"""Another version, from whoever offers it: proven first, then installed, then used.

Rules
- What is known already counts with what is offered: who hides the newest release, or the change of
  a key, from somebody who has seen it, gains nothing.
- What is offered is remembered as soon as its signatures are known to be good, whatever becomes of
  the offer: nobody who is refused today is believed tomorrow because he leaves something out.
- A key that two keys have followed by another one is not trusted any more, whether or not the
  person agrees to the new one.
- Nothing else is written before the file is there, whole, and is what was signed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from nostr_client.errors import InvalidData, NostrError, RelayError, ReleaseRefused, StoreError
from nostr_client.protocol.event import Event
from nostr_client.releases import bundle_installer
from nostr_client.releases.evidence import (
    SignedFile,
    evidence_for,
    newest_for,
    proof_of,
    signed_files,
)
from nostr_client.releases.installation import Installation, Installed, check_bundle
from nostr_client.releases.key_change import KeyChange, changes_from
from nostr_client.releases.offers import ReleaseOffer
from nostr_client.releases.origin import ReleaseKeys

Agree = Callable[[Sequence[KeyChange]], bool]
"""Asks a person, who has to say yes to the key that the last of them leads to."""


class Proven(msgspec.Struct, frozen=True):
    """A release that is proven: its `file`, by which `keys`, what `changes` of keys lead to them
    from those that are trusted, all `events` that were looked at, and the `evidence` that whoever
    gets the file needs with it."""

    file: SignedFile
    keys: ReleaseKeys
    changes: tuple[KeyChange, ...]
    events: tuple[Event, ...]
    evidence: tuple[Event, ...]


async def prove(
    installation: Installation,
    offers: Sequence[ReleaseOffer],
    platform: str = "",
    *,
    must_remember: bool = True,
) -> Proven:
    """What is offered: the one file that is given, or the newest for `platform`, by default this.

    What they prove is remembered, before anything is refused; unless it `must` be, a folder that
    cannot be written is no error: whoever only asks may ask of another one's installation. That one
    offer cannot be read is no error while another can. Raises ReleaseRefused, StoreError, and what
    went wrong with all offers (RelayError, InvalidData).
    """
    keys = await asyncio.to_thread(installation.must_have_keys)
    known = await asyncio.to_thread(installation.known)
    events = {event.id: event for event in known}
    problems: list[NostrError] = []
    for offer in offers:
        try:
            events |= {event.id: event for event in await offer.events(keys)}
        except (RelayError, InvalidData) as error:
            problems.append(error)
        else:
            try:
                known = await asyncio.to_thread(installation.remember, tuple(events.values()))
            except StoreError:
                if must_remember:
                    raise
    if problems and len(problems) == len(offers):
        raise problems[0]
    every = tuple(events.values())
    changes = tuple(changes_from(keys, every))
    if changes:
        keys = changes[-1].new
    given = next((offer.given for offer in offers if offer.given), "")
    try:
        if given:
            file = proof_of(given, every, keys)
        else:
            file = _newest(every, keys, platform or bundle_installer.platform_id())
    except ReleaseRefused as error:
        raise ReleaseRefused(error.why, f"{error}{_beside(changes, problems)}") from error
    return Proven(file, keys, changes, every, tuple(evidence_for(file, known)))


def _newest(events: Sequence[Event], keys: ReleaseKeys, platform: str) -> SignedFile:
    found = newest_for(signed_files(events, keys), platform)
    if found is None:
        raise ReleaseRefused("not-found", f"no release for {platform} was found")
    return found


def _beside(changes: Sequence[KeyChange], problems: Sequence[NostrError]) -> str:
    """What may explain that nothing was proven."""
    words = "; the release key was changed, and the one before is trusted no more" * bool(changes)
    return f"{words}; and not everybody answered: {problems[0]}" if problems else words


async def bytes_of(proven: Proven, offers: Sequence[ReleaseOffer]) -> bytes:
    """The proven file, whole, from the first offer that has it.

    Raises ReleaseRefused where what they have is another one, or what went wrong with all of them.
    """
    problems: list[NostrError] = []
    for offer in offers:
        try:
            data = await offer.bytes_of(proven.file)
            await asyncio.to_thread(check_bundle, data, proven.file)
        except (RelayError, InvalidData, ReleaseRefused) as error:
            problems.append(error)
        else:
            return data
    # That a file is refused says more than that somebody does not answer.
    refused = [error for error in problems if isinstance(error, ReleaseRefused)]
    raise next(iter(refused or problems), ReleaseRefused("not-found", "nobody offers the file"))


async def update(
    installation: Installation, offers: Sequence[ReleaseOffer], agree: Agree
) -> tuple[Proven, Installed]:
    """Take what is offered, if it is proven and newer than what is here; or change nothing
    but what is remembered.

    `agree` is asked where keys were changed. Raises ReleaseRefused, RelayError, InvalidData,
    StoreError.
    """
    proven = await prove(installation, offers)
    known = signed_files(proven.events, proven.keys)
    await asyncio.to_thread(installation.check_newer, proven.file, known)
    data = await bytes_of(proven, offers)
    if proven.changes and not agree(proven.changes):
        raise ReleaseRefused("key-change", "nobody agreed to the new release key")
    done = await asyncio.to_thread(installation.take, data, proven.file, proven.keys)
    return proven, done
