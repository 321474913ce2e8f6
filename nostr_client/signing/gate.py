"""The gate on the road to a signature: no event that holds an own secret key passes.

What is signed is published, and a key that was published once is lost for ever. So each draft is
searched before it is signed: content, every tag, the names in JSON; whatever program wrote it.

- **An own key** is refused everywhere, as nsec or as hex; own are the signer's and those of all
  accounts of the folder. The others' may be locked: whether a key is theirs is told by deriving its
  public key. That costs some 50 µs for each place in a run of hex digits where a key may begin, so
  there is a bound (`secret_search.MOST_TRIES`), past which the draft is refused.
- **An encrypted key** (ncryptsec) is refused everywhere, too: whose it is cannot be told without
  its password, which may stand beside it.
- **Any nsec** is refused where a person writes (`refuse_codes`): notes, reactions, reasons,
  profiles, petnames. Not in what was quoted from others: their nsec is out already.

A key is found in capitals, in full-width letters, behind JSON's escapes, and broken by line ends,
spaces, hyphens or anything else that is neither letter nor digit. Nothing raised quotes it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable

from nostr_client.errors import SecretFound
from nostr_client.nips import nip19
from nostr_client.nips.nip19 import NSEC
from nostr_client.nips.nip49 import NCRYPTSEC
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.secret_search import (
    HEX_RUN,
    TooManyPlaces,
    forms_of,
    is_nsec,
    nsecs_in,
    owners_of_keys,
)

OwnKeys = Callable[[], Collection[str]]
"""The public keys (hex) of all accounts whose secret keys are here."""


def sign(draft: Draft, key: SecretKey, now: float, own: OwnKeys = tuple) -> Event:
    """The event signed by `key`, if it may leave. Raises SecretFound."""
    refuse_secrets(draft, own, key)
    return draft.sign(key, int(now))


def refuse_secrets(draft: Draft | Event, own: OwnKeys, key: SecretKey | None = None) -> None:
    """Raises SecretFound if `draft` holds a secret key of `own`, or an encrypted one.

    With the signer's `key` that one is found wherever it stands; without (a signer elsewhere) it
    is looked for as those of other accounts are.
    """
    refuse_secret_texts([draft.content, *(item for tag in draft.tags for item in tag)], own, key)


def refuse_secret_texts(texts: Iterable[str], own: OwnKeys, key: SecretKey | None = None) -> None:
    """As `refuse_secrets`, for what is encrypted: who it is for has no business with a key."""
    forms = [form for text in texts for form in forms_of(text)]
    if key is not None:
        whole = "".join(forms)
        if bytes(key).hex() in whole or nip19.encode_nsec(key) in whole:
            raise SecretFound("this holds your secret key: it was not signed, and went nowhere")
    if any(NCRYPTSEC.search(form) for form in forms):
        raise SecretFound("this holds an encrypted secret key (ncryptsec): it was not signed")
    suspect = [form for form in forms if "nsec1" in form or HEX_RUN.search(form)]
    owned = (set(own()) if suspect else set()) - ({key.public_key.hex} if key else set())
    if not owned:
        return
    try:
        if owners_of_keys(suspect, owned):
            raise SecretFound("this holds the secret key of an account of yours: it was not signed")
    except TooManyPlaces:
        raise SecretFound("this holds more hex digits than can be searched for your keys") from None


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
