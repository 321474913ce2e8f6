"""Guards: what one objects to is signed with a person's word alone, whatever road it comes."""

from __future__ import annotations

import pytest

from nostr_client.errors import SecretFound, SigningRefused
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.guards import Guarded
from nostr_client.signing.local_signer import LocalSigner

KEY = SecretKey.from_hex("1" * 64)
OBJECTION = "it takes all of its entries out of the follow list"


async def no_empty_lists(draft: Draft) -> str:
    return OBJECTION if draft.kind == 3 and not draft.tags else ""


async def test_nothing_is_signed_against_a_guard_without_a_word() -> None:
    signer = Guarded(LocalSigner(KEY), [no_empty_lists])
    with pytest.raises(SigningRefused, match="all of its entries"):
        await signer.sign(Draft(3))
    assert (await signer.sign(Draft(1, "a note"))).verify()
    signed = await signer.sign_many([Draft(1, "one"), Draft(3), Draft(1, "two")])
    assert [each.content if isinstance(each, Event) else "no" for each in signed] == [
        "one",
        "no",
        "two",
    ]


async def test_the_person_hears_what_speaks_against_it_and_the_gate_hears_nobody() -> None:
    heard: list[str] = []

    async def consent(draft: Draft, objection: str) -> bool:
        heard.append(objection)
        return True

    signer = Guarded(LocalSigner(KEY), [no_empty_lists], consent)
    assert (await signer.sign(Draft(3))).verify()
    assert heard == [OBJECTION]
    with pytest.raises(SecretFound):
        await signer.sign(Draft(1, bytes(KEY).hex()))
