"""The gate on the road to a signature: no event that holds an own secret key passes.

What is signed is published, and a key that was published once is lost for ever. So each draft is
searched before it is signed: content, every tag, the names in JSON; whatever program wrote it.

- **An own key** is refused everywhere, as nsec or as hex; own are the signer's and those of all
  accounts of the folder. The others' may be locked: then each place where a key may begin is looked
  at by its trace (see `secret_search`), however many there are. Only for a key whose trace is not
  known here (it was not unlocked yet, or is in a bunker) each is derived, up to
  `secret_search.MOST_TRIES` in one draft; past that the draft is refused, and why is said.
- **An encrypted key** (ncryptsec) is refused everywhere, too: whose it is cannot be told without
  its password, which may stand beside it.
- **Any nsec** is refused where a person writes (`refuse_codes`): notes, reactions, reasons,
  profiles, petnames. Not in what was quoted from others: their nsec is out already.

A key is found in capitals, in full-width letters, behind JSON's escapes, and broken by line ends,
spaces, hyphens or anything else that is neither letter nor digit. Nothing raised quotes it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Mapping

from nostr_client.errors import SecretFound
from nostr_client.nips.nip19 import NSEC
from nostr_client.nips.nip49 import NCRYPTSEC
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.secret_search import (
    Sought,
    SoughtKeys,
    TooManyPlaces,
    forms_of,
    holds_key,
    is_nsec,
    joined,
    may_hold_key,
    nsecs_in,
    owners_of_keys,
)

OwnKeys = Callable[[], Sought]
"""The public keys (hex) of all accounts whose secret keys are here, with what traces are known."""


def sign(draft: Draft, key: SecretKey, now: float, own: OwnKeys = tuple) -> Event:
    """The event signed by `key`, if it may leave. Raises SecretFound."""
    refuse_secrets(draft, own, key)
    return draft.sign(key, int(now))


def refuse_secrets(
    draft: Draft | Event, own: Callable[[], Sought | SoughtKeys], key: SecretKey | None = None
) -> None:
    """Raises SecretFound if `draft` holds a secret key of `own`, or an encrypted one.

    `SoughtKeys` that are given each time remember what is nobody's key, which saves most of the
    work of looking: events name the same ids again and again.
    With the signer's `key` that one is found wherever it stands; without (a signer elsewhere) it
    is looked for as those of other accounts are.
    """
    refuse_secret_texts([draft.content, joined(draft.tags)], own, key)


def refuse_secret_texts(
    texts: Collection[str], own: Callable[[], Sought | SoughtKeys], key: SecretKey | None = None
) -> None:
    """As `refuse_secrets`, for what is encrypted: who it is for has no business with a key."""
    forms = [form for text in texts for form in forms_of(text)]
    if key is not None and holds_key("".join(forms), key):
        raise SecretFound("this holds your secret key: it was not signed, and went nowhere")
    if any(NCRYPTSEC.search(form) for form in forms):
        raise SecretFound("this holds an encrypted secret key (ncryptsec): it was not signed")
    if not any(may_hold_key(form) for form in forms):
        return
    try:
        if owners_of_keys(texts, _without(own(), key)):
            raise SecretFound("this holds the secret key of an account of yours: it was not signed")
    except TooManyPlaces:
        raise SecretFound(
            "this holds more hex digits than can be searched for the keys of your accounts that "
            "were not unlocked here yet, or are in a bunker"
        ) from None


def _without(own: Sought | SoughtKeys, key: SecretKey | None) -> SoughtKeys:
    """The other keys: that of the signer was looked for."""
    if isinstance(own, SoughtKeys):
        return own
    mine = key.public_key.hex if key else ""
    if isinstance(own, Mapping):
        return SoughtKeys({pubkey: trace for pubkey, trace in own.items() if pubkey != mine})
    return SoughtKeys(set(own) - {mine})


def refuse_codes(*texts: str) -> None:
    """Raises SecretFound if anybody's secret key (nsec, ncryptsec) stands in what a person wrote.

    A valid nsec is one anywhere; something shaped like it, with a typing mistake, only as it
    stands, unbroken.
    """
    for text in texts:
        shaped = unicodedata.normalize("NFKC", text).casefold()
        if NSEC.search(shaped) or NCRYPTSEC.search(shaped):
            raise SecretFound("this text holds a secret key: it is not published")
        for form in forms_of(text):
            if NCRYPTSEC.search(form) or any(is_nsec(code) for code in nsecs_in(form)):
                raise SecretFound("this text holds a secret key: it is not published")
